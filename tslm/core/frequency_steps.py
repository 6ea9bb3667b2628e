"""Steps of a frequency: arithmetic along physical time, listed days and opening times."""

import re
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries import offsets
from pandas.tseries.frequencies import to_offset

from tslm.core.errors import DataError

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAY = 86_400
WEEK = 7 * DAY
MONDAY = 4 * DAY  # 1970-01-05
WEEKDAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
_LAST = 2500  # the year in which lists of days end; dates of frames end in 2262
_ENDS = re.compile(r"\d*(B?[MQY]E|W)(-|$)")  # steps that pandas calls by their last day


@dataclass(frozen=True)
class Frequency:
    """Frequency: steps of one length, in physical time or in local days.

    Attributes:
        text: name of the frequency.
        step: length of one step, in the units of ``count``.
        season_length: steps of its usual season; 1 if it has none.
        physical: True if a step is a fixed number of seconds, across daylight saving time.
        length: seconds of the shortest step.
        by_day: True if steps are shorter than a week, so that the day of the week varies.
    """

    text: str
    step: int
    season_length: int
    physical: bool
    length: int
    by_day: bool = True

    def count(self, wall: Ints) -> Ints:
        """Return the position of each local time; neighbouring steps differ by ``step``."""
        return wall

    def uncount(self, counts: Ints) -> Ints:
        """Return the local times of positions: the inverse of ``count``."""
        return counts

    def contains(self, wall: Ints) -> Bools:
        """Return True for each local time on the frequency ("MS": the first of a month)."""
        return np.ones(wall.shape, dtype=bool)

    def place(self, wall: Ints) -> Ints:
        """Return the position of the day, or of the step in opening times, of each local time."""
        return wall // DAY * DAY

    def open(self, wall: Ints) -> Bools:
        """Return True for each local time within a step, False outside opening times."""
        return np.ones(wall.shape, dtype=bool)

    @property
    def ends(self) -> bool:
        """Return True if a step has the date of its last day ("ME"), not of its first."""
        return False


@dataclass(frozen=True)
class ListedDays(Frequency):
    """Frequency of listed days.

    Attributes:
        days: all days, counted from 1970-01-01.
    """

    days: Ints = field(default_factory=lambda: np.empty(0, np.int64), repr=False, compare=False)

    def count(self, wall: Ints) -> Ints:
        return (np.searchsorted(self.days, wall // DAY, side="right") - 1) * DAY + wall % DAY

    def uncount(self, counts: Ints) -> Ints:
        place = counts // DAY
        if len(place) and place.max() >= len(self.days):
            raise DataError(
                f"freq={self.text!r} is known up to the year {_LAST}, and the forecasts end later. "
                "Forecast fewer steps: a smaller h."
            )
        return np.asarray(self.days[place] * DAY + counts % DAY)

    def contains(self, wall: Ints) -> Bools:
        return np.isin(wall // DAY, self.days)

    def place(self, wall: Ints) -> Ints:
        if self.ends:
            return np.searchsorted(self.days, wall // DAY, side="left") * DAY
        return self.count(wall) // DAY * DAY

    def open(self, wall: Ints) -> Bools:
        return self.contains(wall) if self.length == DAY else super().open(wall)

    @property
    def ends(self) -> bool:
        return _ENDS.match(self.text) is not None


@dataclass(frozen=True)
class OpeningTimes(Frequency):
    """Frequency of the opening times of a week.

    Attributes:
        starts: start of each step of a week, in seconds from Monday.
    """

    starts: Ints = field(default_factory=lambda: np.empty(0, np.int64), repr=False, compare=False)

    def _places(self, wall: Ints) -> tuple[Ints, Ints, Ints]:
        """Return the week, the step within it, and the seconds since the start of that step."""
        week, second = np.divmod(wall - MONDAY, WEEK)
        place = np.searchsorted(self.starts, second, side="right") - 1
        return week, place, second - self.starts[place] + WEEK * (place < 0)

    def count(self, wall: Ints) -> Ints:
        week, place, rest = self._places(wall)
        count = (week * len(self.starts) + place) * self.step + rest.clip(max=self.step - 1)
        return np.asarray(count)

    def uncount(self, counts: Ints) -> Ints:
        number, rest = np.divmod(counts, self.step)
        week, place = np.divmod(number, len(self.starts))
        return np.asarray(MONDAY + week * WEEK + self.starts[place] + rest)

    def contains(self, wall: Ints) -> Bools:
        return np.asarray(self._places(wall)[2] < self.step)

    def place(self, wall: Ints) -> Ints:
        return self.count(wall) // self.step * self.step

    def open(self, wall: Ints) -> Bools:
        return self.contains(wall)


@lru_cache(maxsize=64)
def days(freq: str) -> Ints:
    """Return all days of a pandas alias from 1678 to 2500, counted from 1970-01-01."""
    every = np.arange(np.datetime64("1678-01-01", "D"), np.datetime64(f"{_LAST}-01-01", "D"))
    offset = to_offset(freq)
    if isinstance(offset, offsets.BusinessDay):
        every = every[np.is_busday(every)]
    elif isinstance(offset, offsets.Week):
        every = every[(every.astype(np.int64) + 3) % 7 == WEEKDAYS.index(freq[-3:])]
    else:
        grid = pd.date_range(every[0], every[-1], freq=offset, unit="s")
        every = grid.to_numpy().astype("datetime64[D]")
    return every.astype(np.int64)


def days_of_month(alias: str, day: int) -> Ints:
    """Return one day of each month of a pandas alias, or the last day of shorter months."""
    months = days(alias).astype("datetime64[D]").astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[D]").astype(np.int64)
    return np.minimum(first + day - 1, following - 1)


def day_of_month(days: Ints) -> tuple[Ints, Bools]:
    """Return the day of the month of days from 1970-01-01, and True for the last one."""
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    last = (months + 1).astype("datetime64[D]").astype(np.int64) - 1
    return days - first + 1, days == last
