import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tslm.models.layers.scale import EPSILON, NORMS, Norm, Scale

SEGMENT = 4
norms = pytest.mark.parametrize("norm", NORMS)


def windows(seed: int = 0, n_segments: int = 5) -> Tensor:
    """Walks with a level, and gaps here and there."""
    dice = torch.Generator().manual_seed(seed)
    past = torch.randn(3, n_segments * SEGMENT, 2, generator=dice).cumsum(1) + 20
    return past.masked_fill(torch.rand(past.shape, generator=dice) < 0.2, torch.nan)


def moments(values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of what is observed, channel by channel, in float64."""
    exact = values.double().numpy()
    return np.nanmean(exact, 1), np.sqrt(np.nanvar(exact, 1) + EPSILON)


@norms
@given(seed=st.integers(0, 10**6), level=st.floats(-1e3, 1e3), size=st.floats(0.01, 1e3))
def test_undo_is_the_inverse_of_apply(norm: Norm, seed: int, level: float, size: float) -> None:
    past = windows(seed) * size + level
    scale = Scale.of(past, norm, SEGMENT, floor=0.1)
    error = ((scale.apply(past) * scale.spread + scale.loc) - past).abs().nan_to_num()
    assert float(error.max()) <= 1e-5 * float(past.abs().nan_to_num().max())
    assert (torch.isnan(scale.apply(past)) == torch.isnan(past)).all()


@given(seed=st.integers(0, 10**6))
def test_a_window_has_the_moments_of_what_is_observed(seed: int) -> None:
    past = windows(seed)
    loc, spread = moments(past)
    scale = Scale.of(past)
    np.testing.assert_allclose(scale.loc[:, 0], loc, rtol=1e-5)
    np.testing.assert_allclose(scale.spread[:, 0], spread, rtol=1e-4)


@given(seed=st.integers(0, 10**6), level=st.sampled_from([0.0, 1e4]))
def test_prefix_moments_of_a_segment_are_those_of_itself_and_all_before(
    seed: int, level: float
) -> None:
    past = windows(seed) + level
    scale = Scale.of(past, "prefix", SEGMENT)
    for i in range(past.shape[1] // SEGMENT):
        loc, spread = moments(past[:, : (i + 1) * SEGMENT])
        if np.isnan(loc).any():  # nothing observed yet
            continue
        steps = slice(i * SEGMENT, (i + 1) * SEGMENT)
        for step in range(SEGMENT):
            np.testing.assert_allclose(scale.loc[:, steps][:, step], loc, rtol=1e-5)
            np.testing.assert_allclose(scale.spread[:, steps][:, step], spread, rtol=2e-2)


def test_prefix_moments_do_not_lose_a_small_spread_on_a_high_level() -> None:
    past = windows() + 1e5
    _, spread = moments(past)
    np.testing.assert_allclose(Scale.of(past, "prefix", SEGMENT).spread[:, -1], spread, rtol=1e-2)


def test_the_first_segment_begins_with_the_first_observed_step() -> None:
    past = windows(n_segments=4).nan_to_num(7.0)
    past[0, :6] = torch.nan
    scale = Scale.of(past, "first_segment", SEGMENT)
    for window, first in ((0, 6), (1, 0)):
        loc, spread = moments(past[window : window + 1, first : first + SEGMENT])
        np.testing.assert_allclose(scale.loc[window], loc, rtol=1e-5)
        np.testing.assert_allclose(scale.spread[window], spread, rtol=1e-4)


@norms
def test_missing_values_and_padding_are_not_counted(norm: Norm) -> None:
    past = windows().nan_to_num(7.0)
    padded = torch.cat([torch.full((3, 2 * SEGMENT, 2), torch.nan), past], 1)
    ours, theirs = Scale.of(padded, norm, SEGMENT), Scale.of(past, norm, SEGMENT)
    torch.testing.assert_close(ours.apply(padded)[:, 2 * SEGMENT :], theirs.apply(past))


@norms
def test_channels_and_windows_have_a_scale_each(norm: Norm) -> None:
    past = windows()
    whole = Scale.of(past, norm, SEGMENT)
    for window in range(3):
        for channel in range(2):
            own = past[window : window + 1, :, channel : channel + 1]
            alone = Scale.of(own, norm, SEGMENT)
            expected = whole.apply(past)[window : window + 1, :, channel : channel + 1]
            torch.testing.assert_close(alone.apply(own), expected, equal_nan=True)


@norms
def test_no_spread_is_below_the_floor(norm: Norm) -> None:
    past = torch.full((1, 8, 1), 5.0)
    past[:, 6:] += 0.01
    assert Scale.of(past, norm, SEGMENT, floor=0.3).spread.min() == pytest.approx(0.3)
    assert Scale.of(past, norm, SEGMENT, floor=0.0).spread.min() < 0.01
    lively = windows()
    torch.testing.assert_close(
        Scale.of(lively, "window", floor=0.1).spread, Scale.of(lively, "window").spread
    )


@norms
@pytest.mark.parametrize("filler", [torch.nan, 5.0, -1e6])
def test_windows_of_nothing_and_constant_ones_stay_finite(norm: Norm, filler: float) -> None:
    past = torch.full((2, 12, 1), filler)
    scale = Scale.of(past, norm, SEGMENT, floor=0.1)
    assert torch.isfinite(scale.loc).all()
    assert torch.isfinite(scale.spread).all()
    assert (scale.apply(past).nan_to_num() == 0).all()


def test_values_are_undone_by_the_statistics_of_what_precedes_them() -> None:
    past = windows()
    scale = Scale.of(past, "prefix", SEGMENT)
    ones = torch.ones(3, 50, 2)
    assert (scale.undo(ones) == scale.spread[:, -1:] + scale.loc[:, -1:]).all()
    after = scale.preceding(7, 7)  # all of them follow the window
    assert torch.equal(after.loc, scale.loc[:, -1:].expand(-1, 7, -1))
    steps = past.shape[1]
    moved = scale.preceding(steps, SEGMENT)  # the window, moved by a segment
    assert torch.equal(moved.loc, scale.loc)
    twice = scale.preceding(2 * SEGMENT, SEGMENT)
    assert torch.equal(twice.spread, scale.spread[:, -2 * SEGMENT :])
    whole = Scale.of(past)
    assert whole.preceding(7, 7) is whole


def test_segments_need_not_tile_a_window() -> None:
    past = windows()
    cut = past[:, 1:]
    scale = Scale.of(cut, "prefix", SEGMENT)
    padded = torch.cat([torch.full_like(past[:, :1], torch.nan), cut], 1)
    expected = Scale.of(padded, "prefix", SEGMENT)
    torch.testing.assert_close(scale.loc, expected.loc[:, 1:])
    torch.testing.assert_close(scale.spread, expected.spread[:, 1:])
