"""Difficulty of a window, compared with a computation by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tslm.uncertainty.difficulty import DIFFICULTIES, LEAST, Difficulty, difficulty

NAN = torch.nan


def of(values: list[float], season: int, horizon: int, kind: Difficulty) -> list[float]:
    found = difficulty(torch.tensor(values)[None, :, None], season, horizon, kind)
    return found[0, :, 0].tolist()


def test_none_is_one() -> None:
    assert of([1.0, 5.0], 1, 3, "none") == [1.0, 1.0, 1.0]


def test_window_is_the_mean_change_over_a_season() -> None:
    assert of([0.0, 10.0, 1.0, 13.0, 3.0], 2, 2, "window") == [2.0, 2.0]  # 1, 3, 2
    assert of([0.0, 10.0, NAN, 13.0], 2, 1, "window") == [3.0]


def test_phase_is_that_of_each_place_of_the_season_drawn_towards_the_window() -> None:
    found = of([0.0, 10.0, 1.0, 14.0, 3.0, 18.0], 2, 3, "phase")  # 1, 4, 2, 4: mean 2.75
    assert_allclose(found, [(1 + 2 + 5.5) / 4, (4 + 4 + 5.5) / 4, (1 + 2 + 5.5) / 4])


def test_phase_counts_back_from_the_end_of_the_context() -> None:
    found = of(
        [10.0, 1.0, 14.0, 3.0, 18.0], 2, 1, "phase"
    )  # 4, 2, 4; the next step is the quiet one
    assert_allclose(found, [(2 + 2 * 10 / 3) / 3], rtol=1e-6)


@pytest.mark.parametrize("kind", ["window", "phase"])
def test_short_and_empty_contexts_have_a_unit_too(kind: Difficulty) -> None:
    assert of([0.0, 3.0, 5.0], 7, 2, kind) == [2.5, 2.5]
    assert of([4.0], 7, 2, kind) == [1.0, 1.0]
    assert of([NAN, NAN], 1, 2, kind) == [1.0, 1.0]
    assert of([2.0, 2.0, 2.0], 1, 1, kind) == pytest.approx([LEAST])


@given(
    kind=st.sampled_from(DIFFICULTIES),
    length=st.integers(1, 30),
    season=st.integers(1, 12),
    horizon=st.integers(1, 20),
    holes=st.integers(0, 30),
)
def test_it_is_finite_and_positive_for_any_window(
    kind: Difficulty, length: int, season: int, horizon: int, holes: int
) -> None:
    past = torch.randn(2, length, 3, generator=torch.Generator().manual_seed(length))
    past[:, :holes, 1] = torch.nan
    found = difficulty(past, season, horizon, kind)
    assert found.shape == (2, horizon, 3)
    assert torch.isfinite(found).all()
    assert float(found.min()) >= LEAST
