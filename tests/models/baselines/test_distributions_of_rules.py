"""Distributions of classical rules: from the first row on, for any horizon, in the right units."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.core.types import Batch, Task
from tslm.models.assembly import rule

NAMES = ["last", "drift", "mean", "seasonal_naive", "profile", "profile_ar", "ar", "climatology"]
NAMES += ["theta"]
SLOW = ["ets", "ces"]  # fitted step by step: tried on fewer series
LEVELS = torch.tensor([0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99], dtype=torch.float64)
NAN = float("nan")


def distribution(name: str, past: Tensor, horizon: int, season: int = 6) -> Distribution:
    time = torch.zeros(len(past), 0, dtype=torch.int64)
    return rule(name, Task(1, 1, season)).distribution(Batch.of(past, time), horizon)


def walks(seed: int, length: int, rows: int = 3) -> Tensor:
    dice = np.random.default_rng(seed)
    values = dice.standard_normal((rows, length)).cumsum(1)
    return torch.from_numpy(values + 3 * np.sin(np.arange(length) * np.pi / 3))[:, :, None]


def deviations(name: str, values: list[float], horizon: int, season: int) -> list[float]:
    past = torch.tensor(values, dtype=torch.float64)[None, :, None]
    low, high = distribution(name, past, horizon, season).quantile(LEVELS[[1, 5]])
    score = 2 * float(torch.special.ndtri(LEVELS[5]))
    return ((high - low) / score)[0, :, 0].tolist()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 1000), st.integers(1, 40), st.floats(0, 0.9))
def test_quantiles_are_in_order_and_apart_from_the_first_row_on(
    name: str, seed: int, length: int, missing: float
) -> None:
    past = walks(seed, length)
    past[torch.from_numpy(np.random.default_rng(seed).random(past.shape) < missing)] = NAN
    past[:, -1] = 1.0
    found = distribution(name, past, 15)
    quantiles = found.quantile(LEVELS)
    assert quantiles.shape == (7, 3, 15, 1)
    assert quantiles.isfinite().all()
    assert (quantiles.diff(dim=0) > 0).all()
    time = torch.zeros(3, 0, dtype=torch.int64)
    point = rule(name, Task(1, 1, 6)).forecast(Batch.of(past, time), 15)
    torch.testing.assert_close(found.point, point)


@pytest.mark.parametrize("name", [*NAMES, *SLOW])
def test_a_single_value_has_a_wide_interval_and_a_constant_a_narrow_one(name: str) -> None:
    single = distribution(name, torch.full((1, 1, 1), 3.0, dtype=torch.float64), 4)
    low, high = single.quantile(LEVELS[[1, 5]])
    assert ((high - low) > 1).all()
    constant = distribution(name, torch.full((1, 50, 1), 3.0, dtype=torch.float64), 4)
    assert ((constant.quantile(LEVELS) - 3).abs() < 0.01).all()


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(NAMES), st.integers(0, 1000), st.integers(5, 40), st.floats(0.01, 100))
def test_distributions_follow_a_change_of_units(
    name: str, seed: int, length: int, factor: float
) -> None:
    past = walks(seed, length)
    expected = factor * distribution(name, past, 9).quantile(LEVELS) - 7
    found = distribution(name, factor * past - 7, 9).quantile(LEVELS)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6 * (factor + 1) * 100)


@pytest.mark.parametrize("name", [*NAMES, *SLOW])
def test_neighbours_and_padding_do_not_matter(name: str) -> None:
    past = walks(4, 40, 4)
    past[1, 20:24] = NAN
    past[2, :33] = NAN
    past[3, -5:] = NAN
    together = distribution(name, past, 9).quantile(LEVELS)
    for i in range(4):
        alone = distribution(name, past[i : i + 1], 9).quantile(LEVELS)
        torch.testing.assert_close(together[:, i : i + 1], alone)
    short = distribution(name, past[2:3, 33:], 9).quantile(LEVELS)
    torch.testing.assert_close(together[:, 2:3], short)


@pytest.mark.parametrize("name", SLOW)
def test_fitted_recursions_have_quantiles_in_order_from_the_first_row_on(name: str) -> None:
    past = walks(0, 16, 16)
    for row in range(16):
        past[row, :row] = NAN  # 16 values, 15, and so on to a single one
    quantiles = distribution(name, past, 9).quantile(LEVELS)
    assert quantiles.isfinite().all()
    assert (quantiles.diff(dim=0) > 0).all()
    turned = distribution(name, 3 * past - 7, 9).quantile(LEVELS)
    enough = slice(0, 14)  # a single value has a spread of 2 in any units
    expected = 3 * quantiles - 7
    torch.testing.assert_close(turned[:, enough], expected[:, enough], rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "values", "season", "expected"),
    [
        ("last", [1, 2, 0, NAN, 2], 1, [math.sqrt((1 + 4 + 2) / 3 * h) for h in (1, 2, 3)]),
        ("drift", [0, 1, 0, 3], 1, [2 * math.sqrt(h * (1 + h / 3)) for h in (1, 2, 3)]),
        ("mean", [1, 2, 3], 1, [math.sqrt(1 + 1 / 3)] * 3),
        ("seasonal_naive", [1, 5, 2, 7], 2, [math.sqrt(2.5 * k) for k in (1, 1, 2)]),
        ("profile", [1, 5, 3, 5], 2, [1, 1, 1]),
    ],
)
def test_deviations_of_naive_rules_by_hand(
    name: str, values: list[float], season: int, expected: list[float]
) -> None:
    assert deviations(name, values, 3, season) == pytest.approx(expected)


def test_climatology_takes_values_of_the_same_phase_where_there_are_many() -> None:
    dice = np.random.default_rng(0)
    phases = dice.normal([0, 50], [1, 10], size=(400, 2))
    past = torch.from_numpy(phases.reshape(1, -1, 1))
    low, high = distribution("climatology", past, 2, 2).quantile(LEVELS[[1, 5]])[:, 0, :, 0]
    torch.testing.assert_close(low, torch.tensor([-1.28, 37.2]).double(), rtol=0, atol=1.5)
    torch.testing.assert_close(high, torch.tensor([1.28, 62.8]).double(), rtol=0, atol=1.5)
