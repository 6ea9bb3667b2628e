"""Times written as numbers: dates such as 20240131, seconds since 1970, Excel days, counts."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.calendar import Ints
from tslm.core.errors import warn
from tslm.data.time_writing import NUMBER_FORMATS, PER_SECOND, TimeColumn

Numbers = npt.NDArray[Any]  # integers or floats

_DIGITS = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
_EXCEL = (30_000, 60_000)  # serial days of 1982 to 2064
_MANY = 3_000  # a column that begins above holds no years and hardly a count; chosen by hand


def read_numbers(column: TimeColumn, ds: pd.Series) -> pd.Series:
    """Read numbers as dates where that is certain or asked for, and as counts otherwise.

    Raises:
        DataError: if they are ambiguous or no times; says what to pass.
    """
    values = _to_integers(column, ds)
    form, dated = column.writing.time_format, column.writing.dated
    if form is not None:
        return _read_by_format(column, form, values)
    if dated is False and values.dtype == np.int64:
        return ds if pd.api.types.is_integer_dtype(ds.dtype) else pd.Series(values)
    if values.dtype != np.int64:
        return _read_fractions(column, values)
    if (form := _certain_format(values)) is not None:
        return _read_by_format(column, form, values)
    low, high = int(values.min()), int(values.max())
    if dated and low >= 1_000 and high < 3_000:
        return _read_by_format(column, "%Y", values)
    if dated:
        raise column.refusal(
            f"holds integers such as {low}, but freq= names dates. Say how they are written, "
            'for example time_format="%Y%m%d", "s" or "excel", or pass freq=1 to count them'
        )
    _check_counts(column, values, low, high)
    return ds if pd.api.types.is_integer_dtype(ds.dtype) else pd.Series(values)


def read_text_numbers(column: TimeColumn, written: pd.Series, place: Ints) -> pd.Series:
    """Read distinct texts as numbers, where ``time_format`` is one of ``NUMBER_FORMATS``.

    Args:
        column: the column.
        written: the distinct texts.
        place: index of the text of each row.

    Raises:
        DataError: if a text is no number.
    """
    assert column.writing.time_format in NUMBER_FORMATS
    numbers = pd.to_numeric(written, errors="coerce")
    if (bad := numbers.isna().to_numpy()[place]).any():
        raise column.not_in_format(written, place, bad, "a number")
    return read_numbers(column, numbers.iloc[place].reset_index(drop=True))


def _check_counts(column: TimeColumn, values: Ints, low: int, high: int) -> None:
    """Refuse integers that may be dates, and warn of large ones.

    Raises:
        DataError: if they may be weeks such as 202403, or days of Excel.
    """
    week = (values % 100 >= 1) & (values % 100 <= 53)
    if low > 180_000 and high < 220_100 and week.all() and (values % 100 > 12).any():
        raise column.refusal(
            f"holds integers such as {low}, which may be weeks of a year. Write them as "
            f"'{low // 100}-W{low % 100:02d}', or pass freq=1 to count them as they are"
        )
    if _EXCEL[0] <= low and high <= _EXCEL[1]:
        raise column.refusal(
            f"holds integers such as {low}, which may be days as Excel counts them "
            f'({_excel_days(np.array([low]))[0]:%Y-%m-%d}). Pass time_format="excel" to read '
            "dates, or freq=1 to count them as they are"
        )
    if low >= _MANY:
        warn(
            f"The time column {column.name!r} holds integers from {low} to {high}. They are "
            "counted as they are and have no season: pass season_length=, or if they are "
            'dates, how they are written, for example time_format="%Y%m%d". freq=1 says that '
            "they are a count, and silences this."
        )


def _to_integers(column: TimeColumn, ds: pd.Series) -> Numbers:
    """Return int64 if all numbers are whole, float64 otherwise.

    Raises:
        DataError: if a number is too large for a time.
    """
    if pd.api.types.is_integer_dtype(ds.dtype):
        if int(ds.max()) >= 2**63:
            raise column.refusal(f"holds {ds.max()}, which is too large for a time. Correct it")
        return ds.to_numpy(dtype=np.int64)
    values = ds.to_numpy(dtype=np.float64)
    if not (np.abs(values) < 2**62).all():
        bad = values[~(np.abs(values) < 2**62)][0]
        raise column.refusal(f"holds {bad}, which is no time. Correct it")
    return values.astype(np.int64) if (values == np.floor(values)).all() else values


def _read_fractions(column: TimeColumn, values: Numbers) -> pd.Series:
    low, high = float(values.min()), float(values.max())
    if _EXCEL[0] <= low and high <= _EXCEL[1]:
        return _read_by_format(column, "excel", values)
    if low >= 10**8 and high < 4.2 * 10**9:
        return _read_by_format(column, "s", values)
    raise column.refusal(
        f"holds numbers with fractions, such as {values[values != np.floor(values)][0]}. Make "
        "it timestamps with pd.to_datetime, or integers with .astype(int)"
    )


def _read_by_format(column: TimeColumn, form: str, values: Numbers) -> pd.Series:
    try:
        return _to_timestamps(column, form, values)
    except (OverflowError, pd.errors.OutOfBoundsDatetime, pd.errors.OutOfBoundsTimedelta):
        raise column.refusal(
            f"holds numbers such as {values.max()}, which are no dates by time_format={form!r}"
        ) from None


def _to_timestamps(column: TimeColumn, form: str, values: Numbers) -> pd.Series:
    if form == "excel":
        return pd.Series(_excel_days(values))
    if form in PER_SECOND:
        unit: Any = form
        if np.abs(values).max() > 10**10 * PER_SECOND[form]:  # years 1653 to 2286
            raise OverflowError
        stamps = pd.DatetimeIndex(pd.to_datetime(values, unit=unit, utc=True))
        zone = column.writing.tz or column.writing.known_tz
        return pd.Series(stamps.tz_convert(zone) if zone else stamps.tz_localize(None))
    place, distinct = pd.factorize(values)
    text = replace(column, writing=replace(column.writing, time_format=form))
    return text.parse_by_format(pd.Series(distinct).astype(str), place)


def _certain_format(values: Ints) -> str | None:
    """Return the format of integers that can only be dates; None if they may be counts."""
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


def _excel_days(values: Numbers) -> pd.DatetimeIndex:
    """Return the timestamps of serial days of Excel, rounded to seconds."""
    days = pd.to_timedelta(np.asarray(values, dtype=np.float64), unit="D")
    return pd.DatetimeIndex(pd.Timestamp("1899-12-30") + days).round("s")
