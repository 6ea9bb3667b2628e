"""The height of the sun as a covariate, for a text about sunlight or solar power."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from tslm.data.events.time_points import MARK, TimePoint

NAME = "sun"
_ABOUT_SUN = re.compile(
    r"\b(?:solar|sunlight|sunshine|irradiance|photovoltaics?|PV)\b", re.IGNORECASE
)
_HIGHEST = re.compile(
    r"\b(?:max\w*|peak\w*|highest|most|zenith|solar noon)\b(?:[^.;\n]|\.\d){0,200}?"
    rf"\b(?:at|around|about|is)\s+{MARK}",
    re.IGNORECASE,
)
DAY = 24 * 3600  # seconds
NOON = DAY / 2


def add_daylight(
    table: pd.DataFrame, text: str, points: Sequence[TimePoint]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Add the cosine of the hour angle of the sun: 1 at noon, -1 at midnight.

    The sine of the height of the sun is linear in it, with numbers that depend on the place and
    the day. Noon is the time at which the text says that the sun or the power is highest, and
    12:00 if it says none. Steps of half a day or more have no such column.

    Args:
        table: covariates, one row per step.
        text: a marked text, see ``mark_times``.
        points: its points of time.

    Returns:
        The table, and the name of the new column.
    """
    times = pd.DatetimeIndex(table.index)
    if len(times) < 2 or times[1] - times[0] >= pd.Timedelta(hours=12):
        return table, ()
    if not _ABOUT_SUN.search(text):
        return table, ()
    noon = NOON
    if stated := _HIGHEST.search(text):
        clock = points[int(stated[1])]
        if clock.timed:
            noon = clock.moment.hour * 3600 + clock.moment.minute * 60 + clock.moment.second
    seconds = (times - times.normalize()).total_seconds().to_numpy()
    return table.assign(**{NAME: np.cos(2 * np.pi * (seconds - noon) / DAY)}), (NAME,)
