"""Frequencies: how far apart rows are, as pandas names it and a little beyond.

Beside the aliases of pandas ("h", "15min", "D", "MS", "W-SUN") there are months, quarters and years
from any day ("MS-15", "QS-JAN-15"), and times of opening, which a step leaves out when closed:
"D Mon-Sat", "h Mon-Fri", "30min Mon-Fri 09:30-16:00", "5min 09:30-11:30 13:00-15:00".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries import offsets
from pandas.tseries.frequencies import to_offset

from tslm.core.errors import ConfigError, DataError
from tslm.core.messages import did_you_mean

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

DAY = 86_400
WEEK = 7 * DAY
MONDAY = 4 * DAY  # 1970-01-05
WEEKDAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
_LAST = 2500  # the year in which calendars end
_ENDS = re.compile(r"\d*(B?[MQY]E|W)(-|$)")  # steps that pandas calls by their last day
_NEW = {  # aliases that are none in pandas today, or never were
    "M": "ME", "Q": "QE", "A": "YE", "Y": "YE", "BM": "BME", "BQ": "BQE", "BA": "BYE", "BY": "BYE",
    "AS": "YS", "BAS": "BYS", "SM": "SME", "H": "h", "T": "min", "S": "s", "mo": "MS", "q": "QS",
    "y": "YS", "m": "min", "day": "D", "week": "W", "month": "MS", "quarter": "QS", "year": "YS",
    "hour": "h", "hourly": "h", "daily": "D", "weekly": "W", "monthly": "MS", "quarterly": "QS",
    "yearly": "YS", "CBMS": "BMS", "CBME": "BME",
}  # fmt: skip
_SEASONS = {  # steps in a season, by the class of the offset
    offsets.Week: 52,
    offsets.WeekOfMonth: 12,
    offsets.LastWeekOfMonth: 12,
    offsets.MonthBegin: 12,
    offsets.MonthEnd: 12,
    offsets.BusinessMonthBegin: 12,
    offsets.BusinessMonthEnd: 12,
    offsets.SemiMonthBegin: 24,
    offsets.SemiMonthEnd: 24,
    offsets.QuarterBegin: 4,
    offsets.QuarterEnd: 4,
    offsets.BQuarterBegin: 4,
    offsets.BQuarterEnd: 4,
    offsets.BusinessDay: 5,
    offsets.Day: 7,
}


@dataclass(frozen=True)
class Frequency:
    """Steps of one length, in physical time or in local days.

    Args:
        text: its name.
        step: one step, in the units of ``count``.
        season_length: steps in the season it usually has, 1 where there is none.
        physical: whether steps are so many seconds, across daylight saving.
        length: of a step in seconds; the shortest where they differ.
        by_day: whether a time has a day of the week of its own.
    """

    text: str
    step: int
    season_length: int
    physical: bool
    length: int
    by_day: bool = True

    def count(self, wall: Ints) -> Ints:
        """Number local times along the frequency: rows one step apart differ by ``step``."""
        return wall

    def uncount(self, counts: Ints) -> Ints:
        """The inverse of ``count``."""
        return counts

    def contains(self, wall: Ints) -> Bools:
        """Return whether each local time is one of its own ("MS": the first of a month)."""
        return np.ones(wall.shape, dtype=bool)

    def place(self, wall: Ints) -> Ints:
        """The count of the day, or of the step in opening times, that each local time lies in."""
        return wall // DAY * DAY

    def open(self, wall: Ints) -> Bools:
        """Return whether each local time lies in a step, and not where all steps are closed."""
        return np.ones(wall.shape, dtype=bool)

    @property
    def ends(self) -> bool:
        """Return whether a step is named by its last day ("ME"), and not by its first."""
        return False


@dataclass(frozen=True)
class _OnDays(Frequency):
    """Steps along listed days.

    Args:
        days: all of them, from 1970-01-01.
    """

    days: Ints = field(default_factory=lambda: np.empty(0, np.int64), repr=False, compare=False)

    def count(self, wall: Ints) -> Ints:
        return (np.searchsorted(self.days, wall // DAY, side="right") - 1) * DAY + wall % DAY

    def uncount(self, counts: Ints) -> Ints:
        place = counts // DAY
        if len(place) and place.max() >= len(self.days):
            raise DataError(
                f"freq={self.text!r} is counted up to the year {_LAST}, and these steps go beyond. "
                "Forecast fewer of them: a smaller h."
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
class _Open(Frequency):
    """Steps along the open times of a week.

    Args:
        starts: of them, in seconds from Monday.
    """

    starts: Ints = field(default_factory=lambda: np.empty(0, np.int64), repr=False, compare=False)

    def _places(self, wall: Ints) -> tuple[Ints, Ints, Ints]:
        """Week, place in it, and seconds since the start of that place."""
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


def name_of(freq: str | pd.offsets.BaseOffset) -> str:
    """The name of a frequency, whose days of opening a custom business day has.

    Raises:
        ConfigError: if it is none.
    """
    if isinstance(freq, offsets.CustomBusinessDay):
        if len(freq.holidays):
            raise ConfigError(
                "freq= takes the weekmask of a CustomBusinessDay and not its holidays. Leave the "
                "holidays out of it, and their rows out of the frame: they are masked."
            )
        return frequency(f"D {freq.weekmask}").text
    return frequency(freq if isinstance(freq, str) else freq.freqstr).text


def check_steps(freq: object, resample: object) -> None:
    """Refuse what is no frequency, and a grid of other steps than the frequency beside it.

    Args:
        freq: a frequency, or a whole number or None, which are left to who reads times.
        resample: the steps of the grid, if there is one.

    Raises:
        ConfigError: naming what is wrong, or both.
    """
    counted = freq is None or isinstance(freq, int) or str(freq).lstrip("-").isdecimal()
    one = None if counted else frequency(name_of(freq))  # type: ignore[arg-type]
    if resample is None:
        return
    other = frequency(grid_of(resample))
    if freq is None or (one is not None and one.text == other.text):
        return
    if one is not None and one.physical and other.physical and one.step == other.step:
        return
    raise ConfigError(
        f"freq={freq!r} and resample={resample!r} are two distances of rows. Leave freq out, or "
        "name the same in both."
    )


def grid_of(resample: object) -> str:
    """The name of the grid that rows are put on.

    Raises:
        ConfigError: if it is no frequency.
    """
    if not isinstance(resample, str | pd.offsets.BaseOffset) or str(resample).isdecimal():
        raise ConfigError(
            f"resample={resample!r} is no frequency of dates. Name one, such as resample='h', "
            "'15min', 'D' or 'MS'."
        )
    try:
        return name_of(resample)
    except ConfigError as error:
        raise ConfigError(str(error).replace("freq=", "resample=")) from error


@lru_cache(maxsize=64)
def frequency(text: str) -> Frequency:
    """The frequency of a name.

    Raises:
        ConfigError: if it is none, with the nearest.
    """
    alias, *opening = text.replace(", ", ",").split()
    begins = alias[:3].upper() in WEEKDAYS and not re.fullmatch(r"[A-Z]", alias[3:4])
    if begins and alias.lower() not in _NEW:  # "monthly" is no Monday
        alias, opening = "D", text.replace(", ", ",").split()
    if opening:
        return _opening(text, alias, opening)
    offset, day = _offset(alias)
    if day is not None:
        name = f"{offset.freqstr}-{day}"
        season = _season(offset)
        return _OnDays(name, offset.n * DAY, season, False, 28 * DAY, False, _from_day(offset, day))
    name = offset.freqstr
    if isinstance(offset, offsets.Tick) and not isinstance(offset, offsets.Day):
        seconds = offset.nanos // 1_000_000_000
        span = 60 if seconds < 60 else DAY if seconds < DAY else WEEK
        season = span // seconds if span % seconds == 0 else 1
        return Frequency(name, seconds, season, True, seconds, seconds < WEEK)
    if isinstance(offset, offsets.Day):
        season = 52 if name == "7D" else _season(offset)
        return Frequency(name, offset.n * DAY, season, False, DAY, offset.n < 7)
    daily = isinstance(offset, offsets.BusinessDay)
    length, by_day = (DAY if daily else 28 * DAY), daily and offset.n < 7
    return _OnDays(name, offset.n * DAY, _season(offset), False, length, by_day, _days(offset))


def _season(offset: pd.offsets.BaseOffset) -> int:
    season = _SEASONS.get(type(offset), 1)
    return season // offset.n if season % offset.n == 0 else 1


def _opening(text: str, alias: str, words: list[str]) -> Frequency:
    """A frequency with times of opening."""
    offset, day = _offset(alias)
    hours = [word for word in words if ":" in word]
    days = _weekdays(",".join(word for word in words if word not in hours), text)
    if isinstance(offset, offsets.Day) and offset.n == 1 and not hours:
        name = opening_name("D", days)
        if name in ("D", "B"):
            return frequency(name)
        starts = np.array(days) * DAY
        return _Open(name, DAY, len(days), False, DAY, True, starts)
    plain = frequency(alias) if day is None else None
    if plain is None or not plain.physical or DAY % plain.step:
        raise ConfigError(
            f"freq={text!r}: opening times go with a step that divides a day, such as 'h' or "
            "'30min', and days of the week with 'D'."
        )
    ranges = [_range(word, text) for word in hours] or [(0, DAY - 1)]
    times = np.concatenate([np.arange(a, b + 1, plain.step) for a, b in ranges])
    starts = (np.array(days)[:, None] * DAY + np.unique(times)).ravel()
    season = len(np.unique(times)) if plain.step >= 60 else plain.season_length
    name = opening_name(plain.text, days, ranges if hours else [])
    return _Open(name, plain.step, season, False, plain.step, True, starts)


def opening_name(alias: str, days: list[int], ranges: Sequence[tuple[int, int]] = ()) -> str:
    """The name of an alias on some days of the week (Monday is 0) and seconds of the day."""
    if alias == "D" and days == [0, 1, 2, 3, 4]:
        return "B"
    names = [name.capitalize() for name in WEEKDAYS]
    words = []
    if len(days) < 7:
        starts = [d for d in days if (d - 1) % 7 not in days]
        ends = [d for d in days if (d + 1) % 7 not in days]
        run = len(starts) == 1 and len(days) > 2
        listed = ",".join(names[d] for d in days)
        words.append(f"{names[starts[0]]}-{names[ends[0]]}" if run else listed)
    words += [f"{_clock(first)}-{_clock(last)}" for first, last in ranges]
    return " ".join([alias, *words])


def _clock(second: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}"


def _weekdays(words: str, text: str) -> list[int]:
    days: set[int] = set()
    for word in filter(None, words.split(",")):
        names = word.upper().split("-")
        if len(names) > 2 or not set(names) <= set(WEEKDAYS):
            raise ConfigError(
                f"freq={text!r}: {word!r} is no day of the week. Write 'Mon-Sat' or 'Mon,Wed,Fri'."
            )
        first, last = WEEKDAYS.index(names[0]), WEEKDAYS.index(names[-1])
        days |= {(first + k) % 7 for k in range((last - first) % 7 + 1)}
    return sorted(days) or list(range(7))


def _range(word: str, text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d\d):(\d\d)-(\d\d):(\d\d)", word)
    first, last = 0, -1
    if found:
        a, b, c, d = map(int, found.groups())
        first, last = a * 3600 + b * 60, c * 3600 + d * 60
    if not first <= last < DAY:
        raise ConfigError(
            f"freq={text!r}: {word!r} is no time of opening. Write the first and the last step of "
            "a day, such as '09:30-16:00'."
        )
    return first, last


def _offset(alias: str) -> tuple[pd.offsets.BaseOffset, int | None]:
    """The offset of pandas, and the day of the month where the name has one."""
    dated = re.fullmatch(r"(\d*(?:MS|[QY]S(?:-[A-Z]{3})?))-(\d{1,2})", alias)
    try:
        offset = to_offset(dated[1] if dated else alias)
    except ValueError as error:
        raise ConfigError(_no_frequency(alias)) from error
    if isinstance(offset, offsets.BusinessHour):
        raise ConfigError(
            f"freq={alias!r} cannot be stepped along. Name the hours: freq='h Mon-Fri 09:00-16:00'."
        )
    if offset.n < 1:
        raise ConfigError(f"freq={alias!r} cannot be stepped along. Use 'h' or 'D', for example.")
    if isinstance(offset, offsets.Tick) and offset.nanos % 1_000_000_000:
        raise ConfigError(
            f"freq={alias!r} is finer than a second. Use integer time for such series."
        )
    if dated and not 1 < int(dated[2]) <= 31:
        raise ConfigError(f"freq={alias!r}: the day of the month lies between 2 and 31.")
    return offset, int(dated[2]) if dated else None


def _no_frequency(alias: str) -> str:
    number, name, anchor = re.fullmatch(r"(\d*)([A-Za-z]*)(.*)", alias, re.DOTALL).groups()  # type: ignore[union-attr]
    new = _NEW.get(name, _NEW.get(name.lower()))
    if new is not None:
        number = "" if number == "1" else number
        return f"freq={alias!r} is now {number + new + anchor!r}."
    known = ["s", "min", "h", "D", "B", "W-SUN", "MS", "ME", "QS", "QE", "YS", "YE", "SMS", "SME"]
    hint = did_you_mean(alias, known, "{!r}")
    return (
        f"freq={alias!r} is no frequency.{hint} Use one such as 'h', '15min', 'D', 'W-SUN', 'MS', "
        "'MS-15', 'QS', 'YS' or 'D Mon-Sat'."
    )


def _days(offset: pd.offsets.BaseOffset) -> Ints:
    """Every day of a frequency, counted from 1970-01-01, from the year 1678 on."""
    return days(offset.base.freqstr)


@lru_cache(maxsize=64)
def days(freq: str) -> Ints:
    """Every day of a pandas alias, counted from 1970-01-01, from the year 1678 on."""
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


def _from_day(offset: pd.offsets.BaseOffset, day: int) -> Ints:
    """The same day of every month of a frequency, or the last of months that are shorter."""
    months = _days(offset).astype("datetime64[D]").astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    following = (months + 1).astype("datetime64[D]").astype(np.int64)
    return np.minimum(first + day - 1, following - 1)


def day_of_month(days: Ints) -> tuple[Ints, Bools]:
    """The day of the month of days from 1970-01-01, and whether it is the last one."""
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    last = (months + 1).astype("datetime64[D]").astype(np.int64) - 1
    return days - first + 1, days == last
