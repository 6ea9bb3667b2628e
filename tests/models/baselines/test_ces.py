"""Complex exponential smoothing: its recursion, its passes, and what it does without a zero."""

import numpy as np
import pytest
import torch
from torch import Tensor

from tslm.core.types import Batch, Task
from tslm.models.assembly import rule
from tslm.models.baselines.classical.ces_recursion import (
    FULL,
    NONE,
    PARTIAL,
    SIMPLE,
    Form,
    Kind,
    Smoother,
    State,
)
from tslm.models.baselines.classical.course import Course

NAN = float("nan")


def number(x: float) -> Tensor:
    return torch.full((1, 1), x, dtype=torch.float64)


def forecast(past: Tensor, horizon: int, season: int, zero: float | None = 0.0) -> Tensor:
    batch = Batch.of(past[None, :, None], torch.zeros(1, 0, dtype=torch.int64))
    if zero is not None:
        batch = batch._replace(zero=torch.full((1, 1), zero, dtype=past.dtype))
    return rule("ces", Task(1, 1, season)).forecast(batch, horizon)[0, :, 0]


def smoother(kind: Kind, season_length: int, *parameters: float) -> Smoother:
    """Return the smoother of one row with these parameters."""
    low, high = torch.tensor(kind.bounds, dtype=torch.float64).unbind(1)
    points = ((torch.tensor(parameters, dtype=torch.float64) - low) / (high - low)).logit()
    form = Form.of([kind], points)
    return Smoother(form, season_length, form.bounded(points[None, None]))


def test_a_step_by_hand() -> None:
    """a 1.3, b 0.9, level 10, potential 9, value 12: error 2."""
    state = State((number(10), number(9)), [])
    assert float(smoother(NONE, 1, 1.3, 0.9, 1, 1).step(state, 0, number(12))) == pytest.approx(2)
    level, potential = (float(part) for part in state.level)
    assert level == pytest.approx(10 - 0.1 * 9 + 0.4 * 2)
    assert potential == pytest.approx(10 - 0.3 * 9 + 2.2 * 2)


def test_a_row_without_a_season_keeps_it_at_zero() -> None:
    """Rows with a season may stand beside it."""
    state = State((number(10), number(9)), [(number(0), number(0))])
    smoother(NONE, 1, 1.3, 0.9, 1, 1).step(state, 0, number(12))
    assert [float(part) for part in state.season[0]] == [0, 0]


def test_a_complex_season_moves_on_without_an_error_and_a_gap_carries_the_state() -> None:
    state = State((number(10), number(9)), [(number(1), number(2)), (number(3), number(4))])
    full = smoother(FULL, 2, 1.3, 1, 0.7, 0.9)
    assert float(full.step(state, 1, number(0), observed=number(0))) == 0
    assert [float(part) for part in state.season[1]] == pytest.approx([3 - 0.1 * 4, 3 + 0.3 * 4])
    assert [float(part) for part in state.season[0]] == [1, 2]


def test_an_error_alone_moves_a_real_season() -> None:
    state = State((number(10), number(0)), [(number(1), number(2))])
    partial = smoother(PARTIAL, 1, 1, 1, 0.5, 1)
    partial.step(state, 0, None)
    assert float(state.season[0][0]) == 1
    partial.step(state, 0, number(15))
    assert float(state.season[0][0]) == pytest.approx(1 + 0.5 * 4)


def test_each_phase_of_a_simple_season_has_its_own_state() -> None:
    state = State((number(0), number(0)), [(number(10), number(0)), (number(20), number(0))])
    course = Course.of(torch.tensor([[NAN, 25.0]], dtype=torch.float64))
    errors = smoother(SIMPLE, 2, 1, 1, 1, 1).pass_over(course.steps(), state, backwards=False)
    assert [float(part) for part in errors] == pytest.approx([0, 5])
    assert [float(part) for part in state.level] == [0, 0]
    assert [float(pair[0]) for pair in state.season] == pytest.approx([10, 20])
    assert [float(pair[1]) for pair in state.season] == pytest.approx([0, 30])


def test_a_season_is_continued() -> None:
    dice = np.random.default_rng(0)
    steps = torch.arange(80, dtype=torch.float64)
    series = 50 + 5 * torch.sin(steps * torch.pi / 2) + torch.from_numpy(dice.normal(0, 0.1, 80))
    torch.testing.assert_close(forecast(series[:72], 8, 4), series[72:], rtol=0, atol=1.0)


def test_without_a_zero_values_are_counted_from_their_mean() -> None:
    dice = np.random.default_rng(0)
    series = torch.from_numpy(dice.normal(size=40).cumsum() + 50)
    unknown = forecast(series, 5, 1, zero=None)
    torch.testing.assert_close(unknown, forecast(series, 5, 1, zero=float(series.mean())))
    torch.testing.assert_close(
        forecast(series + 9, 5, 1, zero=None), unknown + 9, rtol=0, atol=1e-3
    )


def test_three_values_repeat_the_last_one() -> None:
    assert forecast(torch.tensor([4.0, 6, 5]).double(), 2, 1).tolist() == [5, 5]


def test_an_explosive_fit_repeats_its_last_season_in_a_long_forecast() -> None:
    series = 1.05 ** torch.arange(60, dtype=torch.float64)
    short, long = forecast(series, 20, 1), forecast(series, 700, 1)
    torch.testing.assert_close(long[:20], short)
    assert float(short[-1]) > 1.5 * float(series[-1])
    assert float(long.abs().max()) < 100 * float(series[-1])
