"""Active statements: the rows of an event table that concern given steps of series."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tslm.core.calendar import Calendar, Ints
from tslm.core.frequency_steps import DAY
from tslm.data.events.table import FIRST, LAST, EventTable
from tslm.data.panel import Panel

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ActiveStatements:
    """K pairs of a row of an event table and a series, on T steps of this series.

    Attributes:
        row: row of the table.
        series: number of the series.
        inside: True for the steps that the row concerns.
        position: place of each step in the span, from 0 (first step) to 1 (last step).
        length: steps of the span, also those beyond the T steps.
    """

    row: Ints  # [K]
    series: Ints  # [K]
    inside: Bools  # [K, T]
    position: Floats  # [K, T]
    length: Floats  # [K]

    @classmethod
    def of(
        cls, table: EventTable, ids: Sequence[Any], now: Ints, begin: Ints, after: Ints
    ) -> "ActiveStatements":
        """Find the rows that are known and concern a step.

        Args:
            table: the statements.
            ids: id of each of n series.
            now: last known time of each series; later statements are left out.
            begin: time of each step, ``[n, T]``.
            after: time of the step that follows each step, ``[n, T]``.
        """
        of_all = np.array([row for row, name in enumerate(table.ids) if name is None], np.int64)
        own: defaultdict[Any, list[int]] = defaultdict(list)
        for row, name in enumerate(table.ids):
            if name is not None:
                own[name].append(row)
        found = []
        for number, name in enumerate(ids):
            rows = np.concatenate([of_all, np.array(own.get(name, []), np.int64)])
            rows = rows[table.said_at[rows] <= now[number]]
            steps, ends = begin[number], after[number]
            inside = (ends > table.start[rows, None]) & (steps <= table.end[rows, None])
            some = inside.any(1)
            rows, inside = rows[some], inside[some]
            start = np.where(table.start[rows] == FIRST, steps[0], table.start[rows])
            end = np.where(table.end[rows] == LAST, steps[-1], table.end[rows])
            unit = max(float(np.median(ends - steps)), 1.0)
            start, end = start.astype(np.float64), np.maximum(start, end).astype(np.float64)
            span = (end - start)[:, None]
            position = ((steps - start[:, None]) / np.maximum(span, unit)).clip(0, 1)
            found.append(
                (rows, np.full(len(rows), number), inside, position, span[:, 0] // unit + 1)
            )
        return cls(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def __len__(self) -> int:
        return len(self.row)

    def take(self, pairs: Ints | Bools) -> "ActiveStatements":
        """Return some pairs."""
        return ActiveStatements(
            self.row[pairs],
            self.series[pairs],
            self.inside[pairs],
            self.position[pairs],
            self.length[pairs],
        )


def steps_ahead(panel: Panel, calendar: Calendar, horizon: int) -> tuple[Ints, Ints, Ints]:
    """Return the last time of each series, and begin and end of the steps to forecast.

    Returns:
        ``now [n]``, ``begin [n, H]`` and ``after [n, H]``, as ``ActiveStatements.of`` takes them.
    """
    now = panel.time.numpy()[panel.offsets[1:] - 1]
    times = calendar.future(now, horizon + 1)
    return now, *_span_of_steps(np.concatenate([now[:, None], times], 1), calendar)


def past_steps(panel: Panel, series: int, calendar: Calendar) -> tuple[Ints, Ints]:
    """Return begin and end of each row of a series, ``[rows]`` each."""
    time = panel.time.numpy()[panel.offsets[series] : panel.offsets[series + 1]]
    around = np.concatenate(
        [[time[0] - panel.step[series]], time, calendar.future(time[-1:], 1)[0]]
    )
    begin, after = _span_of_steps(around[None], calendar)
    return begin[0], after[0]


def _span_of_steps(times: Ints, calendar: Calendar) -> tuple[Ints, Ints]:
    """Return begin and end of all steps but the first and the last one.

    A step lasts from its time until the next one. Steps that are named by their last day, such as
    "ME", begin on the day after the step before.
    """
    if calendar.dated and calendar.frequency.ends:
        return times[:, :-2] + DAY, times[:, 1:-1] + DAY
    return times[:, 1:-1], times[:, 2:]
