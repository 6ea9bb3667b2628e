"""Errors of the M competitions, from their definitions.

Makridakis et al., "The M4 Competition: 100,000 time series and 61 forecasting methods",
International Journal of Forecasting 36 (2020), section 2. Errors in the units of a user's target
come from utilsforecast.
"""

import numpy as np
from jaxtyping import Float
from numpy import ndarray


def smape(truth: Float[ndarray, " H"], forecast: Float[ndarray, " H"]) -> float:
    """Symmetric mean absolute percentage error, 0 to 200; a step of two zeros has none."""
    size = np.abs(truth) + np.abs(forecast)
    gap = np.abs(truth - forecast)
    return float(200 * np.mean(np.divide(gap, size, out=np.zeros_like(size), where=size > 0)))


def mase(
    truth: Float[ndarray, " H"],
    forecast: Float[ndarray, " H"],
    history: Float[ndarray, " L"],
    season_length: int,
) -> float:
    """Mean absolute error, in units of what repeating the season errs inside the history.

    NaN if the history repeats itself exactly.
    """
    scale = np.abs(history[season_length:] - history[:-season_length]).mean()
    return float(np.abs(truth - forecast).mean() / scale) if scale > 0 else float("nan")


def owa(errors: tuple[float, float], naive2: tuple[float, float]) -> float:
    """Overall weighted average: sMAPE and MASE in units of those of ``naive2``, averaged."""
    return (errors[0] / naive2[0] + errors[1] / naive2[1]) / 2


def naive2(history: Float[ndarray, " L"], season_length: int, horizon: int) -> Float[ndarray, " H"]:
    """The last value, seasonally adjusted where the season is significant.

    Multiplicative classical decomposition, if the autocorrelation at the season exceeds its 90 %
    limit.
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
    """Mean ratio of each phase to the centred moving average, with mean 1."""
    weights = np.ones(season_length) / season_length
    if season_length % 2 == 0:
        weights = np.convolve(weights, [0.5, 0.5])
    trend = np.convolve(history, weights, "valid")
    first = (len(history) - len(trend)) // 2
    ratio = history[first : first + len(trend)] / trend
    phase = np.arange(first, first + len(trend)) % season_length
    figure = np.bincount(phase, ratio, season_length) / np.bincount(phase, minlength=season_length)
    return np.asarray(figure / figure.mean())
