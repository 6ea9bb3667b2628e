"""Time columns: timestamps, periods, text and numbers, read as timestamps or as integers."""

import numpy as np
import pandas as pd

from tslm.core.calendar import Ints
from tslm.core.errors import DataError
from tslm.core.messages import counted
from tslm.data.number_times import read_numbers
from tslm.data.text_times import read_text
from tslm.data.time_writing import PER_SECOND, TimeColumn, Times, Writing, check_zone


def parse_times(
    ds: pd.Series, column: str, writing: Writing | None = None, codes: Ints | None = None
) -> Times:
    """Read a time column as timestamps of whole seconds, or as integers.

    Args:
        ds: timestamps, periods, dates, text or numbers.
        column: name of the column, for messages.
        writing: known facts about the way times are written.
        codes: series of each row as a number, used to recognise regular times; one series if None.

    Raises:
        DataError: if a row is no time, or the column has several readings; says what to pass.
        ConfigError: if a setting of ``writing`` is impossible.
    """
    absent = ds.isna().to_numpy()
    if absent.any():
        raise DataError(
            f"The time column {column!r} is missing (NaT) in {counted(absent.sum(), 'row')}, the "
            f"first of them row {absent.argmax()}. Fill it in or drop these rows."
        )
    series = np.zeros(len(ds), dtype=np.int64) if codes is None else codes
    time = TimeColumn(column, writing or Writing(), series)
    found = _read(time, ds.reset_index(drop=True))
    if not pd.api.types.is_datetime64_any_dtype(found.values.dtype):
        return found
    stamps = _to_zone(time, pd.DatetimeIndex(found.values))
    values, fractions = _whole_seconds(time, stamps)
    return Times(values, found.dayfirst, fractions)


def _read(time: TimeColumn, ds: pd.Series) -> Times:
    """Read a column of any dtype."""
    if isinstance(ds.dtype, pd.CategoricalDtype):
        ds = ds.astype(ds.cat.categories.dtype)
    if isinstance(ds.dtype, pd.PeriodDtype):
        return Times(ds.dt.to_timestamp())
    if pd.api.types.is_bool_dtype(ds.dtype):
        raise _unknown_type(time, ds.dtype)
    if pd.api.types.is_integer_dtype(ds.dtype) or pd.api.types.is_float_dtype(ds.dtype):
        return Times(read_numbers(time, ds))
    if ds.dtype == object or pd.api.types.is_string_dtype(ds.dtype):
        return _read_objects(time, ds)
    if not pd.api.types.is_datetime64_any_dtype(ds.dtype):
        raise _unknown_type(time, ds.dtype)
    return Times(ds)


def _read_objects(time: TimeColumn, ds: pd.Series) -> Times:
    """Read a column of objects, all of one type."""
    kind = pd.api.types.infer_dtype(ds)
    if kind == "string":
        return read_text(time, ds.astype(str))
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return Times(read_numbers(time, pd.to_numeric(ds)))
    if kind == "period":
        return Times(pd.Series(pd.PeriodIndex(ds).to_timestamp()))
    if kind in ("date", "datetime", "datetime64"):
        return Times(time.to_one_zone(ds))
    other = np.array([type(value) is not type(ds.iloc[0]) for value in ds])
    raise time.no_date(ds, other)


def _unknown_type(time: TimeColumn, dtype: object) -> DataError:
    return time.refusal(
        f"has dtype {dtype}. Make it timestamps with pd.to_datetime, or integers with .astype(int)"
    )


def _to_zone(time: TimeColumn, stamps: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Return timestamps in the time zone asked for; naive ones are local times there.

    Raises:
        ConfigError: if there is no such zone.
    """
    if (tz := time.writing.tz) is None:
        return stamps
    check_zone(tz)
    if stamps.tz is not None:
        return stamps.tz_convert(tz)
    again = pd.MultiIndex.from_arrays([time.codes, stamps]).duplicated()
    return stamps.tz_localize(tz, ambiguous=~again, nonexistent="shift_forward")


def _whole_seconds(time: TimeColumn, stamps: pd.DatetimeIndex) -> tuple[pd.Series, Ints | None]:
    """Return timestamps of whole seconds, and the fractions that were dropped, in nanoseconds.

    Fractions are dropped if rows are put on a grid.

    Raises:
        DataError: if a timestamp has a fraction of a second otherwise.
    """
    rest = stamps.asi8 % PER_SECOND[stamps.unit]
    if not (odd := rest != 0).any():
        return pd.Series(stamps), None
    if time.writing.truncates:
        whole = pd.Series(stamps - pd.to_timedelta(rest, unit=stamps.unit))
        return whole, rest * (PER_SECOND["ns"] // PER_SECOND[stamps.unit])
    row = int(odd.argmax())
    raise time.refusal(
        f"has fractions of a second, such as {stamps[row]} in row {row}. Put rows on a "
        "grid with resample='s' or 'min', or use integer time: freq=1 counts integers as "
        "they are"
    )
