"""A multilayer perceptron, as small as one linear map."""

from itertools import pairwise
from typing import Literal, get_args

from torch import nn

from tslm.core.errors import ConfigError

Activation = Literal["tanh", "relu", "gelu"]
_ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU}


def mlp(
    n_in: int,
    n_out: int,
    *,
    layers: int = 1,
    hidden: int = 512,
    activation: Activation = "tanh",
    dropout: float = 0.1,
) -> nn.Sequential:
    """Map ``n_in`` to ``n_out`` values by ``layers`` linear layers with a non-linearity between.

    Raises:
        ConfigError: if the activation is unknown or there is no layer.
    """
    if layers < 1:
        raise ConfigError(f"layers={layers}: a map needs at least one layer. Use 1 for linear.")
    if activation not in get_args(Activation):
        known = ", ".join(get_args(Activation))
        raise ConfigError(f"activation {activation!r} is unknown. Choose one of {known}.")
    widths = [n_in, *[hidden] * (layers - 1), n_out]
    parts: list[nn.Module] = []
    for a, b in pairwise(widths):
        parts += [nn.Linear(a, b), _ACTIVATIONS[activation](), nn.Dropout(dropout)]
    return nn.Sequential(*parts[:-2])
