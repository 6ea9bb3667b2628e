"""Errors of a forecaster on every window, with one roll-out for all horizons."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.core.float64 import exactly
from tslm.core.forecaster import Forecaster
from tslm.data.panel import Panel
from tslm.data.samplers import evenly_spaced
from tslm.data.windows import Windows


@dataclass(frozen=True)
class WindowErrors:
    """Errors of windows, one row per window and channel.

    Errors are means over the observed steps, on the standardised scale of the panel. A window
    without an observed step has NaN. A forecast that is NaN counts as an infinite error.

    Attributes:
        series: number of the series of the window.
        position: row of its first target.
        mse: mean squared error.
        mae: mean absolute error.
    """

    series: Int[ndarray, " n"]
    position: Int[ndarray, " n"]
    mse: Float[ndarray, " n"]
    mae: Float[ndarray, " n"]

    def __len__(self) -> int:
        return len(self.mse)

    def observed(self) -> "WindowErrors":
        """Return the errors of windows that have an observed step."""
        return WindowErrors(*(getattr(self, f.name)[~np.isnan(self.mse)] for f in fields(self)))

    def means(self) -> tuple[float, float]:
        """Return MSE and MAE, averaged over windows."""
        return float(np.nanmean(self.mse)), float(np.nanmean(self.mae))

    def per(self, unit: Float[ndarray, " S"]) -> "WindowErrors":
        """Return the errors divided by a unit.

        Args:
            unit: one number per series of the panel.
        """
        by = unit[self.series]
        return replace(self, mse=self.mse / by**2, mae=self.mae / by)

    def since(self, origin: Ints, first: Ints) -> "WindowErrors":
        """Return the errors with rows counted from an origin, without early windows.

        Args:
            origin: row of each series that gets the number 0.
            first: first row, counted so, that may be a target; earlier windows are left out.
        """
        position = self.position - origin[self.series]
        kept = position >= first[self.series]
        columns = (self.series, position, self.mse, self.mae)
        return WindowErrors(*(column[kept] for column in columns))


def score(
    forecaster: Forecaster,
    panel: Panel,
    *,
    context_length: int,
    horizons: Sequence[int],
    start: Ints,
    stop: Ints,
    look_back: int | None = None,
    batch_size: int = 512,
    stride: int = 1,
    limit: int | None = None,
) -> dict[int, WindowErrors]:
    """Forecast and score every window whose targets lie in [start, stop) of its series.

    A window is forecast once, up to the longest horizon that fits, and is scored for that and for
    all shorter horizons.

    Args:
        forecaster: the forecaster to score.
        panel: standardised series.
        context_length: rows before the first window of a series; a shorter series has windows at
            its end only.
        horizons: forecast horizons; each has its own, complete set of windows.
        start: first row of each series that may be a target.
        stop: row after the last one.
        look_back: steps the forecaster reads; ``context_length`` by default. It does not change the
            set of windows, so forecasters with different contexts can be compared.
        batch_size: windows forecast at once.
        stride: distance between windows; 1 scores every one.
        limit: maximum number of windows of each horizon (about), evenly spaced.

    Returns:
        The errors, by horizon.
    """
    longest_first = sorted(set(horizons), reverse=True)
    parts: dict[int, list[WindowErrors]] = {horizon: [] for horizon in horizons}
    done: int | None = None
    for horizon in longest_first:
        windows = Windows(
            panel,
            context_length=context_length,
            future_length=horizon,
            start=start,
            stop=stop,
            stride=stride,
            multivariate=forecaster.multivariate,
        )
        counted = [shorter for shorter in longest_first if shorter <= horizon]
        for index in _open(windows, stop, done, limit).split(batch_size):
            if not len(index):  # splitting an empty tensor gives one empty part
                continue
            where = Windows.at(
                panel,
                windows.series(index),
                windows.position(index),
                context_length=look_back or context_length,
                future_length=horizon,
                multivariate=forecaster.multivariate,
            )
            errors = _errors(forecaster, where, horizon, counted)
            for shorter, error in errors.items():
                parts[shorter].append(error)
        done = horizon
    return {horizon: _join(parts[horizon]) for horizon in horizons}


def _open(windows: Windows, stop: Ints, done: int | None, limit: int | None) -> Int[Tensor, " B"]:
    """Return windows for which the longer horizon ``done`` did not fit."""
    if done is None and limit is not None and len(windows):
        return evenly_spaced(len(windows), limit)
    index = torch.arange(len(windows))
    if done is not None:
        end = torch.from_numpy(stop)[windows.series(index)]
        index = index[windows.position(index) + done > end]
    if limit is not None and len(index) > limit:
        index = index[evenly_spaced(len(index), limit)]
    return index


@torch.no_grad()
def _errors(
    forecaster: Forecaster, windows: Windows, horizon: int, counted: Sequence[int]
) -> dict[int, WindowErrors]:
    index = torch.arange(len(windows))
    batch = windows.cut(index)
    ahead = forecaster.forecast(batch, horizon)
    gap = torch.nan_to_num(exactly(ahead - batch.future), nan=torch.inf)
    gap = torch.where(batch.future.isnan(), torch.nan, gap)
    where = windows.members(index)
    return {
        shorter: WindowErrors(
            *where,
            gap[:, :shorter].square().nanmean(1).flatten().numpy(),
            gap[:, :shorter].abs().nanmean(1).flatten().numpy(),
        )
        for shorter in counted
    }


def _join(parts: Sequence[WindowErrors]) -> WindowErrors:
    columns = ("series", "position", "mse", "mae")
    empty = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
    if not parts:
        return WindowErrors(*empty)
    return WindowErrors(*(np.concatenate([getattr(p, name) for p in parts]) for name in columns))
