"""Series written in a text: numbers of another quantity with their times, as covariates."""

import re
from typing import NamedTuple

import pandas as pd

from tslm.data.events.daylight import add_daylight
from tslm.data.events.number_lists import read_lists
from tslm.data.events.reference_values import add_estimates
from tslm.data.events.schedules import read_schedules
from tslm.data.events.time_points import MARK, mark_times
from tslm.data.events.timeline import Timeline
from tslm.data.events.written_values import columns_of


class WrittenSeries(NamedTuple):
    """Series found in a text.

    Attributes:
        values: one column per series, one row per step of the timeline; NaN where the text gives
            none.
        rest: the text without the passages that were read as numbers.
        follows: columns that the target is known to follow: an estimate of the target in its own
            units, or the height of the sun.
    """

    values: pd.DataFrame
    rest: str
    follows: tuple[str, ...] = ()


def read_series(text: str, timeline: Timeline) -> WrittenSeries:
    """Read the series that a text gives in numbers; the table has no column if there is none.

    Lists and tables of times with numbers, values over spans, changes of a value at a time, and
    changes of a state in words are read. A reference point that leads from one of them to the
    target adds an estimate of the target. A text about sunlight adds the height of the sun.

    Args:
        text: any text.
        timeline: steps of the series.
    """
    times = timeline.times
    marked, points = mark_times(text, timeline.origin.to_pydatetime())
    lists, rest = read_lists(marked, points)
    spans, rest = read_schedules(rest, points, timeline)
    values = columns_of([*lists, *spans], times)
    values = values.loc[:, values.notna().any()]
    values, estimates = add_estimates(values, rest)
    values, sun = add_daylight(values, marked, points)
    rest = re.sub(MARK, lambda mark: points[int(mark[1])].written, rest)
    return WrittenSeries(values, rest, (*estimates, *sun))
