"""Exponential smoothing: its recursion, its least squares, and the form it chooses."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tslm.core.types import Batch, Task
from tslm.models.assembly import rule
from tslm.models.baselines.classical.course import Course
from tslm.models.baselines.classical.ets import expected_squares
from tslm.models.baselines.classical.ets_recursion import (
    ADDITIVE,
    MULTIPLICATIVE,
    Form,
    Parameters,
    smooth,
)
from tslm.models.baselines.classical.least_squares import least_squares

NAN = float("nan")


def number(x: float) -> Tensor:
    return torch.full((1, 1), x, dtype=torch.float64)


def forecast(past: Tensor, horizon: int, season: int, zero: float | None = None) -> Tensor:
    batch = Batch.of(past[None, :, None], torch.zeros(1, 0, dtype=torch.int64))
    if zero is not None:
        batch = batch._replace(zero=torch.full((1, 1), zero, dtype=past.dtype))
    return rule("ets", Task(1, 1, season)).forecast(batch, horizon)[0, :, 0]


def test_the_additive_recursion_by_hand() -> None:
    """Level 10, trend 2 damped by 0.9, season (1, -1)."""
    rows = torch.tensor([[15.0, 13.0]], dtype=torch.float64)
    season = [number(1.0), number(-1.0)]
    parameters = Parameters(*map(number, (0.5, 0.1, 0.2, 0.9, 10, 2)), season)  # type: ignore[arg-type]
    found = smooth(Course.of(rows), parameters, ADDITIVE)
    # base 11.8, forecast 12.8, error 2.2; level 12.9, trend 2.02, season 1.44
    # base 14.718, forecast 13.718, error -0.718; level 14.359, trend 1.7462, season -1.1436
    assert found.ahead.flatten().tolist() == pytest.approx([12.8, 13.718])
    assert found.errors.flatten().tolist() == pytest.approx([2.2, -0.718])
    assert float(found.level) == pytest.approx(14.359)
    assert float(found.trend) == pytest.approx(1.7462)
    assert [float(part) for part in found.season] == pytest.approx([1.44, -1.1436])


def test_the_multiplicative_recursion_by_hand() -> None:
    rows = torch.tensor([[NAN, 15.0]], dtype=torch.float64)
    parameters = Parameters(*map(number, (0.5, 0.1, 0.2, 1, 10, 2)), [number(0.5), number(1.0)])  # type: ignore[arg-type]
    found = smooth(Course.of(rows), parameters, MULTIPLICATIVE)
    assert found.errors.flatten().tolist() == pytest.approx([0, 3])  # nothing moves before
    assert (float(found.level), float(found.trend)) == pytest.approx((13.5, 2.3))
    assert float(found.season[1]) == pytest.approx(1.05)


def test_free_coordinates_and_sizes_of_forms() -> None:
    assert Form(False, False, False, 0).size(12) == 3  # alpha, level and variance
    assert Form(True, True, True, ADDITIVE).size(12) == 6 + 12


def test_the_variance_of_relative_errors_by_hand() -> None:
    middle, gain = (torch.tensor([part], dtype=torch.float64) for part in ([2.0, 3], [0.5, 0.5]))
    squares = expected_squares(middle, gain, number(0.1))
    assert squares.flatten().tolist() == pytest.approx([4, 9 + 0.1])


def test_least_squares_of_a_curve() -> None:
    """Rosenbrock's valley as residuals 10 (y - x^2) and 1 - x, from several starts."""

    def residuals(points: Tensor, _problems: Tensor) -> Tensor:
        x, y = points.unbind(-1)
        return torch.stack([10 * (y - x**2), 1 - x], -1)

    start = torch.tensor([[-1.2, 1.0], [3.0, -2.0], [0.0, 5.0]], dtype=torch.float64)
    free = torch.tensor([[True, True], [True, True], [False, True]])
    found = least_squares(residuals, start, free, iterations=60, enough=1e-12)
    expected = torch.tensor([[1.0, 1], [1, 1], [0, 0]], dtype=torch.float64)
    torch.testing.assert_close(found.point, expected, rtol=0, atol=1e-3)
    alone = least_squares(residuals, start[1:2], free[1:2], iterations=60, enough=1e-12)
    torch.testing.assert_close(found.point[1:2], alone.point)


def test_a_trend_and_a_season_are_continued() -> None:
    dice = np.random.default_rng(0)
    steps = torch.arange(60, dtype=torch.float64)
    noise = torch.from_numpy(dice.normal(0, 0.05, 60))
    series = 5 + 0.3 * steps + torch.tensor([2.0, -1, 0, -1]).repeat(15) + noise
    torch.testing.assert_close(forecast(series[:52], 8, 4), series[52:], rtol=0, atol=0.5)
    growing = (10 + steps) * torch.tensor([1.4, 0.8, 1.0, 0.8]).repeat(15) * (1 + noise / 10)
    ahead = forecast(growing[:52], 8, 4, zero=0.0)
    torch.testing.assert_close(ahead, growing[52:], rtol=0.05, atol=0)


def test_a_long_season_is_taken_out_first() -> None:
    steps = torch.arange(300, dtype=torch.float64)
    noise = torch.from_numpy(np.random.default_rng(0).normal(0, 0.05, 300))
    series = torch.sin(steps * 2 * math.pi / 30) + noise
    torch.testing.assert_close(forecast(series[:270], 30, 30), series[270:], rtol=0, atol=0.4)


def test_few_values_repeat_the_last_one() -> None:
    assert forecast(torch.tensor([4.0, 6, 5]).double(), 2, 1).tolist() == [5, 5]
