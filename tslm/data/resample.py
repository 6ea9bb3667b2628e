"""Rows put on a grid: several rows of one step become one.

Times of sensors jitter, and tickets come when they come. ``Calendar.snap`` tells the step that
each time lies in; here the rows of a step are averaged, or its last one is taken.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tslm.core.calendar import Calendar, Ints, chronological
from tslm.data.column_values import as_numbers, is_number


def merge_steps(table: pd.DataFrame, step: Ints, averaged: Sequence[str] = ()) -> pd.DataFrame:
    """One row a step: numbers averaged where they differ, else the last value that is known.

    A step without any known value stays missing.

    Args:
        table: rows, in the order of time.
        step: the number of the step of each row, from 0 upwards.
        averaged: columns of which numbers are averaged.
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
    """Rows of any order as one row a series and step, with their series and times.

    Args:
        table: rows, none of them twice at one time of a series.
        codes: the series of each.
        time: of each, in integers.
        calendar: with the grid.
        averaged: columns of which numbers are averaged.
    """
    order = chronological(codes, time)
    codes, time = codes[order], calendar.snap(time[order])
    new = (np.diff(codes, prepend=-1) != 0) | (np.diff(time, prepend=time[:1] - 1) != 0)
    rows = merge_steps(table.iloc[order].reset_index(drop=True), np.cumsum(new) - 1, averaged)
    return rows, codes[new], time[new]
