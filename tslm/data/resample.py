"""Resampling: all rows of one step of a grid become one row.

It makes regular series of sensors whose times jitter and of events at any time. ``Calendar.snap``
finds the step of each time; here the rows of a step are averaged, or the last one is taken.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tslm.core.calendar import Calendar, Ints, chronological
from tslm.data.column_values import as_numbers, is_number


def merge_steps(table: pd.DataFrame, step: Ints, averaged: Sequence[str] = ()) -> pd.DataFrame:
    """Merge the rows of each step: average numbers, take the last known value of other columns.

    A step without any known value stays missing.

    Args:
        table: rows in the order of time.
        step: number of the step of each row, from 0 upwards.
        averaged: columns whose numbers are averaged.
    """
    groups = table.groupby(step, sort=False)
    result = groups.last()
    for name in averaged:
        if is_number(table[name]):
            numbers = pd.Series(as_numbers(name, table[name])).groupby(step, sort=False)
            if (numbers.max() > numbers.min()).any():
                result[name] = numbers.mean().where(numbers.max() > numbers.min(), numbers.last())
    return result


def resample_rows(
    table: pd.DataFrame, codes: Ints, time: Ints, calendar: Calendar, averaged: Sequence[str]
) -> tuple[pd.DataFrame, Ints, Ints]:
    """Return one row per series and step.

    Args:
        table: rows in any order; those of the same series and time, in the order of time.
        codes: series of each row as a number.
        time: time of each row as an integer.
        calendar: calendar with the grid.
        averaged: columns whose numbers are averaged.

    Returns:
        The rows, their series and their times, sorted.
    """
    order = chronological(codes, time)
    codes, time = codes[order], calendar.snap(time[order])
    new = (np.diff(codes, prepend=-1) != 0) | (np.diff(time, prepend=time[:1] - 1) != 0)
    rows = merge_steps(table.iloc[order].reset_index(drop=True), np.cumsum(new) - 1, averaged)
    return rows, codes[new], time[new]
