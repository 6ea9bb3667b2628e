"""Errors of a panel of forecasts, as fev and GluonTS define them: MASE, WQL and SQL.

Hyndman & Koehler, "Another look at measures of forecast accuracy", Int. J. Forecasting 22, 2006
(MASE); Shchur et al., "fev-bench: a realistic benchmark for time series forecasting", 2025
(SQL, WQL). A value that is not finite, such as the error of a series whose seasonal error is 0, is
left out of the averages.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.typing import ArrayLike

DECILES = tuple(round(0.1 * k, 1) for k in range(1, 10))


def seasonal_error(history: Float[ndarray, " L"], season_length: int) -> float:
    """Return the mean absolute error of the seasonal naive forecast on past values.

    Args:
        history: values before the origin; missing ones are NaN.
        season_length: steps of the season, m.

    Returns:
        The unit of scaled errors, or NaN if the history is not longer than a season.
    """
    gaps = np.abs(history[season_length:] - history[:-season_length])
    gaps = gaps[~np.isnan(gaps)]
    return float(gaps.mean()) if len(gaps) else float("nan")


def mase(
    truth: Float[ndarray, "S H"], points: Float[ndarray, "S H"], scale: Float[ndarray, " S"]
) -> float:
    """Return the mean absolute scaled error: scaled by series, then averaged.

    Args:
        truth: true values.
        points: point forecasts.
        scale: ``seasonal_error`` of each series.
    """
    return _finite_mean(_divide(np.abs(truth - points), scale[:, None]))


def quantile_loss(
    truth: Float[ndarray, "S H"], quantiles: Float[ndarray, "S H Q"], levels: Sequence[float]
) -> Float[ndarray, "S H Q"]:
    """Return twice the pinball loss of each quantile, so that the median has the absolute error.

    Args:
        truth: true values.
        quantiles: forecasts of the quantiles at ``levels``.
        levels: quantile levels, between 0 and 1.
    """
    above = truth[..., None] - quantiles
    return np.asarray(2 * np.abs(above * ((above <= 0) - np.asarray(levels))))


def wql(
    truth: Float[ndarray, "S H"], quantiles: Float[ndarray, "S H Q"], levels: Sequence[float]
) -> float:
    """Return the weighted quantile loss: the loss summed over series and steps, by sum |truth|.

    Args:
        truth: true values.
        quantiles: forecasts of the quantiles at ``levels``.
        levels: quantile levels; the result is the mean over them.
    """
    loss = np.nanmean(quantile_loss(truth, quantiles, levels), axis=(0, 1)).mean()
    return float(_divide(loss, np.nanmean(np.abs(truth))))


def sql(
    truth: Float[ndarray, "S H"],
    quantiles: Float[ndarray, "S H Q"],
    levels: Sequence[float],
    scale: Float[ndarray, " S"],
) -> float:
    """Return the scaled quantile loss: as ``mase``, with the quantile loss as the error.

    Args:
        truth: true values.
        quantiles: forecasts of the quantiles at ``levels``.
        levels: quantile levels; the result is the mean over them.
        scale: ``seasonal_error`` of each series.
    """
    loss = quantile_loss(truth, quantiles, levels).mean(axis=-1)
    return _finite_mean(_divide(loss, scale[:, None]))


def geometric_mean(ratios: Sequence[float]) -> float:
    """Return the geometric mean of positive ratios, such as errors relative to a reference."""
    return float(np.exp(np.log(np.asarray(ratios, dtype=np.float64)).mean()))


def _divide(numerator: ArrayLike, denominator: ArrayLike) -> ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(numerator, denominator))


def _finite_mean(values: ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else float("nan")
