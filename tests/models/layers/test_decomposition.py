"""Trend, season and rest, against pandas."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tslm.core.errors import ConfigError
from tslm.models.layers.decomposition import EDGES, decompose
from tslm.models.layers.retrieval import query_of, retrieve, unit


def reference(values: np.ndarray, trend_length: int, season_length: int) -> np.ndarray:
    """The published way, a row at a time: flat edges."""
    series = pd.Series(values)
    window = series.rolling(trend_length).mean().shift(-((trend_length - 1) // 2))
    trend = window.bfill().ffill()
    detrended = series - trend
    phase = np.arange(len(values)) % season_length
    season = detrended.groupby(phase).transform("mean")
    return np.stack([trend, season, detrended - season])


@pytest.mark.parametrize("trend_length", [1, 2, 24, 25])
@pytest.mark.parametrize("season_length", [1, 7, 24])
def test_flat_edges_equal_the_published_program(trend_length: int, season_length: int) -> None:
    values = np.random.default_rng(0).normal(size=(3, 60)).cumsum(1)
    parts = torch.stack(decompose(torch.from_numpy(values), trend_length, season_length, "flat"), 1)
    for row in range(3):
        expected = reference(values[row], trend_length, season_length)
        np.testing.assert_allclose(parts[row].numpy(), expected, atol=1e-10)


@settings(max_examples=40)
@given(
    length=st.integers(5, 40),
    trend=st.integers(1, 5),
    season=st.integers(1, 5),
    edge=st.sampled_from(EDGES),
    seed=st.integers(0, 100),
)
def test_parts_add_up(length: int, trend: int, season: int, edge: str, seed: int) -> None:
    values = torch.randn(
        2, length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    torch.testing.assert_close(torch.stack(decompose(values, trend, season, edge)).sum(0), values)


@pytest.mark.parametrize("edge", EDGES)
def test_a_pure_season_is_a_season_inside(edge: str) -> None:
    t = torch.arange(96.0, dtype=torch.float64)
    values = torch.sin(2 * torch.pi * t / 12)[None]
    parts = decompose(values, 12, 12, edge)
    inside = slice(24, 72)
    torch.testing.assert_close(
        parts.trend[:, inside], torch.zeros(1, 48).double(), atol=1e-9, rtol=0
    )
    assert float((parts.season - values)[:, inside].abs().max()) < 0.2


@pytest.mark.parametrize("edge", EDGES)
def test_constants_have_neither_season_nor_rest(edge: str) -> None:
    parts = decompose(torch.full((2, 30), 7.0), 6, 6, edge)
    torch.testing.assert_close(parts.trend, torch.full((2, 30), 7.0))
    assert float(parts.season.abs().max() + parts.rest.abs().max()) < 1e-5


def test_a_causal_trend_uses_the_past_only_and_the_default_changes_at_the_end() -> None:
    values = torch.randn(1, 40).cumsum(1)
    later = values.clone()
    later[:, 30:] += 5
    causal = [decompose(x, 8, 4, "causal").trend[:, :30] for x in (values, later)]
    torch.testing.assert_close(*causal)
    ramp = torch.arange(40.0)[None]
    flat, moving = (decompose(ramp, 12, 1, edge).trend[0, -5:] for edge in ("flat", "replicate"))
    assert (flat.diff() == 0).all()
    assert (moving.diff() > 0).all()


def test_what_does_not_fit_is_refused() -> None:
    values = torch.zeros(1, 10)
    with pytest.raises(
        ConfigError, match="trend_length=11 must be between 1 and context_length 10"
    ):
        decompose(values, 11, 2)
    with pytest.raises(ConfigError, match="season_length=0"):
        decompose(values, 2, 0)
    with pytest.raises(ConfigError, match=r"edge='soft' is unknown\. Choose one of replicate"):
        decompose(values, 2, 2, "soft")


class TestRetrieval:
    def test_the_nearest_come_first_whatever_their_length(self) -> None:
        queries, anchors = torch.randn(4, 8), torch.randn(20, 8)
        found = retrieve(queries, anchors, 5)
        cosine = torch.nn.functional.cosine_similarity(queries[:, None], anchors[None], dim=-1)
        order = cosine.argsort(1, descending=True)[:, :5]
        assert torch.equal(found.chosen, order)
        torch.testing.assert_close(found.similarity, cosine.gather(1, order))
        assert torch.equal(found.vectors, anchors[order])
        lengths = torch.rand(20, 1) + 0.1
        assert torch.equal(retrieve(3 * queries, lengths * anchors, 5).chosen, order)

    def test_queries_leave_silent_tokens_out(self) -> None:
        tokens, mask = torch.randn(2, 5, 4), torch.ones(2, 5, dtype=torch.bool)
        mask[1, :2] = False
        loud = tokens.clone()
        loud[1, :2] = 99
        for kind in ("mean", "max", "mean_max"):
            found = query_of(loud, mask, kind)
            torch.testing.assert_close(found, query_of(tokens, mask, kind))
            alone = query_of(tokens[1:, 2:], mask[1:, 2:], kind)
            torch.testing.assert_close(found[1:], alone)
        both = query_of(tokens, mask, "max") + 2 * query_of(tokens, mask, "mean")
        torch.testing.assert_close(query_of(tokens, mask, "mean_max"), both)
        with pytest.raises(ConfigError, match="query='last' is unknown"):
            query_of(tokens, mask, "last")

    def test_nothing_has_no_direction(self) -> None:
        assert not unit(torch.zeros(2, 3)).any()
        torch.testing.assert_close(unit(torch.randn(5, 3)).norm(dim=1), torch.ones(5))

    def test_only_chosen_anchors_get_a_gradient(self) -> None:
        anchors = torch.randn(10, 6, requires_grad=True)
        found = retrieve(torch.randn(3, 6), anchors, 2)
        (found.vectors.sum() + found.similarity.sum()).backward()
        moved = set(torch.nonzero(anchors.grad.abs().sum(1)).flatten().tolist())
        assert moved == set(found.chosen.flatten().tolist())


@pytest.mark.parametrize("edge", EDGES)
def test_padding_and_gaps_at_the_end_leave_the_parts_of_what_is_observed(edge: str) -> None:
    values = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 30)).cumsum(1))
    padded = torch.nn.functional.pad(values, (14, 9), value=5.0)
    observed = torch.nn.functional.pad(torch.ones_like(values, dtype=torch.bool), (14, 9))
    alone, within = decompose(values, 6, 7, edge), decompose(padded, 6, 7, edge, observed=observed)
    for part, whole in zip(alone, within, strict=True):
        torch.testing.assert_close(whole[:, 14:44], part)
        assert not whole[~observed].any()


@pytest.mark.parametrize("edge", EDGES)
def test_the_season_of_a_short_series_with_gaps_is_not_diluted(edge: str) -> None:
    wave = 1.4 * torch.sin(torch.arange(512) * 2 * np.pi / 24)[None]
    observed = torch.arange(512)[None] >= 384
    observed[:, 430:433] = False
    parts = decompose(torch.where(observed, wave, 0), 24, 24, edge, observed=observed)
    inner = slice(400, 480)
    assert parts.season[:, inner].abs().max() > 1.2
    assert parts.rest[:, inner].abs().max() < 0.25
    torch.testing.assert_close(sum(parts), torch.where(observed, wave, 0))
