"""Trained weights of a model, and a check that they are finite."""

import torch
from torch import Tensor, nn

from tslm.core.errors import ConfigError


def trained_weights(model: nn.Module) -> list[Tensor]:
    """Return the weights that an optimiser trains."""
    return [weight for weight in model.parameters() if weight.requires_grad]


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the tensors to save: trained weights, and buffers outside the backbone."""
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    return {
        name: tensor.detach()
        for name, tensor in model.state_dict().items()
        if name in trained or "backbone" not in name.split(".")[:2]
    }


def check_finite(model: nn.Module, learning_rate: float) -> None:
    """Refuse weights that are not finite after training.

    Raises:
        ConfigError: with the settings to change.
    """
    if not all(torch.isfinite(weight).all() for weight in trained_weights(model)):
        raise ConfigError(
            f"Training diverged: weights are not finite. Set a learning_rate below "
            f"{learning_rate:.2g}, or trainer.clip."
        )
