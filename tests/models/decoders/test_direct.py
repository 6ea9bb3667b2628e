"""Decoders that give all of the horizon at once."""

import pytest
import torch
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.types import Layout, Task, Tokens
from tslm.models.decoders.base import Decoder
from tslm.models.decoders.components import ComponentsDecoder, FoldDecoder
from tslm.models.decoders.flatten import FlattenDecoder

N, D, H = 5, 12, 7
HIDDEN = torch.randn(3, N, D)


def decoded(decoder: Decoder, hidden: Tensor) -> Tensor:
    """Decode hidden states of tokens that are all observed."""
    values: Tensor = decoder(hidden, Tokens(hidden, torch.ones(hidden.shape[:2]).bool()))
    return values


def test_flatten_reads_the_first_dimensions_only() -> None:
    decoder = FlattenDecoder(width=D, layout=Layout(N, 4), task=Task(1, H), keep=4).eval()
    ahead = decoded(decoder, HIDDEN)
    other = HIDDEN.clone()
    other[:, :, 4:] = 0
    assert torch.equal(decoded(decoder, other), ahead)
    flat = HIDDEN[:, :, :4].transpose(1, 2).flatten(1)
    torch.testing.assert_close(ahead, decoder.project(flat))
    assert decoder.project.weight.shape == (H, 4 * N)
    wide = FlattenDecoder(width=D, layout=Layout(N, 4), task=Task(1, H), keep=99)
    assert wide.project.weight.shape == (H, D * N)
    with pytest.raises(ConfigError, match="keep=0"):
        FlattenDecoder(width=D, layout=Layout(N, 4), task=Task(1, H), keep=0)


def test_many_hidden_states_do_not_make_it_learn_faster() -> None:
    moved = []
    for tokens in (1, 64):
        torch.manual_seed(0)
        decoder = ComponentsDecoder(width=D, layout=Layout(tokens, 4), task=Task(1, H))
        hidden = torch.ones(3, tokens, D)
        before = decoded(decoder, hidden)
        assert before.abs().max() < 1.5
        optimizer = torch.optim.Adam([decoder.project.weight], lr=0.01)
        (decoded(decoder, hidden) - 1e3).square().sum().backward()
        optimizer.step()
        moved.append(float((decoded(decoder, hidden) - before).detach().mean()))
    assert moved[0] == pytest.approx(0.01 * D, rel=1e-3)
    assert moved[1] == pytest.approx(moved[0], rel=1e-3)
    plain = ComponentsDecoder(width=D, layout=Layout(64, 4), task=Task(1, H), scaled=False)
    assert plain.project.scale == 1


def test_flatten_drops_forecasts_only_where_it_is_asked() -> None:
    sizes = {"width": D, "layout": Layout(N, 4), "task": Task(1, H)}
    kind = FlattenDecoder(**sizes, output_dropout=0.5).train()
    assert (decoded(kind, HIDDEN) == 0).any()
    assert not (decoded(kind.eval(), HIDDEN) == 0).any()
    plain = [decoded(FlattenDecoder(**sizes).train(), HIDDEN) for _ in range(2)]
    assert torch.equal(*(values != 0 for values in plain))


def test_components_add_up_and_use_their_own_part() -> None:
    decoder = ComponentsDecoder(width=D + 1, layout=Layout(N, 4), task=Task(1, H)).eval()
    hidden = torch.randn(3, N, D + 1)
    bias = decoded(decoder, torch.zeros_like(hidden))
    parts = []
    for part in range(3):
        own = torch.zeros_like(hidden)
        own[:, :, 4 * part : 4 * part + 4] = hidden[:, :, 4 * part : 4 * part + 4]
        parts.append(decoded(decoder, own) - bias)
        assert (parts[-1].abs() > 1e-6).any()
    torch.testing.assert_close(sum(parts) + bias, decoded(decoder, hidden))


def test_the_published_fold_is_a_map_of_the_sum_of_thirds() -> None:
    decoder = FoldDecoder(width=D, layout=Layout(6, 4), task=Task(1, H))
    hidden = torch.randn(2, 6, D)
    thirds = hidden.flatten(1).chunk(3, 1)
    expected = sum(thirds) @ decoder.project.weight.T + 3 * decoder.project.bias
    torch.testing.assert_close(decoded(decoder, hidden), expected)
    with pytest.raises(ConfigError, match="5 tokens of width 8 cannot be split in three"):
        FoldDecoder(width=8, layout=Layout(5, 4), task=Task(1, H))


@pytest.mark.parametrize("kind", [FlattenDecoder, ComponentsDecoder, FoldDecoder])
def test_a_forecast_from_nothing_is_not_covered(kind: type) -> None:
    decoder = kind(width=D, layout=Layout(6, 4), task=Task(1, H))
    mask = torch.tensor([[False] * 5 + [True], [False] * 6])
    assert decoder.covered(mask).tolist() == [[True] * H, [False] * H]
    assert decoder.step == H
    decoder.start_at_zero()
    assert not decoded(decoder, torch.randn(2, 6, D)).any()
