"""Densities of laws that are given by quantiles, and p-values that are learnt from scores."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from tslm.uncertainty.conformal.likelihood import LEVELS, likelihood
from tslm.uncertainty.p_values import ScoreTail, window_p_values

VALUES = np.linspace(-6, 6, 241)


@pytest.mark.parametrize(("law", "off"), [(stats.norm(1, 2), 0.02), (stats.t(4), 0.25)])
def test_the_density_is_that_of_the_law_whose_quantiles_are_known(law: Any, off: float) -> None:
    knots = np.tile(law.ppf(LEVELS)[:, None], len(VALUES))
    found = likelihood(knots, VALUES, np.ones(1))
    np.testing.assert_allclose(found.log_density, law.logpdf(VALUES), atol=off)
    np.testing.assert_allclose(found.score, stats.norm.ppf(law.cdf(VALUES)), atol=off / 10)


def test_the_density_integrates_to_one() -> None:
    knots = np.sort(np.random.default_rng(0).normal(size=len(LEVELS)) * 3)
    values = np.linspace(-60, 60, 200_001)
    found = likelihood(np.tile(knots[:, None], len(values)), values, np.ones(1))
    assert np.trapezoid(np.exp(found.log_density), values) == pytest.approx(1, abs=3e-3)


def test_a_certain_forecast_has_a_finite_density() -> None:
    found = likelihood(np.full((len(LEVELS), 3), 2.0), np.array([2.0, 2.1, np.nan]), np.ones(1))
    assert found.score[0] == pytest.approx(0)
    assert np.isfinite(found.log_density[:2]).all()
    assert found.log_density[0] > found.log_density[1]
    assert np.isnan(found.score[2])


@pytest.mark.parametrize("law", [stats.norm, stats.t(3), stats.laplace])
def test_p_values_of_new_draws_are_uniform_whatever_the_law(law: Any) -> None:
    tail = ScoreTail.of(np.abs(law.rvs(size=20_000, random_state=0)), 20_000.0)
    found = tail.p_values(np.abs(law.rvs(size=200_000, random_state=1)))
    for share in (0.001, 0.01, 0.05, 0.2, 0.5, 0.9):
        assert (found <= share).mean() == pytest.approx(share, rel=0.3)


def test_p_values_fall_with_the_score_and_never_reach_zero() -> None:
    tail = ScoreTail.of(np.abs(np.random.default_rng(0).normal(size=50)), 50.0)
    scores = np.array([0.0, 1, 2, 5, 50, 1e6])
    for one in (tail, ScoreTail.none()):
        found = one.p_values(scores)
        assert found[0] == 1
        assert (np.diff(found) <= 0).all()
        assert (found > 0).all()
    assert np.isnan(tail.p_values(np.array([np.nan]))).all()


def test_few_rows_give_no_smaller_p_value_than_many_in_their_range() -> None:
    scores = np.abs(np.random.default_rng(0).normal(size=4000))
    few, many = ScoreTail.of(scores, 20.0), ScoreTail.of(scores, 4000.0)
    at = np.linspace(0, 3, 50)
    assert (few.p_values(at) >= many.p_values(at) - 1e-9).all()


@pytest.mark.parametrize("independent", [5.0, 400.0])
def test_windows_of_dependent_steps_have_p_values_at_most_their_share(independent: float) -> None:
    dice = np.random.default_rng(0)

    def steps(n: int) -> np.ndarray:
        return 0.8 * dice.normal(size=(n, 1)) + 0.6 * dice.normal(size=(n, 12))

    ranks = steps(400).argsort(0).argsort(0) + 1.0
    new = 2 * stats.norm.sf(np.abs(steps(4000)))
    found = window_p_values(new, ranks, independent)
    for share in (0.01, 0.05, 0.2):
        assert (found <= share).mean() < 1.6 * share
    new[:, 3:] = np.nan
    new[0] = np.nan
    some = window_p_values(new, ranks, independent)
    assert np.isnan(some[0])
    assert (some[1:] <= 0.05).mean() == pytest.approx(0.05, abs=0.03)
