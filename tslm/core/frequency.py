"""Frequencies by name: the distance of rows, as pandas calls it, with two extensions.

Besides the aliases of pandas ("h", "15min", "D", "MS", "W-SUN") there are months, quarters and
years from any day ("MS-15", "QS-JAN-15"), and opening times, outside of which there are no steps:
"D Mon-Sat", "h Mon-Fri", "30min Mon-Fri 09:30-16:00", "5min 09:30-11:30 13:00-15:00".
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
from pandas.tseries import offsets
from pandas.tseries.frequencies import to_offset

from tslm.core.errors import ConfigError
from tslm.core.frequency_steps import (
    DAY,
    WEEK,
    WEEKDAYS,
    Frequency,
    ListedDays,
    OpeningTimes,
    days,
    days_of_month,
)
from tslm.core.messages import did_you_mean

_NEW = {  # aliases that pandas no longer has, or never had, and what they are called now
    "M": "ME", "Q": "QE", "A": "YE", "Y": "YE", "BM": "BME", "BQ": "BQE", "BA": "BYE", "BY": "BYE",
    "AS": "YS", "BAS": "BYS", "SM": "SME", "H": "h", "T": "min", "S": "s", "mo": "MS", "q": "QS",
    "y": "YS", "m": "min", "day": "D", "week": "W", "month": "MS", "quarter": "QS", "year": "YS",
    "hour": "h", "hourly": "h", "daily": "D", "weekly": "W", "monthly": "MS", "quarterly": "QS",
    "yearly": "YS", "CBMS": "BMS", "CBME": "BME",
}  # fmt: skip
_SEASONS = {  # steps of the usual season, by the class of the offset
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


def name_of(freq: str | pd.offsets.BaseOffset) -> str:
    """Return the name of a frequency; a custom business day gives its days of the week.

    Raises:
        ConfigError: if it is no frequency.
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
    """Refuse an unknown frequency, and a grid whose steps are not those of the frequency.

    Args:
        freq: a frequency; whole numbers and None are not checked.
        resample: steps of the grid; None if there is none.

    Raises:
        ConfigError: if one is unknown, or both differ.
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
        f"freq={freq!r} and resample={resample!r} are different steps. Leave freq out, or "
        "pass the same in both."
    )


def grid_of(resample: object) -> str:
    """Return the name of the steps of a grid.

    Raises:
        ConfigError: if they are no frequency of dates.
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
    """Parse the name of a frequency.

    Raises:
        ConfigError: if it is unknown; names the most similar one.
    """
    alias, *opening = text.replace(", ", ",").split()
    begins = alias[:3].upper() in WEEKDAYS and not re.fullmatch(r"[A-Z]", alias[3:4])
    if begins and alias.lower() not in _NEW:  # "monthly" does not begin with a Monday
        alias, opening = "D", text.replace(", ", ",").split()
    if opening:
        return _opening(text, alias, opening)
    offset, day = _offset(alias)
    if day is not None:
        name = f"{offset.freqstr}-{day}"
        season = _season(offset)
        listed = days_of_month(offset.base.freqstr, day)
        return ListedDays(name, offset.n * DAY, season, False, 28 * DAY, False, listed)
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
    listed = days(offset.base.freqstr)
    return ListedDays(name, offset.n * DAY, _season(offset), False, length, by_day, listed)


def _season(offset: pd.offsets.BaseOffset) -> int:
    season = _SEASONS.get(type(offset), 1)
    return season // offset.n if season % offset.n == 0 else 1


def _opening(text: str, alias: str, words: list[str]) -> Frequency:
    """Parse a frequency with opening times.

    Args:
        text: the whole name, for messages.
        alias: alias of the step.
        words: days of the week and times of day.

    Raises:
        ConfigError: if the step has no opening times, or a word is neither.
    """
    offset, day = _offset(alias)
    hours = [word for word in words if ":" in word]
    days = _weekdays(",".join(word for word in words if word not in hours), text)
    if isinstance(offset, offsets.Day) and offset.n == 1 and not hours:
        name = opening_name("D", days)
        if name in ("D", "B"):
            return frequency(name)
        starts = np.array(days) * DAY
        return OpeningTimes(name, DAY, len(days), False, DAY, True, starts)
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
    return OpeningTimes(name, plain.step, season, False, plain.step, True, starts)


def opening_name(alias: str, days: list[int], ranges: Sequence[tuple[int, int]] = ()) -> str:
    """Return the name of a frequency with opening times.

    Args:
        alias: alias of the step.
        days: days of the week; Monday is 0.
        ranges: first and last step of each opening time, in seconds of the day.
    """
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
    """Return the offset of pandas, and the day of the month if the name has one.

    Raises:
        ConfigError: if pandas has no such alias, or there is no step forward in whole seconds.
    """
    dated = re.fullmatch(r"(\d*(?:MS|[QY]S(?:-[A-Z]{3})?))-(\d{1,2})", alias)
    try:
        offset = to_offset(dated[1] if dated else alias)
    except ValueError as error:
        raise ConfigError(_no_frequency(alias)) from error
    if isinstance(offset, offsets.BusinessHour):
        raise ConfigError(
            f"freq={alias!r} is not supported. Name the hours: freq='h Mon-Fri 09:00-16:00'."
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
