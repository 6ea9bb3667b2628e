"""Errors of panels of forecasts, by hand."""

import numpy as np
import pytest

from tslm.evaluation.metrics.panel_errors import (
    DECILES,
    geometric_mean,
    mase,
    quantile_loss,
    seasonal_error,
    sql,
    wql,
)

TRUTH = np.array([[2.0, 4.0], [10.0, 0.0]])
POINTS = np.array([[1.0, 4.0], [10.0, 5.0]])
SCALE = np.array([2.0, 5.0])


def test_the_seasonal_error_is_the_mean_step_over_a_season() -> None:
    history = np.array([1.0, 3.0, 2.0, 6.0])
    assert seasonal_error(history, 1) == pytest.approx(7 / 3)
    assert seasonal_error(history, 2) == 2.0
    assert seasonal_error(np.array([1.0, np.nan, 2.0, 6.0]), 1) == 4.0
    assert np.isnan(seasonal_error(history, 4))


def test_mase_is_scaled_by_series() -> None:
    assert mase(TRUTH, POINTS, SCALE) == pytest.approx((1 / 2 + 0 + 0 + 5 / 5) / 4)


def test_a_series_without_a_seasonal_error_is_left_out() -> None:
    assert mase(TRUTH, POINTS, np.array([2.0, 0.0])) == pytest.approx(0.25)
    assert mase(TRUTH, POINTS, np.array([2.0, np.nan])) == pytest.approx(0.25)
    assert np.isnan(mase(TRUTH, POINTS, np.array([np.nan, np.nan])))


def test_the_loss_of_a_quantile_is_twice_the_pinball_loss() -> None:
    loss = quantile_loss(np.array([[3.0]]), np.array([[[1.0, 3.0, 4.0]]]), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(loss[0, 0], [2 * 0.1 * 2, 0.0, 2 * 0.1 * 1])


def test_equal_quantiles_have_the_errors_of_points() -> None:
    quantiles = np.repeat(POINTS[..., None], 9, axis=-1)
    assert wql(TRUTH, quantiles, DECILES) == pytest.approx(6 / 16)
    assert sql(TRUTH, quantiles, DECILES, SCALE) == pytest.approx(mase(TRUTH, POINTS, SCALE))


def test_wql_weighs_series_by_their_size() -> None:
    quantiles = np.stack([TRUTH - 1, TRUTH], axis=-1)
    assert wql(TRUTH, quantiles, [0.2, 0.5]) == pytest.approx((4 * 2 * 0.2 / 16) / 2)
    assert sql(TRUTH, quantiles, [0.2, 0.5], SCALE) == pytest.approx((0.4 / 2 + 0.4 / 5) / 2 / 2)


def test_the_geometric_mean_undoes_a_ratio_and_its_inverse() -> None:
    assert geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
    assert geometric_mean([0.81, 1.0]) == pytest.approx(0.9)
