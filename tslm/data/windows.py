"""Windows cut from a panel when they are needed, and the orders in which to read them.

Nothing is kept per window: positions follow from counts per series, and a batch is one gather.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from einops import rearrange
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.core.types import Batch
from tslm.data.panel import Panel

Array = npt.NDArray[Any]


class Runs(NamedTuple):
    """Runs of neighbouring windows: their series, first position and number."""

    series: Ints
    first: Ints
    number: Ints


class Windows:
    """All windows of a panel: a context of L rows and the F rows that follow it.

    The position t of a window is the row, counted inside its series, of its first target: the
    context is [t - L, t), the target [t, t + F). Contexts are full wherever the series has the
    rows. One that is too short for that gives its last window, with its context padded by NaN
    on the left and the time of the padding counted backwards from the first row.

    Args:
        panel: what to cut from.
        context_length: rows of context, L.
        future_length: rows of target, F.
        start: first row of each series that may be a target; 0 if None.
        stop: end of the rows of each series that may be targets; its length if None.
        stride: rows between neighbouring windows of a series.
        min_context: rows of context a window must have.
        multivariate: a window holds all series at once, each a channel; they must be aligned.
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
        min_context: int = 1,
        multivariate: bool = False,
    ) -> None:
        first = np.zeros(len(panel), dtype=np.int64) if start is None else start
        end = panel.lengths if stop is None else np.minimum(stop, panel.lengths)
        last = end - future_length
        lower = np.maximum(first, np.minimum(context_length, last)).clip(min_context)
        count = ((last - lower) // stride + 1).clip(0)
        count[1:] *= not multivariate
        self._set(panel, context_length, future_length, stride, multivariate)
        self._runs(np.arange(len(panel)), lower, count)

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
        """The windows at given places, in their order.

        Args:
            panel: what to cut from.
            series: number of the series of each window.
            position: row of its first target, inside its series.
            context_length: rows of context, L.
            future_length: rows of target, F.
            multivariate: a window holds all series at once; ``series`` is then 0.
        """
        room = torch.from_numpy(panel.lengths)[series] - future_length
        assert bool(((position >= 0) & (position <= room)).all()), "a window leaves its series"
        windows = cls.__new__(cls)
        windows._set(panel, context_length, future_length, 1, multivariate)
        windows._runs(series.numpy(), position.numpy(), np.ones(len(series), dtype=np.int64))
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

    def _runs(self, series: Ints, first: Ints, count: Ints) -> None:
        """Windows come in runs: ``count`` of one series from position ``first`` on."""
        some = count > 0
        self._series = series[some]
        self._first = first[some]
        self._count = count[some]
        self._ends = np.cumsum(self._count)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    @property
    def runs(self) -> "Runs":
        """Windows come in runs of neighbours: one run a series, or one a window."""
        return Runs(self._series, self._first, self._count)

    def pick(self, run: Float[Tensor, " B"], within: Float[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Window numbers from two shares in [0, 1): of the series, and of the windows of one."""
        chosen = (run.numpy() * len(self._ends)).astype(np.int64)
        into = (within.numpy() * self._count[chosen]).astype(np.int64)
        return torch.from_numpy(self._ends[chosen] - self._count[chosen] + into)

    def series(self, index: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Number of the series each window belongs to."""
        return torch.from_numpy(self._places(index)[0])

    def position(self, index: Int[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Row of the first target of each window, inside its series."""
        return torch.from_numpy(self._places(index)[1])

    def _places(self, index: Int[Tensor, " B"]) -> tuple[Ints, Ints]:
        number = index.numpy()
        run = np.searchsorted(self._ends, number, side="right")
        into = number - self._ends[run] + self._count[run]
        return self._series[run], self._first[run] + into * self.stride

    def cut(self, index: Int[Tensor, " B"]) -> Batch:
        """The windows of these numbers, in this order."""
        series, position = self.members(index)
        begin = self.panel.offsets[series] + position - self.context_length
        inside = begin.clip(0)
        values, time = self._values[inside], self._time[inside]
        if (short := np.flatnonzero(position < self.context_length)).size:
            values[short], time[short] = self._padded(series[short], position[short])
        if self.panel.lead is not None and self.future_length:
            origin = torch.from_numpy(self.panel.offsets[series] + np.maximum(position, 1) - 1)
            told = self.panel.lead.ahead(origin, self.future_length).numpy()
            values = np.concatenate(
                [values[:, : self.context_length], values[:, self.context_length :] - told], 1
            )
        values = rearrange(values, "(B C) T -> B T C", C=self.channels)
        past, future = np.split(values, [self.context_length], axis=1)
        time = time[:: self.channels]
        about = self.panel.about and [self.panel.about[number] for number in series.tolist()]
        return Batch(
            torch.from_numpy(past), torch.from_numpy(future), torch.from_numpy(time), about
        )

    def members(self, index: Int[Tensor, " B"]) -> tuple[Ints, Ints]:
        """Series and position of every channel of these windows, window by window."""
        series, position = self._places(index)
        members = series[:, None] + np.arange(self.channels)
        return members.ravel(), position.repeat(self.channels)

    def _padded(self, series: Ints, position: Ints) -> tuple[Array, Array]:
        """Windows that reach back beyond the first row of their series."""
        first = self.panel.offsets[series][:, None]
        row = position[:, None] + np.arange(-self.context_length, self.future_length)
        flat = np.maximum(row, 0) + first
        values = np.where(row < 0, np.nan, self.panel.values.numpy()[flat])
        back = np.minimum(row, 0) * self.panel.step[series][:, None]
        return values, self.panel.time.numpy()[flat] + back


def _sliding(rows: Shaped[Tensor, " T"], length: int) -> Array:
    """Every stretch of ``length`` rows as a view; numpy copies them ten times faster than torch."""
    flat = rows.numpy()
    if len(flat) < length:  # then every window is padded
        return np.zeros((1, length), dtype=flat.dtype)
    return np.lib.stride_tricks.sliding_window_view(flat, length)
