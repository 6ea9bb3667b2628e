"""Batches of windows: the last contexts of all series, and windows by their numbers."""

from collections.abc import Iterator

import torch
from jaxtyping import Int
from torch import Tensor

from tslm.core.calendar import Calendar
from tslm.core.types import Batch
from tslm.data.panel import Panel
from tslm.data.windows import Windows


def final_contexts(
    panel: Panel,
    calendar: Calendar,
    *,
    context_length: int,
    horizon: int,
    series: Int[Tensor, " N"] | None = None,
    multivariate: bool = False,
) -> Batch:
    """Cut the last context of each series, with the times to forecast; ``future`` is empty.

    Args:
        panel: the series.
        calendar: calendar of their times.
        context_length: rows of context, L.
        horizon: steps after the last row, H; ``time`` has L + H columns.
        series: numbers of the series; all if None.
        multivariate: True puts all series into one window; ``series`` is then 0.
    """
    chosen = torch.arange(len(panel)) if series is None else series
    return contexts_before(
        panel,
        calendar,
        chosen,
        torch.from_numpy(panel.lengths)[chosen],
        context_length=context_length,
        horizon=horizon,
        multivariate=multivariate,
    )


def contexts_before(
    panel: Panel,
    calendar: Calendar,
    series: Int[Tensor, " N"],
    position: Int[Tensor, " N"],
    *,
    context_length: int,
    horizon: int,
    multivariate: bool = False,
) -> Batch:
    """Cut the contexts before given rows, with the times to forecast; ``future`` is empty.

    Args:
        panel: the series.
        calendar: calendar of their times.
        series: number of the series of each window.
        position: row of each series that is the first step to forecast; at least 1.
        context_length: rows of context, L.
        horizon: steps to forecast, H; ``time`` has L + H columns.
        multivariate: True puts all series into one window; ``series`` is then 0.
    """
    windows = Windows.at(
        panel,
        series,
        position,
        context_length=context_length,
        future_length=0,
        multivariate=multivariate,
    )
    batch = windows.cut(torch.arange(len(windows)))
    last = panel.time[torch.from_numpy(panel.offsets[:-1])[series] + position - 1]
    ahead = torch.from_numpy(calendar.future(last.numpy(), horizon))
    known, rows = batch.known, panel.effects.known
    if known is not None and rows is not None:
        after = rows.after(panel.offsets, series, position, horizon)
        known = known._replace(values=torch.cat([known.values, after], dim=1))
    return batch._replace(time=torch.cat([batch.time, ahead], dim=1), known=known)


def final_batches(
    panel: Panel,
    calendar: Calendar,
    *,
    context_length: int,
    horizon: int,
    batch_size: int,
    multivariate: bool = False,
) -> Iterator[tuple[Int[Tensor, " N"], Batch]]:
    """Yield the numbers of ``batch_size`` series at a time, with their `final_contexts`."""
    every = torch.arange(len(panel))
    for series in every[:1].split(1) if multivariate else every.split(batch_size):
        batch = final_contexts(
            panel,
            calendar,
            context_length=context_length,
            horizon=horizon,
            series=series,
            multivariate=multivariate,
        )
        yield every if multivariate else series, batch


class Batches:
    """Batches of windows in their order, which can be read several times.

    Args:
        windows: windows to cut.
        index: numbers of the windows; all if None.
        batch_size: windows per batch.
    """

    def __init__(
        self, windows: Windows, index: Int[Tensor, " n"] | None = None, batch_size: int = 512
    ) -> None:
        self.windows = windows
        chosen = torch.arange(len(windows)) if index is None else index
        self.parts = [part for part in chosen.split(batch_size) if len(part)]

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, number: int) -> Batch:
        return self.windows.cut(self.parts[number])

    def __iter__(self) -> Iterator[Batch]:
        return (self[number] for number in range(len(self)))
