"""When rows happen: the frequency of a frame, and arithmetic along it.

Times travel as 64-bit integers: Unix seconds (UTC) for timestamps, the user's own numbers for
integer time. Steps up to hours are physical time, so they are exact across daylight saving;
days and everything longer are steps of the local calendar.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries import offsets
from pandas.tseries.frequencies import to_offset

from tslm.errors import ConfigError, DataError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

_DAY = 86_400
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
_SEASONS = {  # steps in a season, by the class of the offset
    offsets.Week: 52,
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


def naming(ids: Iterable[object], limit: int = 5) -> str:
    """Name up to ``limit`` ids in a message: ``'a', 'b' and more``."""
    first = [i.item() if isinstance(i, np.generic) else i for i in islice(ids, limit + 1)]
    return ", ".join(map(repr, first[:limit])) + " and more" * (len(first) > limit)


def chronological(codes: Ints, times: Ints) -> Ints | slice:
    """The stable order by series, then time; a slice of everything where it holds already."""
    step = np.diff(codes)
    if ((step > 0) | ((step == 0) & (np.diff(times) >= 0))).all():
        return slice(None)
    first, last = int(times.min()), int(times.max())
    if (int(codes.max()) + 1) * (last - first + 1) < 2**63:  # one key sorts faster than two
        return np.argsort(codes * (last - first + 1) + (times - first), kind="stable")
    return np.lexsort((times, codes))


@dataclass(frozen=True)
class Calendar:
    """The common frequency of all series of a frame, and the clock their times are read on.

    Args:
        freq: pandas offset alias ("h", "15min", "MS", "W-SUN"), or an integer step as text ("1").
        tz: time zone of the frame, None for naive timestamps and integers.
        dated: whether times are timestamps.
        unit: resolution of the user's timestamps ("s", "ms", "us" or "ns").
        dayfirst: the order of day and month, where it was read off the user's text.
    """

    freq: str
    tz: str | None = None
    dated: bool = True
    unit: str = "ns"
    dayfirst: bool | None = None

    @classmethod
    def infer(cls, ds: pd.Series, ids: pd.Series, freq: str | int | None = None) -> "Calendar":
        """Read the calendar off the times of a frame, in any row order.

        Args:
            ds: timestamps or integers.
            ids: the series each of them belongs to.
            freq: the frequency, where it is known; needed if every series has one row only.

        Raises:
            DataError: if the spacing cannot be inferred or differs between series.
            ConfigError: if ``freq`` is no frequency.
        """
        clock = cls.clock(ds)
        codes, names = pd.factorize(ids)
        times = clock.to_int(ds)
        order = chronological(codes.astype(np.int64), times)
        return clock.spaced(times[order], codes[order].astype(np.int64), pd.Index(names), freq)

    @classmethod
    def clock(cls, ds: pd.Series) -> "Calendar":
        """The calendar of these times but for their frequency, which is a placeholder."""
        if not pd.api.types.is_datetime64_any_dtype(ds.dtype):
            return cls("1", dated=False)
        stamps = pd.DatetimeIndex(ds)
        return cls("D", _zone(stamps), True, stamps.unit)

    def spaced(
        self, times: Ints, codes: Ints, names: pd.Index, freq: str | int | None
    ) -> "Calendar":
        """This clock with the frequency given, or read off sorted times.

        Args:
            times: times in integers, sorted by series and time.
            codes: the series each of them belongs to, as a place in ``names``.
            names: the ids.
            freq: the frequency, where it is known.
        """
        if freq is None:
            return replace(self, freq=_Spacing(times, codes, names, self).freq())
        return replace(self, freq=_canonical(freq, self.dated))

    def to_int(self, ds: pd.Series | pd.Index) -> Ints:
        """Unix seconds (UTC) of timestamps, or the integers themselves."""
        if not self.dated:
            return np.asarray(ds, dtype=np.int64)
        stamps = pd.DatetimeIndex(ds)
        if stamps.tz is not None:
            stamps = stamps.tz_convert("UTC").tz_localize(None)
        return stamps.to_numpy().astype("datetime64[s]").astype(np.int64)

    def from_int(self, values: Ints) -> pd.Index:
        """Times as the user wrote them: same zone, and same resolution where it reaches."""
        if not self.dated:
            return pd.Index(values)
        stamps = pd.DatetimeIndex(values.astype("datetime64[s]"))
        if self.tz is not None:
            stamps = stamps.tz_localize("UTC").tz_convert(self.tz)
        try:
            return stamps.as_unit(self.unit)  # type: ignore[arg-type]
        except pd.errors.OutOfBoundsDatetime:
            return stamps

    @property
    def step(self) -> int:
        """One step, in the units of `count`."""
        if not self.dated:
            return int(self.freq)
        offset = _offset(self.freq)
        return _seconds(offset) or offset.n * _DAY

    def count(self, values: Ints) -> Ints:
        """How far along the calendar each time is: rows one step apart differ by `step`."""
        if self._physical:
            return values
        wall = self._to_wall(values)
        if isinstance(_offset(self.freq), offsets.Day):
            return wall
        days = _days(_offset(self.freq).base.freqstr)
        return (np.searchsorted(days, wall // _DAY, side="right") - 1) * _DAY + wall % _DAY

    def uncount(self, counts: Ints) -> Ints:
        """The inverse of `count`."""
        if self._physical:
            return counts
        if isinstance(_offset(self.freq), offsets.Day):
            return self._from_wall(counts)
        days = _days(_offset(self.freq).base.freqstr)
        return self._from_wall(days[counts // _DAY] * _DAY + counts % _DAY)

    def contains(self, values: Ints) -> npt.NDArray[np.bool_]:
        """Whether the day of each time is one of the calendar's ("MS": the first of a month)."""
        if self._physical or isinstance(_offset(self.freq), offsets.Day):
            return np.ones(values.shape, dtype=bool)
        return np.isin(self._to_wall(values) // _DAY, _days(_offset(self.freq).base.freqstr))

    def future(self, last: Ints, h: int) -> Ints:
        """The next ``h`` times after each of n ``last`` ones, as an array [n, h] of integers."""
        counts = self.count(last)[:, None] + self.step * np.arange(1, h + 1)
        return self.uncount(counts.ravel()).reshape(counts.shape)

    def spans(self, start: Ints, steps: int) -> tuple[list[str], list[str]]:
        """Local first and last time of segments of ``steps`` rows, ``YYYY-MM-DD HH:MM:SS``.

        Args:
            start: time of the first row of each segment, in integers.
            steps: rows of a segment.
        """
        end = self.uncount(self.count(start) + self.step * (steps - 1))
        return self._texts(start), self._texts(end)

    def features(self, values: Ints) -> Floats:
        """Where times lie in their cycles, each in [-0.5, 0.5]: a row a time, a column a cycle.

        Minute of the hour and hour of the day where steps are that short; then day of the week, of
        the month and of the year; for steps of weeks and months only the day of the year.
        """
        stamps = pd.DatetimeIndex(self._to_wall(values).astype("datetime64[s]"))
        cycles = [(stamps.day_of_year - 1, 365)]
        step = _seconds(_offset(self.freq)) or _DAY * (1 if self._daily else 28)
        if step < 7 * _DAY:
            cycles = [(stamps.day_of_week, 6), (stamps.day - 1, 30), *cycles]
        if step < _DAY:
            cycles = [(stamps.hour, 23), *cycles]
        if step < 3600:
            cycles = [(stamps.minute, 59), *cycles]
        return np.stack([np.asarray(place, np.float32) / size - 0.5 for place, size in cycles], 1)

    def wall(self, values: Ints) -> Ints:
        """Local time of each, in seconds since 1970 as if it were UTC."""
        return self._to_wall(values)

    @property
    def finer_than_weeks(self) -> bool:
        """Whether steps are shorter than a week, so that they have a day of it."""
        return self.dated and self.step < 7 * _DAY and (self._physical or self._daily)

    @property
    def season_length(self) -> int:
        """Steps in the season this frequency usually has, 1 where there is none."""
        if not self.dated:
            return 1
        offset = _offset(self.freq)
        if seconds := _seconds(offset):
            span = 60 if seconds < 60 else _DAY if seconds < _DAY else 7 * _DAY
            return span // seconds if span % seconds == 0 else 1
        if self.freq == "7D":
            return 52
        season = _SEASONS.get(type(offset), 1)
        return season // offset.n if season % offset.n == 0 else 1

    def to_dict(self) -> dict[str, str | bool | None]:
        """Everything, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Calendar":
        """The inverse of `to_dict`.

        Raises:
            DataError: if it is no calendar.
            ConfigError: if it has no frequency.
        """
        found = cls(**stored)
        fits = (
            isinstance(found.freq, str)
            and isinstance(found.dated, bool)
            and found.unit in ("s", "ms", "us", "ns")
            and (found.tz is None or (found.dated and not found.tz.startswith("dateutil")))
        )
        if not fits:
            raise DataError("The saved calendar does not fit together.")
        if found.tz is not None:
            pd.DatetimeTZDtype("ns", found.tz)  # which raises where there is no such zone
        return replace(found, freq=_canonical(found.freq, found.dated))

    @property
    def _physical(self) -> bool:
        return not self.dated or bool(_seconds(_offset(self.freq)))

    @property
    def _daily(self) -> bool:
        return isinstance(_offset(self.freq), offsets.Day | offsets.BusinessDay)

    def _to_wall(self, values: Ints) -> Ints:
        if self.tz is None:
            return values
        stamps = pd.DatetimeIndex(values.astype("datetime64[s]")).tz_localize("UTC")
        wall = stamps.tz_convert(self.tz).tz_localize(None).to_numpy()
        return wall.astype("datetime64[s]").astype(np.int64)

    def _from_wall(self, wall: Ints) -> Ints:
        if self.tz is None:
            return wall
        stamps = pd.DatetimeIndex(wall.astype("datetime64[s]")).tz_localize(
            self.tz, ambiguous=np.ones(wall.shape, dtype=bool), nonexistent="shift_forward"
        )
        return self.to_int(stamps)

    def _texts(self, values: Ints) -> list[str]:
        if not self.dated:
            return [str(value) for value in values.tolist()]
        wall = self._to_wall(values).astype("datetime64[s]")
        return [text.replace("T", " ") for text in np.datetime_as_string(wall).tolist()]


@dataclass(frozen=True)
class _Spacing:
    """The sorted times of all series, from which their common frequency is read.

    What counts is the commonest distance of neighbours, so that gaps do no harm.
    """

    times: Ints
    codes: Ints
    names: pd.Index
    clock: Calendar

    def freq(self) -> str:
        if not self.clock.dated:
            return str(self._usual(self.times, str))
        wall = self.clock._to_wall(self.times)
        gaps, _ = self._gaps(wall)
        if not len(gaps):
            self._usual(self.times, str)
        days, common = np.unique(wall // _DAY), _commonest(gaps)
        if common >= 28 * _DAY and (anchor := _month_anchor(days)):
            return self._months(wall, anchor)
        if common % _DAY or self._drifts(wall):
            return _ticks(self._usual(self.times, _duration))
        return self._days(wall, days)

    def _months(self, wall: Ints, anchor: str) -> str:
        months = wall.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
        n = self._usual(months, lambda n: f"{n} month{'s' * (n > 1)}")
        phases = np.unique(months % n)
        if n not in (3, 12) or len(phases) > 1:
            return _offset(f"{n}{anchor}").freqstr
        month = phases[0] + (9 if n == 3 and anchor.endswith("E") else 0)  # QE-DEC, but QS-JAN
        return f"{anchor.replace('M', 'Q' if n == 3 else 'Y')}-{_MONTHS[month]}"

    def _days(self, wall: Ints, days: Ints) -> str:
        n = self._usual(wall, _duration) // _DAY
        weekdays = np.unique((days + 3) % 7)  # 1970-01-01 was a Thursday
        if n == 1 and weekdays.max() < 5 and 3 * _DAY in self._gaps(wall)[0]:
            return "B"
        if n % 7 == 0 and len(weekdays) == 1:
            return _offset(f"{n // 7}W-{_WEEKDAYS[weekdays[0]]}").freqstr
        if n >= 28 and (self._gaps(wall)[0] % (n * _DAY)).any():
            raise DataError(
                "The frequency cannot be inferred: rows are months apart, but not at the start or "
                "the end of the month. Move them, for example with "
                ".dt.to_period('M').dt.to_timestamp(), or use integer time."
            )
        return _offset(f"{n}D").freqstr

    def _drifts(self, wall: Ints) -> bool:
        """Whether days are physical (24 hours), shown in a zone with daylight saving."""
        moved = self._gaps(wall)[0] % _DAY
        return bool(moved.any()) and not (self._gaps(self.times)[0] % _DAY).any()

    def _gaps(self, times: Ints) -> tuple[Ints, Ints]:
        """Distances of neighbours in the same series, and their series."""
        gaps = np.diff(times)
        keep = (np.diff(self.codes) == 0) & (gaps > 0)
        return gaps[keep], self.codes[1:][keep]

    def _usual(self, times: Ints, show: Callable[[int], str]) -> int:
        """The commonest step, once it is certain that all series have it."""
        gaps, owners = self._gaps(times)
        if not len(gaps):
            raise DataError(
                "The frequency cannot be inferred: no series has two rows "
                f"({naming(self.names)}). Pass it, for example freq='D', or freq=1 for integer "
                "time."
            )
        usual = _commonest(gaps)
        if gaps.min() < usual or gaps.max() > usual:
            self._check(gaps, owners, usual, show)
        return usual

    def _check(self, gaps: Ints, owners: Ints, usual: int, show: Callable[[int], str]) -> None:
        """Refuse series that are finer, or coarser in every row, than the others."""
        table = pd.DataFrame({"owner": owners, "gap": gaps})
        size = table.groupby(["owner", "gap"]).size().rename("size").reset_index()
        top = size.sort_values("size", kind="stable").groupby("owner").tail(1).set_index("owner")
        each = size.groupby("owner").agg(least=("gap", "min"), n=("size", "sum"))
        coarse = (each["least"] > usual) & (each["n"] > 2)
        wrong = each.index[(top["gap"].reindex(each.index) < usual) | coarse]
        if len(wrong):
            steps = [show(int(gap)) for gap in top["gap"].loc[wrong[:5]]]
            raise DataError(
                f"Series {naming(self.names[wrong])} are spaced differently ({', '.join(steps)}) "
                f"from most of the frame ({show(usual)}). A model reads one frequency: resample "
                "or drop them, or pass freq= to name the one that holds."
            )


def _commonest(gaps: Ints) -> int:
    if gaps.min() == gaps.max():
        return int(gaps[0])
    values, sizes = np.unique(gaps, return_counts=True)
    return int(values[sizes.argmax()])


def _duration(seconds: int) -> str:
    return str(pd.Timedelta(seconds, unit="s"))


def _ticks(seconds: int) -> str:
    size, name = next(
        (size, name) for size, name in ((3600, "h"), (60, "min"), (1, "s")) if seconds % size == 0
    )
    return _offset(f"{seconds // size}{name}").freqstr


def _canonical(freq: str | int, dated: bool) -> str:
    """The name of a frequency the user gave, if it fits the kind of time there is."""
    number = int(freq) if isinstance(freq, int) or freq.lstrip("-").isdecimal() else None
    if not dated and number is None:
        raise DataError(
            f"freq={freq!r} is a calendar frequency, but the time column holds integers. Pass an "
            "integer, for example freq=1, or make the column timestamps with pd.to_datetime."
        )
    if dated and number is not None:
        raise DataError(
            f"freq={freq!r} is an integer, but the time column holds timestamps. Pass a pandas "
            "alias such as freq='D' or freq='h'."
        )
    if number is not None:
        if number < 1:
            raise ConfigError(f"freq={freq!r} is not a step forward. Pass freq=1 or more.")
        return str(number)
    return _offset(str(freq)).freqstr


def _offset(freq: str) -> pd.offsets.BaseOffset:
    try:
        offset = to_offset(freq)
    except ValueError as error:
        raise ConfigError(
            f"freq={freq!r} is no pandas frequency ({error}). Use an alias such as 'h', '15min', "
            "'D', 'W-SUN', 'MS', 'QS' or 'YS'."
        ) from error
    if offset.n < 1 or isinstance(offset, offsets.BusinessHour):
        raise ConfigError(f"freq={freq!r} cannot be stepped along. Use 'h' or 'D', for example.")
    if isinstance(offset, offsets.Tick) and offset.nanos % 1_000_000_000:
        raise ConfigError(
            f"freq={freq!r} is finer than a second. Use integer time for such series."
        )
    return offset


def _seconds(offset: pd.offsets.BaseOffset) -> int:
    """Length of a step of physical time, 0 for steps of the calendar."""
    if isinstance(offset, offsets.Day) or not isinstance(offset, offsets.Tick):
        return 0
    return offset.nanos // 1_000_000_000


@lru_cache(maxsize=32)
def _days(freq: str) -> Ints:
    """Every day of a frequency, counted from 1970-01-01, from the year 1678 to 2500."""
    every = np.arange(np.datetime64("1678-01-01", "D"), np.datetime64("2500-01-01", "D"))
    offset = _offset(freq)
    if isinstance(offset, offsets.BusinessDay):
        every = every[np.is_busday(every)]
    elif isinstance(offset, offsets.Week):
        every = every[(every.astype(np.int64) + 3) % 7 == _WEEKDAYS.index(freq[-3:])]
    else:
        grid = pd.date_range(every[0], every[-1], freq=offset, unit="s")
        every = grid.to_numpy().astype("datetime64[D]")
    return every.astype(np.int64)


def _month_anchor(days: Ints) -> str | None:
    """Where in the month all of these days are, if there is one such place."""
    return next((a for a in ("MS", "ME", "BMS", "BME") if np.isin(days, _days(a)).all()), None)


def _zone(stamps: pd.DatetimeIndex) -> str | None:
    """The name of a time zone, which must lead back to it."""
    if stamps.tz is None:
        return None
    try:
        pd.DatetimeTZDtype("ns", str(stamps.tz))
    except Exception as error:
        raise DataError(
            f"The time zone {stamps.tz!r} has no name to store. Use .dt.tz_convert with one such "
            "as 'Europe/Berlin' or 'UTC'."
        ) from error
    return str(stamps.tz)
