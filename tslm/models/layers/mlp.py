"""Multilayer perceptron; with one layer it is a linear map."""

from itertools import pairwise
from typing import Literal, get_args

from torch import nn

from tslm.core.messages import at_least, check_choice

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
    """Make a multilayer perceptron from ``n_in`` to ``n_out`` values.

    Args:
        n_in: size of the input.
        n_out: size of the output.
        layers: linear layers.
        hidden: width between the layers.
        activation: non-linearity between the layers.
        dropout: dropout after each non-linearity.

    Raises:
        ConfigError: if the activation is unknown or there is no layer.
    """
    at_least(1, layers=layers)
    check_choice("activation", activation, get_args(Activation))
    widths = [n_in, *[hidden] * (layers - 1), n_out]
    parts: list[nn.Module] = []
    for a, b in pairwise(widths):
        parts += [nn.Linear(a, b), _ACTIVATIONS[activation](), nn.Dropout(dropout)]
    return nn.Sequential(*parts[:-2])
