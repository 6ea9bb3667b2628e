from inspect import unwrap

import pytest
import torch
from torch import nn

from tslm.core.errors import ConfigError
from tslm.models.layers.mlp import mlp


def test_one_layer_is_a_linear_map() -> None:
    net = mlp(3, 5)
    assert [type(part) for part in net] == [nn.Linear]
    assert net(torch.zeros(2, 3)).shape == (2, 5)


@pytest.mark.parametrize(
    ("activation", "kind"), [("tanh", nn.Tanh), ("relu", nn.ReLU), ("gelu", nn.GELU)]
)
def test_layers_have_an_activation_and_dropout_between_and_none_after(
    activation: str, kind: type[nn.Module]
) -> None:
    net = mlp(3, 5, layers=3, hidden=7, activation=activation, dropout=0.25)
    between = [nn.Linear, kind, nn.Dropout]
    assert [type(part) for part in net] == [*between, *between, nn.Linear]
    maps = [part for part in net if isinstance(part, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in maps] == [(3, 7), (7, 7), (7, 5)]
    assert {part.p for part in net if isinstance(part, nn.Dropout)} == {0.25}


@pytest.mark.parametrize("layers", [0, -1])
def test_a_map_without_layers_is_an_error(layers: int) -> None:
    with pytest.raises(ConfigError, match=f"layers={layers} must be at least 1"):
        mlp(3, 5, layers=layers)


def test_an_unknown_activation_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"'swish' is unknown\. Choose one of tanh, relu, gelu"):
        unwrap(mlp)(3, 5, layers=2, activation="swish")  # without the type check of test runs
