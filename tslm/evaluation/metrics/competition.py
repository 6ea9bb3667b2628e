"""Error measures of the M competitions: sMAPE, MASE, OWA, and the forecast Naive2.

Makridakis et al., "The M4 Competition: 100,000 time series and 61 forecasting methods",
International Journal of Forecasting 36 (2020), section 2. Errors in the units of a user's target
are in ``tslm.evaluation.metrics.backtest``.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray


def smape(truth: Float[ndarray, " H"], forecast: Float[ndarray, " H"]) -> float:
    """Return the symmetric mean absolute percentage error, 0 to 200.

    A step where truth and forecast are both 0 counts as an error of 0.
    """
    size = np.abs(truth) + np.abs(forecast)
    gap = np.abs(truth - forecast)
    return float(200 * np.mean(np.divide(gap, size, out=np.zeros_like(size), where=size > 0)))


def mase(
    truth: Float[ndarray, " H"],
    forecast: Float[ndarray, " H"],
    history: Float[ndarray, " L"],
    season_length: int,
) -> float:
    """Return the mean absolute error divided by that of the seasonal naive forecast.

    Args:
        truth: true values.
        forecast: forecasts of the same steps.
        history: values before them, over which the seasonal naive forecast is measured.
        season_length: steps of the season, m.

    Returns:
        The scaled error; NaN if the history repeats its season exactly.
    """
    scale = np.abs(history[season_length:] - history[:-season_length]).mean()
    return float(np.abs(truth - forecast).mean() / scale) if scale > 0 else float("nan")


def owa(errors: tuple[float, float], naive2: tuple[float, float]) -> float:
    """Return the overall weighted average: the mean of sMAPE and MASE relative to ``naive2``.

    Args:
        errors: sMAPE and MASE of a forecast.
        naive2: sMAPE and MASE of the forecast ``naive2``.
    """
    return (errors[0] / naive2[0] + errors[1] / naive2[1]) / 2


def mean_errors(
    known: Mapping[str, ndarray],
    truth: Mapping[str, ndarray],
    forecasts: Mapping[str, ndarray],
    season_length: int,
) -> dict[str, float]:
    """Return MSE, MAE, sMAPE, MASE and OWA, averaged over series.

    MSE and MAE are in units of the standard deviation of the known rows of each series.

    Args:
        known: values up to the origin, by series.
        truth: values after the origin, by series.
        forecasts: forecasts of ``truth``, by series.
        season_length: steps of the season, m.
    """
    rows = []
    for name, future in truth.items():
        past, forecast = known[name], forecasts[name]
        reference = naive2(past, season_length, len(future))
        gap = (forecast - future) / (past.std() or 1.0)
        rows.append(
            {
                "mse": np.square(gap).mean(),
                "mae": np.abs(gap).mean(),
                "smape": smape(future, forecast),
                "mase": mase(future, forecast, past, season_length),
                "smape_naive2": smape(future, reference),
                "mase_naive2": mase(future, reference, past, season_length),
            }
        )
    means = {str(name): float(value) for name, value in pd.DataFrame(rows).mean().items()}
    naive = means.pop("smape_naive2"), means.pop("mase_naive2")
    return {**means, "owa": owa((means["smape"], means["mase"]), naive)}


def naive2(history: Float[ndarray, " L"], season_length: int, horizon: int) -> Float[ndarray, " H"]:
    """Forecast by the last value, seasonally adjusted if the season is significant.

    The adjustment is a multiplicative classical decomposition. It is made if the autocorrelation at
    lag ``season_length`` exceeds its 90 % limit.
    """
    if not _is_seasonal(history, season_length):
        return np.full(horizon, history[-1])
    figure = _seasonal_figure(history, season_length)
    phase = np.arange(len(history) + horizon) % season_length
    adjusted = history[-1] / figure[phase[len(history) - 1]]
    return np.asarray(adjusted * figure[phase[len(history) :]])


def _is_seasonal(history: Float[ndarray, " L"], season_length: int) -> bool:
    if season_length == 1 or len(history) < 3 * season_length:
        return False
    centred = history - history.mean()
    total = (centred**2).sum()
    if total == 0:
        return False
    lags = range(1, season_length + 1)
    correlation = np.array([(centred[lag:] * centred[:-lag]).sum() / total for lag in lags])
    limit = 1.645 * np.sqrt((1 + 2 * (correlation[:-1] ** 2).sum()) / len(history))
    return bool(abs(correlation[-1]) > limit)


def _seasonal_figure(history: Float[ndarray, " L"], season_length: int) -> Float[ndarray, " m"]:
    """Return the seasonal index: the mean ratio of each phase to the centred moving average."""
    weights = np.ones(season_length) / season_length
    if season_length % 2 == 0:
        weights = np.convolve(weights, [0.5, 0.5])
    trend = np.convolve(history, weights, "valid")
    first = (len(history) - len(trend)) // 2
    ratio = history[first : first + len(trend)] / trend
    phase = np.arange(first, first + len(trend)) % season_length
    figure = np.bincount(phase, ratio, season_length) / np.bincount(phase, minlength=season_length)
    return np.asarray(figure / figure.mean())
