"""Calendar features: cycles of the day, week and year as sines and cosines, and holidays."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import ConfigError
from tslm.core.messages import did_you_mean, naming

Floats = npt.NDArray[np.float64]

DAY, WEEK, YEAR = 86_400, 604_800, 31_556_952  # seconds; a year is the Gregorian mean


def cycle_features(calendar: Calendar, time: Ints, season: int) -> tuple[Floats, Floats]:
    """Encode the place of each time in its cycles as sines and cosines.

    Args:
        calendar: calendar of the times, in its own time zone.
        time: n times as integers.
        season: steps of the main season, used for times without dates.

    Returns:
        Two arrays with n rows. The first holds the short cycles: time of day and whether the day is
        a working day; the day of the week for daily steps; the main season for times without dates.
        The second holds all cycles.
    """
    place, distinct = pd.factorize(time)  # series share their times
    short, every = _encode_cycles(calendar, distinct, season)
    return short[place], every[place]


def _encode_cycles(calendar: Calendar, time: Ints, season: int) -> tuple[Floats, Floats]:
    if not calendar.dated:
        turns = time / (calendar.step * season)
        short = _sines_and_cosines(turns, min(3, season // 2))
        return short, short
    wall, step = calendar.wall(time), calendar.step
    none = np.empty((len(time), 0))
    day = _sines_and_cosines(wall / DAY, min(3, DAY // (2 * step))) if step < DAY else none
    turns = (wall - 4 * DAY) / WEEK  # 1970-01-05 was a Monday
    fine = calendar.finer_than_weeks
    works = ((turns % 1) < 5 / 7)[:, None].astype(float) if fine else none
    week = _sines_and_cosines(np.floor(turns * 7) / 7, 3) if fine else none
    year = _sines_and_cosines(wall / YEAR, 2)
    short = np.concatenate([day, works], 1) if day.size else week if fine else year
    return short, np.concatenate([day, week, year], 1)


def _sines_and_cosines(turns: Floats, harmonics: int) -> Floats:
    angles = 2 * np.pi * (turns % 1)[:, None] * np.arange(1, harmonics + 1)
    return np.concatenate([np.sin(angles), np.cos(angles)], 1)


def holiday_features(country: str, calendar: Calendar, time: Ints) -> Floats:
    """Count the holidays at and around each time.

    For steps of a day or less: 1 if the local day is a holiday, if the next day is one, and if the
    previous day is one. For longer steps: the number of holidays in the step that begins at the
    time, in the step that ends there, and in the step that follows.

    Args:
        country: ISO code, or "COUNTRY-SUBDIVISION" ("DE-BY").
        calendar: calendar of the times.
        time: n times as integers.

    Returns:
        An array of n rows and 3 columns.

    Raises:
        ConfigError: if the country is unknown, the times have no dates, or the package "holidays"
            is not installed.
    """
    if not calendar.dated:
        raise ConfigError(f"holidays={country!r} needs dates; these times are integers.")
    if calendar.finer_than_weeks and calendar.step <= DAY:
        days, rows = np.unique(calendar.wall(time) // DAY, return_inverse=True)
        free = _holiday_days(country, days)
        return np.isin(days[:, None] + [0, 1, -1], free)[rows].astype(float)
    count = calendar.count(time)
    steps = [calendar.uncount(count + place * calendar.step) for place in (-1, 0, 1, 2)]
    before, here, after, later = (calendar.wall(step) // DAY for step in steps)
    free = _holiday_days(country, np.concatenate([before, later]))
    spans = [(here, after), (before + 1, here + 1), (after, later)]
    numbers = [np.searchsorted(free, end) - np.searchsorted(free, start) for start, end in spans]
    return np.stack(numbers, 1).astype(float)


def _holiday_days(country: str, days: Ints) -> Ints:
    """Return the sorted holidays from a year before to a year after some days, since 1970-01-01."""
    first, last = (int(day.astype("datetime64[D]").astype("datetime64[Y]").astype(int)) + 1970
                   for day in (days.min(), days.max()))  # fmt: skip
    dates = _holiday_dates(country, range(first - 1, last + 2))
    start = pd.Timestamp(0).date()
    return np.array(sorted((date - start) // timedelta(days=1) for date in dates), dtype=np.int64)


def _holiday_dates(country: str, years: Iterable[int]) -> Any:
    package = _holidays_package()
    name, _, part = country.partition("-")
    known = package.list_supported_countries()
    if name not in known:
        hint = did_you_mean(name, known)
        raise ConfigError(f"holidays={country!r}: no country {name!r} is known.{hint}")
    if part and part not in known[name]:
        raise ConfigError(
            f"holidays={country!r}: {name} has no {part!r}. It has {naming(known[name], 60)}."
        )
    return package.country_holidays(name, subdiv=part or None, years=years)


def _holidays_package() -> Any:
    try:
        return import_module("holidays")
    except ImportError as error:
        raise ConfigError(
            "holidays= needs the package holidays. Install it with pip install 'tslm[holidays]'."
        ) from error


# Covariates that are computed from times, by their setting: value, calendar and n times to [n, k].
FEATURES: dict[str, Callable[[Any, Calendar, Ints], Floats]] = {"holidays": holiday_features}


def features_of_times(settings: Mapping[str, Any], calendar: Calendar, time: Ints) -> list[Floats]:
    """Compute the covariates of ``FEATURES`` that are switched on: arrays of n rows each.

    Args:
        settings: the settings that are on. Cycles, ``calendar=True``, are no part of this: they are
            always encoded, see ``cycle_features``.
        calendar: calendar of the times.
        time: n times as integers.
    """
    on = [(make, settings[name]) for name, make in FEATURES.items() if name in settings]
    return [make(value, calendar, time) for make, value in on]
