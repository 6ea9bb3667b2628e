"""Windows of a panel: contexts and targets, cut when they are needed.

Nothing is stored per window: positions follow from counts per series, and a batch is one gather.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from einops import rearrange
from jaxtyping import Int, Shaped
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.core.types import Batch, Known
from tslm.data.panel import Panel

Array = npt.NDArray[Any]


class Runs(NamedTuple):
    """Runs of neighbouring windows of one series.

    Attributes:
        series: number of the series of each run.
        first: position of the first window of each run.
        number: number of windows of each run.
    """

    series: Ints
    first: Ints
    number: Ints


class Windows:
    """Windows of a panel: contexts of L rows and the F target rows after each.

    The position t of a window is the row of its first target within its series: the context is
    [t - L, t), the target [t, t + F). A series of fewer than L + F rows has one window, the last
    one: its context is padded on the left with NaN, and the times of the padding count backwards
    from the first row.

    Args:
        panel: the series.
        context_length: rows of context, L.
        future_length: rows of target, F.
        start: first row of each series that may be a target; 0 if None.
        stop: end of the rows of each series that may be targets; its length if None.
        stride: rows between neighbouring windows of a series.
        multivariate: True puts all series into one window, each a channel; they must be aligned.
    """

    def __init__(
        self,
        panel: Panel,
        *,
        context_length: int,
        future_length: int,
        start: Ints | None = None,
        stop: Ints | None = None,
        stride: int = 1,
        multivariate: bool = False,
    ) -> None:
        first = np.zeros(len(panel), dtype=np.int64) if start is None else start
        end = panel.lengths if stop is None else np.minimum(stop, panel.lengths)
        last = end - future_length
        lower = np.maximum(first, np.minimum(context_length, last)).clip(1)
        count = ((last - lower) // stride + 1).clip(0)
        count[1:] *= not multivariate
        self._set(panel, context_length, future_length, stride, multivariate)
        self._set_runs(np.arange(len(panel)), lower, count)

    @classmethod
    def at(
        cls,
        panel: Panel,
        series: Int[Tensor, " N"],
        position: Int[Tensor, " N"],
        *,
        context_length: int,
        future_length: int,
        multivariate: bool = False,
    ) -> "Windows":
        """Return the windows at given positions, in their order.

        Args:
            panel: the series.
            series: number of the series of each window.
            position: row of its first target within its series.
            context_length: rows of context, L.
            future_length: rows of target, F.
            multivariate: True puts all series into one window; ``series`` is then 0.
        """
        last = torch.from_numpy(panel.lengths)[series] - future_length
        assert bool(((position >= 0) & (position <= last)).all()), "a window leaves its series"
        windows = cls.__new__(cls)
        windows._set(panel, context_length, future_length, 1, multivariate)
        windows._set_runs(series.numpy(), position.numpy(), np.ones(len(series), dtype=np.int64))
        return windows

    def _set(
        self, panel: Panel, context_length: int, future_length: int, stride: int, multivariate: bool
    ) -> None:
        assert not multivariate or len(set(panel.lengths.tolist())) == 1, "series are not aligned"
        self.panel = panel
        self.channels = len(panel) if multivariate else 1
        self.context_length = context_length
        self.future_length = future_length
        self.stride = stride
        self._values = _sliding(panel.values, context_length + future_length)
        self._time = _sliding(panel.time, context_length + future_length)

    def _set_runs(self, series: Ints, first: Ints, count: Ints) -> None:
        """Set the windows: ``count`` neighbours of a series from position ``first`` on."""
        some = count > 0
        self._series = series[some]
        self._first = first[some]
        self._count = count[some]
        self._ends = np.cumsum(self._count)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def runs(self) -> "Runs":
        """Return the runs of neighbouring windows: one per series, or one per window."""
        return Runs(self._series, self._first, self._count)

    def series(self, index: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Return the number of the series of each window."""
        return torch.from_numpy(self._places(index)[0])

    def position(self, index: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Return the row of the first target of each window, within its series."""
        return torch.from_numpy(self._places(index)[1])

    def _places(self, index: Int[Tensor, " B"]) -> tuple[Ints, Ints]:
        number = index.numpy()
        run = np.searchsorted(self._ends, number, side="right")
        into = number - self._ends[run] + self._count[run]
        return self._series[run], self._first[run] + into * self.stride

    def cut(self, index: Int[Tensor, " B"]) -> Batch:
        """Cut the windows of these numbers, in this order."""
        series, position = self.members(index)
        begin = self.panel.offsets[series] + position - self.context_length
        inside = begin.clip(0)
        values, time = self._values[inside], self._time[inside]
        if (short := np.flatnonzero(position < self.context_length)).size:
            values[short], time[short] = self._padded(series[short], position[short])
        if (lagged := self.panel.effects.lagged) is not None and self.future_length:
            last = torch.from_numpy(self.panel.offsets[series] + np.maximum(position, 1) - 1)
            values = lagged.subtract(values, last, self.context_length)
        values = rearrange(values, "(B C) T -> B T C", C=self.channels)
        past, future = np.split(values, [self.context_length], axis=1)
        time = time[:: self.channels]
        text = self.panel.text and [self.panel.text[number] for number in series.tolist()]
        known = self._known(series[:: self.channels], position[:: self.channels])
        unit = self.panel.spread[series].reshape(-1, self.channels)
        zero = (-self.panel.loc[series] / self.panel.spread[series]).reshape(-1, self.channels)
        return Batch(
            torch.from_numpy(past),
            torch.from_numpy(future),
            torch.from_numpy(time),
            text,
            torch.from_numpy(zero.astype(past.dtype)),
            torch.from_numpy(unit),
            known,
        )

    def _known(self, series: Ints, position: Ints) -> Known | None:
        """Return the covariates of windows; those before the first row are those of that row."""
        rows = self.panel.effects.known
        if rows is None:
            return None
        steps = position[:, None] + np.arange(-self.context_length, self.future_length)
        flat = np.maximum(steps, 0) + self.panel.offsets[series][:, None]
        return Known(rows.values[torch.from_numpy(flat)], rows.names)

    def members(self, index: Int[Tensor, " B"]) -> tuple[Ints, Ints]:
        """Return series and position of every channel of these windows, window by window."""
        series, position = self._places(index)
        members = series[:, None] + np.arange(self.channels)
        return members.ravel(), position.repeat(self.channels)

    def _padded(self, series: Ints, position: Ints) -> tuple[Array, Array]:
        """Cut windows that begin before the first row of their series."""
        first = self.panel.offsets[series][:, None]
        row = position[:, None] + np.arange(-self.context_length, self.future_length)
        flat = np.maximum(row, 0) + first
        values = np.where(row < 0, np.nan, self.panel.values.numpy()[flat])
        back = np.minimum(row, 0) * self.panel.step[series][:, None]
        return values, self.panel.time.numpy()[flat] + back


def _sliding(rows: Shaped[Tensor, " T"], length: int) -> Array:
    """Return a view of all stretches of ``length`` rows.

    Copying them is ten times faster in numpy than in torch.
    """
    flat = rows.numpy()
    if len(flat) < length:  # then every window is padded
        return np.zeros((1, length), dtype=flat.dtype)
    return np.lib.stride_tricks.sliding_window_view(flat, length)
