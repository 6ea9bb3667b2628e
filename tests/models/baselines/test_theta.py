"""The Theta method: its season, its trend, and what gaps, short and shifted series do to it."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from tslm import BaselineForecaster
from tslm.core.types import Batch, Facts, Task
from tslm.models.assembly import rule
from tslm.models.baselines.classical.seasonality import (
    interpolate,
    is_seasonal,
    seasonal_component,
)
from tslm.models.baselines.classical.theta import Line, Theta, fit_by_grids

NAN = float("nan")


def forecast(past: Tensor, horizon: int, season: int = 1, zero: float | None = 0.0) -> Tensor:
    batch = Batch.of(past[None, :, None], torch.zeros(1, 0, dtype=torch.int64))
    if zero is not None:
        batch = batch._replace(zero=torch.full((1, 1), zero, dtype=past.dtype))
    return rule("theta", Task(1, 1, season)).forecast(batch, horizon)[0, :, 0]


def errors_by_hand(values: list[float], alpha: float, theta: float, initial: float) -> float:
    """Sum the squared errors of DOTM by the recursion of Fiorucci et al., 2016, section 3."""
    level, mean, slope, intercept, total = initial, 0.0, 0.0, 0.0, 0.0
    for i, y in enumerate(values):
        damp = intercept * (1 - alpha) ** i + slope * (1 - (1 - alpha) ** (i + 1)) / alpha
        error = y - level - (1 - 1 / theta) * damp
        total += error**2 if i >= 3 else 0
        level += alpha * (y - level)
        slope = ((i - 1) * slope + 6 * (y - mean) / (i + 1)) / (i + 2) if i else 0.0
        mean += (y - mean) / (i + 1)
        intercept = mean - slope * (i + 2) / 2
    return total


def test_no_parameters_have_a_smaller_error_than_those_found() -> None:
    values = [3.0, 4, 2, 6, 5, 8, 7, 9, 12, 10]
    y = torch.tensor([values], dtype=torch.float64)
    t = torch.arange(1.0, 11, dtype=torch.float64)[None]
    one = torch.ones_like(y)
    line = Line(*(part.cumsum(1) for part in (one, t, t**2, y, y * t)))
    fit = fit_by_grids(y, t, one.bool(), line)
    alpha, weight, initial = (float(part) for part in (fit.alpha, fit.weight, fit.initial))
    theta = 1 / (1 - weight) if weight < 1 else 1e12
    assert errors_by_hand(values, alpha, theta, initial) == pytest.approx(float(fit.error))
    dice = np.random.default_rng(0)
    for _ in range(300):
        other = dice.uniform(0.1, 0.99), 1 / (1 - dice.uniform(0, 0.999)), dice.normal(initial, 3)
        assert errors_by_hand(values, *other) > float(fit.error) - 1e-3


def test_a_line_is_continued() -> None:
    line = torch.arange(30, dtype=torch.float64) * 2 + 5
    torch.testing.assert_close(forecast(line, 8), torch.arange(30, 38).double() * 2 + 5)


def test_a_season_that_grows_with_the_level_is_continued_as_factors() -> None:
    factors = torch.tensor([0.5, 1.0, 1.5, 1.0], dtype=torch.float64)
    level = torch.linspace(10, 100, 48, dtype=torch.float64)
    series = level * factors.repeat(12)
    torch.testing.assert_close(forecast(series[:40], 8, 4), series[40:], rtol=0.02, atol=0)
    added = forecast(series[:40], 8, 4, zero=None)
    assert (added - series[40:]).abs().max() > 5  # without a natural zero the season is a sum


def test_gaps_are_skipped_and_a_gap_at_the_end_is_a_longer_horizon() -> None:
    dice = np.random.default_rng(3)
    series = torch.from_numpy(dice.normal(size=60).cumsum() + 50)
    ended = torch.cat([series, series.new_full((4,), NAN)])
    torch.testing.assert_close(forecast(ended, 5), forecast(series, 9)[4:])
    gaps = series.clone()
    gaps[20:23] = NAN
    assert (forecast(gaps, 5) - forecast(series, 5)).abs().max() < 3


def test_three_values_are_enough() -> None:
    assert forecast(torch.tensor([4.0]).double(), 2).tolist() == [4, 4]
    assert forecast(torch.tensor([4.0, 6, 8]).double(), 2)[0] > 6


def test_only_the_last_rows_are_fitted() -> None:
    model = rule("theta", Task(1, 1, 1))
    model.rows = 20
    dice = torch.Generator().manual_seed(0)
    past = torch.randn(1, 50, 1, generator=dice, dtype=torch.float64)
    time = torch.zeros(1, 0, dtype=torch.int64)
    ahead = [model.forecast(Batch.of(part, time), 4) for part in (past, past[:, -20:])]
    torch.testing.assert_close(*ahead)


def test_the_season_of_the_parts() -> None:
    series = torch.tensor([1.0, 2, 3, 6] * 5, dtype=torch.float64)[None]
    found = seasonal_component(series, 4, multiplicative=False)
    torch.testing.assert_close(found, torch.tensor([[-2.0, -1, 0, 3]]).double())
    found = seasonal_component(series, 4, multiplicative=True)
    torch.testing.assert_close(found, torch.tensor([[1 / 3, 2 / 3, 1, 2]]).double())
    assert is_seasonal(series, 4).all()
    assert not is_seasonal(series[:, :7], 4).any()
    noise = torch.from_numpy(np.random.default_rng(1).normal(size=(200, 80)))
    assert 0.02 < is_seasonal(noise, 4).double().mean() < 0.2


def test_gaps_are_filled_by_lines() -> None:
    rows = torch.tensor([[NAN, 1.0, NAN, NAN, 4.0, NAN]])
    filled = torch.tensor([[NAN, 1.0, 2.0, 3.0, 4.0, NAN]])
    torch.testing.assert_close(interpolate(rows), filled, equal_nan=True)


def test_a_frame_of_positive_values_has_a_season_of_factors() -> None:
    factors = np.tile([0.5, 1.0, 1.5, 1.0], 12)
    noise = np.random.default_rng(0).normal(1, 0.01, 48)
    y = np.linspace(10, 100, 48) * factors * noise
    df = pd.DataFrame({"unique_id": "a", "ds": np.arange(48), "y": y})
    model = BaselineForecaster("theta", h=8, season_length=4, val_size=0, verbose=0).fit(df)
    batch = Batch.of(torch.from_numpy(y)[None, :, None], torch.zeros(1, 0, dtype=torch.int64))
    batch = batch._replace(zero=torch.zeros(1, 1, dtype=torch.float64))
    expected = rule("theta", Task(1, 1, 4)).forecast(batch, 8)[0, :, 0].numpy()
    np.testing.assert_allclose(model.predict().iloc[:, 2], expected, rtol=0.01)


def test_twenty_seasons_are_read_where_they_are_more_than_500_rows() -> None:
    daily, quarters = Task(5_000, 24, 24), Task(5_000, 96, 96)
    assert (Theta(task=daily).rows, Theta(task=quarters).rows) == (500, 20 * 96)
    facts = Facts(horizon=96, season_length=96, longest=10_000)
    assert Theta.suggest(facts, None, {}).context_length == 20 * 96
    assert Theta.suggest(facts, 300, {}).context_length == 300
