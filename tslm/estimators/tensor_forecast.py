"""Forecasts of windows given as tensors, for code that has no data frames."""

import numpy as np
import pandas as pd
import torch
from numpy import ndarray
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.core.errors import ConfigError, DataError
from tslm.data.panel import Floats, Panel
from tslm.estimators.inference import PanelForecaster
from tslm.uncertainty.requested_columns import RequestedColumns


def forecast_tensor(
    forecaster: PanelForecaster,
    past: Tensor | ndarray,
    horizon: int,
    time: Tensor | ndarray | None = None,
    request: RequestedColumns | None = None,
) -> Tensor:
    """Forecast the steps after each window, in its own units.

    Every channel is standardised by its own mean and standard deviation, as ``predict`` does with
    series that ``fit`` has not seen.

    Args:
        forecaster: forecaster of a fitted estimator.
        past: windows ``[B, L, C]``, a tensor or an array, oldest step first; NaN where missing.
            Steps before the last ``context_length`` only help to standardise.
        horizon: steps to forecast, H.
        time: time of each step, ``[B, L]``: Unix seconds (UTC), or the integers of the time column.
        request: quantiles or sample paths in place of the point forecast.

    Returns:
        Point forecasts ``[B, H, C]``; or the requested quantiles, or sample paths, of each,
        ``[B, H, C, n]``.

    Raises:
        DataError: if a shape is wrong.
        ConfigError: if the model needs times and none are given.
    """
    past, time = _tensor("past", past), None if time is None else _tensor("time", time)
    if past.ndim != 3 or not past.numel():
        raise DataError(
            f"past has the shape {tuple(past.shape)}. Pass windows, steps and channels: [B, L, C]."
        )
    times = _times(forecaster, past, time)
    values = past.detach().cpu().double().numpy()
    request = request or RequestedColumns()
    if forecaster.forecaster.multivariate:  # a panel is then one window of all its series
        parts = [
            _forecast(forecaster, values[i : i + 1], times[i : i + 1], horizon, request)
            for i in range(len(values))
        ]
        found = np.concatenate(parts, 1)
    else:
        found = _forecast(forecaster, values, times, horizon, request)
    numbers = past if past.is_floating_point() else past.to(torch.get_default_dtype())
    ahead = torch.from_numpy(found).to(numbers)
    return ahead[0] if not request else ahead[1:].movedim(0, -1)


def _tensor(name: str, values: Tensor | ndarray) -> Tensor:
    """Return a tensor of an array of numbers.

    Raises:
        DataError: if it is no array of numbers.
    """
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"{name} must be a tensor or an array of numbers: {error}") from error


def _forecast(
    forecaster: PanelForecaster,
    values: Floats,
    times: Ints,
    horizon: int,
    request: RequestedColumns,
) -> Floats:
    """Return the point forecast and the requested columns, ``[columns, B, H, C]``."""
    windows, length, channels = values.shape
    count = windows * channels
    panel = Panel.from_rows(
        values.transpose(0, 2, 1).ravel(),
        times.repeat(channels, 0).ravel(),
        np.arange(count + 1, dtype=np.int64) * length,
        pd.RangeIndex(count),
        forecaster.calendar,
    )
    found = forecaster.forecast(panel, horizon, request).values
    return found.reshape(-1, windows, channels, horizon).swapaxes(2, 3)


def _times(forecaster: PanelForecaster, past: Tensor, time: Tensor | None) -> Ints:
    """Return the time of each step; where no model reads it, that of any window."""
    windows, length, _ = past.shape
    if time is None:
        if forecaster.forecaster.reads_time:
            raise ConfigError(
                "This model reads the times of a window. Pass time=, a tensor of integers of the "
                f"shape {(windows, length)}: Unix seconds, or the integers of the time column."
            )
        first = np.zeros(1, np.int64)
        rest = forecaster.calendar.future(first, length - 1)[0] if length > 1 else first[:0]
        return np.tile(np.concatenate([first, rest]), (windows, 1))
    if tuple(time.shape) != (windows, length):
        raise DataError(
            f"time has the shape {tuple(time.shape)}, and past has {windows} windows of {length} "
            f"steps. Pass one integer a step, {(windows, length)}."
        )
    return time.cpu().numpy().astype(np.int64)
