"""Batches of windows: those to forecast from, and those of a list of numbers."""

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
    """The last context of each series and the times to forecast; ``future`` is empty.

    Args:
        panel: what to cut from.
        calendar: of the frame the panel was made of.
        context_length: rows of context, L.
        horizon: steps after the last row, H; ``time`` has L + H columns.
        series: numbers of the series, all if None.
        multivariate: all series in one window; ``series`` is then 0.
    """
    chosen = torch.arange(len(panel)) if series is None else series
    position = torch.from_numpy(panel.lengths)[chosen]
    windows = Windows.at(
        panel,
        chosen,
        position,
        context_length=context_length,
        future_length=0,
        multivariate=multivariate,
    )
    batch = windows.cut(torch.arange(len(windows)))
    last = panel.time[torch.from_numpy(panel.offsets[1:])[chosen] - 1]
    ahead = torch.from_numpy(calendar.future(last.numpy(), horizon))
    return batch._replace(time=torch.cat([batch.time, ahead], dim=1))


def final_batches(
    panel: Panel,
    calendar: Calendar,
    *,
    context_length: int,
    horizon: int,
    batch_size: int,
    multivariate: bool = False,
) -> Iterator[tuple[Int[Tensor, " N"], Batch]]:
    """`final_contexts` of all series, ``batch_size`` at a time, with the numbers of the series."""
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
    """Windows in their order, ``batch_size`` at a time; can be read several times.

    Args:
        windows: what to cut from.
        index: numbers of the windows; all if None.
        batch_size: windows of one batch.
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
