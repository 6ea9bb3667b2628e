"""Callbacks of training."""

from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from tslm.estimators.training.weights import trained_state


class KeepBest(Callback):
    """Callback that restores the weights with the lowest validation score.

    Args:
        watched: name of the validation score, see ``watched`` in ``module``.
    """

    def __init__(self, watched: str) -> None:
        self.watched = watched
        self.score = float("inf")
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        score = float(trainer.callback_metrics.get(self.watched, torch.inf))
        if score < self.score:
            self.score = score
            kept = trained_state(module.model)  # type: ignore[arg-type]
            self.weights = {name: tensor.cpu().clone() for name, tensor in kept.items()}

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.weights:
            module.model.load_state_dict(self.weights, strict=False)  # type: ignore[union-attr]

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.score, self.weights = state["score"], state["weights"]
