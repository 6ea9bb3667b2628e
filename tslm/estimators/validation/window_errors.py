"""Errors of a forecaster over windows: every window, streamed, one roll-out for all horizons."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.core.types import Forecaster
from tslm.data.panel import Panel
from tslm.data.samplers import evenly_spaced
from tslm.data.windows import Windows


@dataclass(frozen=True)
class WindowErrors:
    """One row a window and channel: its series, the row of its first target, and its mean errors.

    Errors are means over the observed steps, in the units of the panel, so on the standardised
    scale; a window without an observed step has NaN, and a forecast that is none is infinitely
    wrong.
    """

    series: Int[ndarray, " n"]
    position: Int[ndarray, " n"]
    mse: Float[ndarray, " n"]
    mae: Float[ndarray, " n"]

    def __len__(self) -> int:
        return len(self.mse)

    def observed(self) -> "WindowErrors":
        """Those of windows with an observed step."""
        return WindowErrors(*(vars(self)[f.name][~np.isnan(self.mse)] for f in fields(self)))

    def means(self) -> tuple[float, float]:
        """MSE and MAE, averaged over windows."""
        return float(np.nanmean(self.mse)), float(np.nanmean(self.mae))

    def per(self, unit: Float[ndarray, " S"]) -> "WindowErrors":
        """The same errors counted in ``unit``, which is one number a series of the panel."""
        by = unit[self.series]
        return replace(self, mse=self.mse / by**2, mae=self.mae / by)

    def since(self, origin: Ints, first: Ints) -> "WindowErrors":
        """The same errors with rows counted from an origin in each series.

        Args:
            origin: row of each series that is called 0.
            first: the first row then that may be a target; windows before it are left out.
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
    """Forecast every window whose targets lie in [start, stop) of its series.

    A window is forecast once, as far as the longest horizon that fits, and counts for all
    shorter ones.

    Args:
        forecaster: what to score.
        panel: standardised series.
        context_length: windows begin where a series has so many rows, or else at its end.
        horizons: steps it forecasts; each has its own, complete set of windows.
        start: first row of each series that may be a target.
        stop: row after the last that may be one.
        look_back: steps the forecaster reads, ``context_length`` by default; the windows stay the
            same, so that forecasters with different reaches can be compared.
        batch_size: windows forecast at once.
        stride: distance between windows; 1 scores every one.
        limit: look at no more than about this many windows of each horizon, evenly spread.
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
            if not len(index):  # no window at all is split into one part without any
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
    """Windows in which the longer horizon already ``done`` did not fit."""
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
    ahead = forecaster.told(batch.about).forecast(batch.past, batch.time, horizon)
    gap = torch.nan_to_num((ahead - batch.future).double(), nan=torch.inf)
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
