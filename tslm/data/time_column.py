"""Times as people and programs write them, read as timestamps or as integers."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from zoneinfo import available_timezones

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.calendar import Calendar, Ints, chronological
from tslm.core.errors import ConfigError, DataError, warn
from tslm.core.messages import counted, nearest

Bools = npt.NDArray[np.bool_]
Numbers = npt.NDArray[Any]  # integers or floats

PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_NUMBERS = (*PER_SECOND, "excel")  # what time_format may be beside a strptime format
_DIGITS = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_EXCEL = (30_000, 60_000)  # serial days of 1982 to 2064
_ORDERS = {"day": (2, 1, 0), "month": (2, 0, 1), "year": (0, 1, 2)}  # places of year, month, day
_MANY = 3_000  # integers that begin above are no years and hardly a count
_SLASHED = (
    r"(\d{1,4})\s?([/.\-])\s?(\d{1,2})\s?\2\s?(\d{1,4})"
    r"(?:[T ,]+(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*([AaPp])?\.?(?:[Mm]\.?)?)?"
)
_QUARTERS = r"(?P<year>\d{4})[\s:.\-]*[Qq](?P<q>[1-4])|[Qq](?P<q2>[1-4])[\s:.\-]*(?P<year2>\d{4})"
_MONTHS = r"(\d{4})\s?[Mm](\d{1,2})|(\d{1,2})/(\d{4})"
_WEEKS = r"(\d{4})[\s\-]?W(\d{1,2})"
_NAME = r"(?i)(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_OFFSET = r"\d(?:Z|[+-]\d{2}(?::?\d{2})?)$"


@dataclass(frozen=True)
class Writing:
    """The way times are written, as far as it is known.

    Args:
        time_format: a strptime format ("%d/%m/%Y"), "s", "ms", "us" or "ns" since 1970, or "excel".
        dayfirst: whether the day comes before the month.
        tz: the zone in which they are to be read.
        dated: whether integers are dates (else they count); None reads what is certain.
        known_dayfirst: the order an earlier frame had, where this one leaves it open.
        known_tz: the zone of an earlier frame.
        truncates: whether rows are put on a grid, so that fractions of a second do not matter.
    """

    time_format: str | None = None
    dayfirst: bool | None = None
    tz: str | None = None
    dated: bool | None = None
    known_dayfirst: bool | None = None
    known_tz: str | None = None
    truncates: bool = False

    def with_context(self, freq: Any, known: Calendar | None) -> "Writing":
        """What a frequency and the calendar of an earlier frame tell too."""
        if known is not None:
            counted = None if known.dated else False
            truncates = known.phase is not None
            return replace(
                self,
                dated=counted,
                known_dayfirst=known.dayfirst,
                known_tz=known.tz,
                truncates=truncates,
            )
        return self if freq is None else replace(self, dated=not str(freq).lstrip("-").isdecimal())


class Times(NamedTuple):
    """A time column that was read: timestamps of whole seconds or integers, and their order."""

    values: pd.Series
    dayfirst: bool | None = None


def parse_times(
    ds: pd.Series, column: str, writing: Writing | None = None, codes: Ints | None = None
) -> Times:
    """Read a time column as timestamps of whole seconds, or as integers.

    Args:
        ds: timestamps, periods, dates, text or numbers.
        column: its name, for messages.
        writing: what is known of it.
        codes: the series of each row, to tell a regular grid.

    Raises:
        DataError: if a row is no time, or the column has several readings; says what to pass.
        ConfigError: if a setting is impossible.
    """
    absent = ds.isna().to_numpy()
    if absent.any():
        raise DataError(
            f"The time column {column!r} is missing (NaT) in {counted(absent.sum(), 'row')}, the "
            f"first of them row {absent.argmax()}. Fill it in or drop these rows."
        )
    series = np.zeros(len(ds), dtype=np.int64) if codes is None else codes
    return _Reader(column, writing or Writing(), series).read(ds.reset_index(drop=True))


@dataclass(frozen=True)
class _Reader:
    column: str
    writing: Writing
    codes: Ints

    def read(self, ds: pd.Series) -> Times:
        found = self._parsed(ds)
        if not pd.api.types.is_datetime64_any_dtype(found.values.dtype):
            return found
        stamps = self._zoned(pd.DatetimeIndex(found.values))
        if (odd := stamps.asi8 % PER_SECOND[stamps.unit] != 0).any():
            if self.writing.truncates:
                rest = pd.to_timedelta(stamps.asi8 % PER_SECOND[stamps.unit], unit=stamps.unit)
                return Times(pd.Series(stamps - rest), found.dayfirst)
            row = int(odd.argmax())
            raise self._refusal(
                f"has fractions of a second, such as {stamps[row]} in row {row}. Put rows on a "
                "grid with resample='s' or 'min', or use integer time: freq=1 counts integers as "
                "they are"
            )
        return Times(pd.Series(stamps), found.dayfirst)

    def _parsed(self, ds: pd.Series) -> Times:
        if isinstance(ds.dtype, pd.CategoricalDtype):
            ds = ds.astype(ds.cat.categories.dtype)
        if isinstance(ds.dtype, pd.PeriodDtype):
            return Times(ds.dt.to_timestamp())
        if pd.api.types.is_bool_dtype(ds.dtype):
            raise self._unknown(ds.dtype)
        if pd.api.types.is_integer_dtype(ds.dtype) or pd.api.types.is_float_dtype(ds.dtype):
            return Times(self._of_numbers(ds))
        if ds.dtype == object or pd.api.types.is_string_dtype(ds.dtype):
            return self._of_objects(ds)
        if not pd.api.types.is_datetime64_any_dtype(ds.dtype):
            raise self._unknown(ds.dtype)
        return Times(ds)

    def _unknown(self, dtype: object) -> DataError:
        return self._refusal(
            f"has dtype {dtype}. Make it timestamps with pd.to_datetime, or integers with "
            ".astype(int)"
        )

    def _of_objects(self, ds: pd.Series) -> Times:
        kind = pd.api.types.infer_dtype(ds)
        if kind == "string":
            return self._of_text(ds.astype(str))
        if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
            return Times(self._of_numbers(pd.to_numeric(ds)))
        if kind == "period":
            return Times(pd.Series(pd.PeriodIndex(ds).to_timestamp()))
        if kind in ("date", "datetime", "datetime64"):
            return Times(self._instants(ds, lambda utc: pd.to_datetime(ds, utc=utc)))
        other = np.array([type(value) is not type(ds.iloc[0]) for value in ds])
        raise self._no_date(ds, other)

    def _of_text(self, text: pd.Series) -> Times:
        """Read every distinct text once."""
        place, distinct = pd.factorize(text.str.strip())
        written = pd.Series(np.asarray(distinct, dtype=object), dtype=str)
        if self.writing.time_format is not None:
            return Times(self._by_format(written, place))
        if written.str.fullmatch(r"[+-]?\d{1,19}(?:\.\d*)?").all():
            whole = written.str.fullmatch(r"[+-]?\d{1,18}").all()
            numbers = written.astype(np.int64 if whole else np.float64)
            return Times(self._of_numbers(numbers.iloc[place].reset_index(drop=True)))
        readings = [self._iso, _quarters, _months, _weeks, _named_months, _named]
        best = pd.Series(pd.NaT, index=written.index)
        for reading in readings:
            stamps = reading(written)
            if stamps.notna().all():
                return Times(stamps.iloc[place].reset_index(drop=True))
            best = max(best, stamps, key=lambda s: int(s.notna().sum()))
        parts = written.str.extract(f"^{_SLASHED}$")
        if parts[0].notna().sum() > best.notna().sum():
            return self._slashed(written, parts, place)
        raise self._no_date(text, best.isna().to_numpy()[place])

    def _by_format(self, written: pd.Series, place: Ints) -> pd.Series:
        form = self.writing.time_format
        if form in _NUMBERS:
            numbers = pd.to_numeric(written, errors="coerce")
            bad, hint = numbers.isna().to_numpy()[place], "a number"
            if not bad.any():
                return self._of_numbers(numbers.iloc[place].reset_index(drop=True))
        else:
            _check_format(form)

            def read(utc: bool) -> pd.Series:
                return pd.to_datetime(written, format=form, errors="coerce", utc=utc)

            stamps = self._instants(written, read)
            bad, hint = stamps.isna().to_numpy()[place], f"written as time_format={form!r}"
            if not bad.any():
                return stamps.iloc[place].reset_index(drop=True)
        row = int(bad.argmax())
        raise self._refusal(
            f"holds {written.iloc[place[row]]!r} in row {row}, which is not {hint}. Correct it, or "
            f"change time_format={form!r}"
        )

    def _iso(self, written: pd.Series) -> pd.Series:
        """ISO 8601, with or without a time and fractions of a second in each row."""
        zoned = written.str.contains(_OFFSET).to_numpy() & written.str.contains(":").to_numpy()
        if zoned.any() and not zoned.all():
            naive, aware = written[~zoned].iloc[0], written[zoned].iloc[0]
            raise self._refusal(
                f"has rows with a time zone such as {aware!r} and rows without such as {naive!r}. "
                "Write all of them in one way"
            )
        return self._instants(
            written,
            lambda utc: pd.to_datetime(written, format="ISO8601", errors="coerce", utc=utc),
        )

    def _instants(self, written: pd.Series, read: Callable[[bool], pd.Series]) -> pd.Series:
        """Timestamps; those whose offset from UTC changes in one zone."""
        try:
            return read(False)
        except ValueError:  # offsets differ
            stamps = read(True)
        zone = self.writing.tz or self.writing.known_tz
        if zone is None:
            warn(
                f"The time column {self.column!r} has changing offsets from UTC, as zones with "
                "daylight saving have; it is read in UTC. Pass the zone for days and hours of the "
                "place, for example tz='Europe/Berlin'."
            )
        return stamps.dt.tz_convert(zone or "UTC")

    def _slashed(self, written: pd.Series, parts: pd.DataFrame, place: Ints) -> Times:
        """Dates of three numbers, in one order for the whole column."""
        read = {order: _in_order(parts, order) for order in _orders(parts)}
        whole = {order: stamps for order, stamps in read.items() if stamps.notna().all()}
        if (asked := self.writing.dayfirst) is not None and "day" in read:
            order = "day" if asked else "month"
            whole = {key: stamps for key, stamps in whole.items() if key == order}
            read = {order: read[order]}
        if not whole:
            raise self._contradiction(written, read, place)
        order = self._order(written, parts, whole, place) if len(whole) > 1 else next(iter(whole))
        stamps = whole[order].iloc[place].reset_index(drop=True)
        return Times(stamps, None if order == "year" else order == "day")

    def _order(
        self, written: pd.Series, parts: pd.DataFrame, whole: dict[str, pd.Series], place: Ints
    ) -> str:
        """The order of day and month, where every row can be read in several."""
        earlier = {True: "day", False: "month"}.get(self.writing.known_dayfirst)  # type: ignore[arg-type]
        if earlier in whole:
            return earlier
        first, *others = whole
        if (parts[1] == ".").all() or all(whole[first].equals(whole[key]) for key in others):
            return first
        regular = [key for key in whole if self._is_regular(whole[key].iloc[place])]
        if len(regular) == 1:
            return regular[0]
        unlike = np.any([(whole[first] != whole[key]).to_numpy() for key in others], axis=0)
        dates = [f"{stamps.iloc[int(unlike.argmax())]:%-d %B %Y}" for stamps in whole.values()]
        sep = parts[1].iloc[0]
        raise self._refusal(
            f"can be read in {len(whole)} ways: {written.iloc[int(unlike.argmax())]!r} is "
            f"{' or '.join(dict.fromkeys(dates))}. Pass dayfirst=true or dayfirst=false, or the "
            f'format, for example time_format="%d{sep}%m{sep}%Y"'
        )

    def _is_regular(self, stamps: pd.Series) -> bool:
        """Whether these times have one step, without gaps."""
        try:
            calendar = Calendar.infer(stamps, pd.Series(self.codes))
        except DataError:
            return False
        times = calendar.to_int(stamps)
        order = chronological(self.codes, times)
        steps = np.diff(calendar.count(times[order]))[np.diff(self.codes[order]) == 0]
        return bool((steps == calendar.step).all())

    def _contradiction(
        self, written: pd.Series, read: dict[str, pd.Series], place: Ints
    ) -> DataError:
        order = max(read, key=lambda key: int(read[key].iloc[place].notna().sum()))
        bad = read[order].isna().to_numpy()[place]
        row = int(bad.argmax())
        text = written.iloc[place[row]]
        others = [key for key in read if read[key].notna()[place[row]]]
        if not others:
            return self._no_date(written.iloc[place].reset_index(drop=True), bad, order)
        return self._refusal(
            f"has no order of day and month that fits every row: {text!r} in row {row} is a date "
            f"with the {others[0]} first, and {written.iloc[place[int((~bad).argmax())]]!r} in row "
            f"{int((~bad).argmax())} one with the {order} first. Write all rows in one way"
        )

    def _no_date(self, text: pd.Series, bad: Bools, order: str = "") -> DataError:
        row = int(bad.argmax())
        how = f" with the {order} first" if order in ("day", "month") else ""
        return self._refusal(
            f"holds {text.iloc[row]!r} in row {row}, which is no date{how}. Correct it, or say how "
            'times are written: time_format="%d/%m/%Y", for example'
        )

    def _of_numbers(self, ds: pd.Series) -> pd.Series:
        """Dates written as numbers where that is certain, and counts."""
        values = self._whole(ds)
        form, dated = self.writing.time_format, self.writing.dated
        if form is not None:
            return self._numbers_by(form, values)
        if dated is False and values.dtype == np.int64:
            return ds if pd.api.types.is_integer_dtype(ds.dtype) else pd.Series(values)
        if values.dtype != np.int64:
            return self._fractions(values)
        if (form := _certain(values)) is not None:
            return self._numbers_by(form, values)
        low, high = int(values.min()), int(values.max())
        if dated and low >= 1_000 and high < 3_000:
            return self._numbers_by("%Y", values)
        if dated:
            raise self._refusal(
                f"holds integers such as {low}, but freq= names dates. Say how they are written, "
                'for example time_format="%Y%m%d", "s" or "excel", or pass freq=1 to count them'
            )
        self._check_count(values, low, high)
        return ds if pd.api.types.is_integer_dtype(ds.dtype) else pd.Series(values)

    def _check_count(self, values: Ints, low: int, high: int) -> None:
        """Refuse integers that may be dates; warn of large ones."""
        week = (values % 100 >= 1) & (values % 100 <= 53)
        if low > 180_000 and high < 220_100 and week.all() and (values % 100 > 12).any():
            raise self._refusal(
                f"holds integers such as {low}, which may be weeks of a year. Write them as "
                f"'{low // 100}-W{low % 100:02d}', or pass freq=1 to count them as they are"
            )
        if _EXCEL[0] <= low and high <= _EXCEL[1]:
            raise self._refusal(
                f"holds integers such as {low}, which may be days as Excel counts them "
                f'({_excel(np.array([low]))[0]:%Y-%m-%d}). Pass time_format="excel" to read '
                "dates, or freq=1 to count them as they are"
            )
        if low >= _MANY:
            warn(
                f"The time column {self.column!r} holds integers from {low} to {high}. They are "
                "counted as they are and have no season: pass season_length=, or if they are "
                'dates, how they are written, for example time_format="%Y%m%d". freq=1 says that '
                "they are a count, and silences this."
            )

    def _whole(self, ds: pd.Series) -> Numbers:
        """Integers where all numbers are whole."""
        if pd.api.types.is_integer_dtype(ds.dtype):
            if int(ds.max()) >= 2**63:
                raise self._refusal(f"holds {ds.max()}, which is too large for a time. Correct it")
            return ds.to_numpy(dtype=np.int64)
        values = ds.to_numpy(dtype=np.float64)
        if not (np.abs(values) < 2**62).all():
            bad = values[~(np.abs(values) < 2**62)][0]
            raise self._refusal(f"holds {bad}, which is no time. Correct it")
        return values.astype(np.int64) if (values == np.floor(values)).all() else values

    def _fractions(self, values: Numbers) -> pd.Series:
        low, high = float(values.min()), float(values.max())
        if _EXCEL[0] <= low and high <= _EXCEL[1]:
            return self._numbers_by("excel", values)
        if low >= 10**8 and high < 4.2 * 10**9:
            return self._numbers_by("s", values)
        raise self._refusal(
            f"holds numbers with fractions, such as {values[values != np.floor(values)][0]}. Make "
            "it timestamps with pd.to_datetime, or integers with .astype(int)"
        )

    def _numbers_by(self, form: str, values: Numbers) -> pd.Series:
        try:
            return self._instants_by(form, values)
        except (OverflowError, pd.errors.OutOfBoundsDatetime, pd.errors.OutOfBoundsTimedelta):
            raise self._refusal(
                f"holds numbers such as {values.max()}, which are no dates by time_format={form!r}"
            ) from None

    def _instants_by(self, form: str, values: Numbers) -> pd.Series:
        if form == "excel":
            return pd.Series(_excel(values))
        if form in PER_SECOND:
            unit: Any = form
            if np.abs(values).max() > 10**10 * PER_SECOND[form]:  # years 1653 to 2286
                raise OverflowError
            stamps = pd.DatetimeIndex(pd.to_datetime(values, unit=unit, utc=True))
            zone = self.writing.tz or self.writing.known_tz
            return pd.Series(stamps.tz_convert(zone) if zone else stamps.tz_localize(None))
        place, distinct = pd.factorize(values)
        text = replace(self, writing=replace(self.writing, time_format=form))
        return text._by_format(pd.Series(distinct).astype(str), place)

    def _zoned(self, stamps: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """The times in the zone asked for; naive ones are local there."""
        if (tz := self.writing.tz) is None:
            return stamps
        check_zone(tz)
        if stamps.tz is not None:
            return stamps.tz_convert(tz)
        again = pd.MultiIndex.from_arrays([self.codes, stamps]).duplicated()
        return stamps.tz_localize(tz, ambiguous=~again, nonexistent="shift_forward")

    def _refusal(self, what: str) -> DataError:
        return DataError(f"The time column {self.column!r} {what}.")


def check_zone(tz: str) -> None:
    """Refuse what is no time zone.

    Raises:
        ConfigError: naming the nearest.
    """
    try:
        pd.DatetimeTZDtype("ns", tz)
    except Exception as error:
        places = {name.rpartition("/")[2]: name for name in available_timezones()}
        close = nearest(tz, places)
        hint = f" Did you mean {places[close]!r}?" if close else ""
        raise ConfigError(
            f"tz={tz!r} is no time zone.{hint} Name one such as 'Europe/Berlin' or 'UTC'."
        ) from error


def _check_format(form: str | None) -> None:
    try:
        known = isinstance(form, str) and "%" in form
        pd.to_datetime(["1"], format=form if known else None, errors="coerce")
    except ValueError:
        known = False
    if not known:
        raise ConfigError(
            f'time_format={form!r} is no format of times. Pass one such as "%d/%m/%Y %H:%M", or '
            f"one of {', '.join(_NUMBERS)} for numbers."
        )


def _certain(values: Ints) -> str | None:
    """The format of integers that are dates beyond doubt."""
    low, high, size = int(values.min()), int(values.max()), len(str(int(values.max())))
    if low > 0 and len(str(low)) == size and size in _DIGITS:
        unit = 10 ** (size - 4)
        if low // unit >= 1800 and high // unit <= 2200:
            text = pd.Series(np.unique(values)).astype(str)
            if pd.to_datetime(text, format=_DIGITS[size], errors="coerce").notna().all():
                return _DIGITS[size]
    largest = max(abs(low), abs(high))
    if largest < 10**8:
        return None
    unit = next((u for u, per in PER_SECOND.items() if largest < 4.2e9 * per), "ns")
    hours = not (values % (3600 * PER_SECOND[unit])).any()
    return unit if low >= 10**8 * PER_SECOND[unit] or hours else None


def _excel(values: Numbers) -> pd.DatetimeIndex:
    days = pd.to_timedelta(np.asarray(values, dtype=np.float64), unit="D")
    return pd.DatetimeIndex(pd.Timestamp("1899-12-30") + days).round("s")


def _orders(parts: pd.DataFrame) -> list[str]:
    """The orders that dates of three numbers may have, by where the year is."""
    first, last = parts[0].str.len(), parts[3].str.len()
    if (first == 4).all():
        return ["year"]
    dashed = (parts[1] == "-").all() and (last == 2).all() and (first == 2).all()
    return ["day", "month", *["year"] * int(dashed)]


def _in_order(parts: pd.DataFrame, order: str) -> pd.Series:
    """Dates of three numbers, and perhaps a time of day."""
    dates = parts[[0, 2, 3]].astype(float).set_axis(range(3), axis=1)
    year, month, day = (dates[place] for place in _ORDERS[order])
    width = parts[{0: 0, 2: 3}[_ORDERS[order][0]]].str.len()
    year = year.where(width != 2, year + np.where(year < 69, 2000, 1900)).where(width != 3)
    stamps = pd.to_datetime(
        pd.DataFrame({"year": year, "month": month, "day": day}), errors="coerce"
    )
    hour = parts[4].fillna("0").astype(float)
    half = parts[7].str.lower()
    hour = hour.where(half.isna(), hour % 12 + 12 * (half == "p"))
    seconds = hour * 3600 + parts[5].fillna("0").astype(float) * 60
    seconds = seconds + parts[6].fillna("0").astype(float)
    valid = (hour < 24) & (parts[5].fillna("0").astype(float) < 60)
    return (stamps + pd.to_timedelta(seconds, unit="s")).where(valid & (width != 1))


def _quarters(written: pd.Series) -> pd.Series:
    """Quarters as "1998 Q1", "1998Q1", "1998-Q1" and "Q1 1998"."""
    parts = written.str.extract(f"^(?:{_QUARTERS})$")
    year, quarter = parts["year"].fillna(parts["year2"]), parts["q"].fillna(parts["q2"])
    return _dates(year, 3 * quarter.astype(float) - 2)


def _months(written: pd.Series) -> pd.Series:
    """Months as "1998M01" and "01/1998"."""
    parts = written.str.extract(f"^(?:{_MONTHS})$")
    return _dates(parts[0].fillna(parts[3]), parts[1].fillna(parts[2]).astype(float))


def _weeks(written: pd.Series) -> pd.Series:
    """Mondays of weeks as "1998-W03"."""
    parts = written.str.extract(f"^{_WEEKS}$")
    text = parts[0] + "-" + parts[1].str.zfill(2) + "-1"
    return pd.to_datetime(text, format="%G-%V-%u", errors="coerce")


def _named(written: pd.Series) -> pd.Series:
    """Dates with the name of a month, and with a year."""
    dated = written.where(written.str.contains(_NAME) & written.str.contains(r"\d\d\d\d|\d\D+\d"))
    stamps = pd.to_datetime(dated, format="mixed", errors="coerce", dayfirst=True)
    return stamps.where(stamps.dt.year > 1_000)


def _named_months(written: pd.Series) -> pd.Series:
    """Months as "Jan-98"."""
    parts = written.str.extract(r"^([A-Za-z]{3})[-']{1,2}(\d{2})$")
    return pd.to_datetime(parts[0] + parts[1], format="%b%y", errors="coerce")


def _dates(year: pd.Series, month: pd.Series) -> pd.Series:
    table = pd.DataFrame({"year": year.astype(float), "month": month, "day": 1.0})
    return pd.to_datetime(table, errors="coerce")
