"""Roles of the columns of a user's frame: id, time and target, as named by the user or found."""

import warnings
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from tslm.core.errors import ConfigError, DataError
from tslm.core.messages import naming
from tslm.data.columns import DEFAULT_COLUMNS, Columns
from tslm.data.id_columns import as_setting, identifying_settings
from tslm.data.index_columns import index_to_columns, is_row_counter
from tslm.data.time_column import parse_times
from tslm.data.time_writing import Writing

SAMPLE = 50  # distinct values read to see if a column holds dates; chosen by hand
TIMES = {"date", "datetime", "day", "month", "quarter", "time", "timestamp", "week", "year"}


def columns_of(
    id_col: Any, time_col: str, target_col: str, writing: Writing | None = None
) -> Columns:
    """Return the columns named by an estimator's parameters.

    Args:
        id_col: name of the id column, or a list of names that identify a series together.
        time_col: name of the time column.
        target_col: name of the target column.
        writing: known facts about the way times are written.

    Raises:
        ConfigError: if two names are the same, or one is no text or is "cutoff".
    """
    several = not (id_col is None or isinstance(id_col, str))
    parts = tuple(id_col) if several else (id_col or DEFAULT_COLUMNS.id,)
    names = [*(("id_col", name) for name in parts), ("time_col", time_col)]
    names.append(("target_col", target_col))
    for i, (argument, name) in enumerate(names):
        if not isinstance(name, str):
            raise ConfigError(f"{argument}={name!r} must be the name of a column, as text.")
        if name == "cutoff":
            raise ConfigError(
                f"{argument}='cutoff' is also the name of a column that tslm adds to backtests. "
                "Rename yours."
            )
        for other, same in names[:i]:
            if name == same:
                raise ConfigError(f"{other} and {argument} both name {name!r}. Name two columns.")
    if len(parts) == 1:
        return Columns(parts[0], time_col, target_col, writing or Writing())
    return Columns(DEFAULT_COLUMNS.id, time_col, target_col, writing or Writing(), parts)


def names_of(columns: Columns) -> dict[str, str | list[str]]:
    """Return the parameters ``id_col``, ``time_col`` and ``target_col`` that name the columns."""
    ids = list(columns.parts) or columns.id
    return {"id_col": ids, "time_col": columns.time, "target_col": columns.target}


def find_columns(df: Any, columns: Columns, others: Collection[str] = ()) -> Columns:
    """Find the time and the target column if the frame has no "ds" or "y".

    Args:
        df: a long frame; for anything but a DataFrame ``columns`` is returned.
        columns: columns as the user names them.
        others: columns that hold something else.

    Returns:
        ``columns`` with the names that were found.

    Raises:
        DataError: if there is not exactly one column of dates, or of numbers; lists them.
    """
    if not isinstance(df, pd.DataFrame):
        return columns
    df = index_to_columns(df, columns)
    lacks_time = columns.time == DEFAULT_COLUMNS.time not in df.columns
    lacks_target = columns.target == DEFAULT_COLUMNS.target not in df.columns
    if not (lacks_time or lacks_target) or isinstance(df.columns, pd.MultiIndex):
        return columns
    taken = {columns.id, *columns.parts, *others}
    free = [name for name in df.columns if (df.columns == name).sum() == 1]
    free = [name for name in free if name not in taken and not is_row_counter(df[name])]
    times = date_columns(df, [name for name in free if name != columns.target], columns.writing)
    if not lacks_time:
        times = [columns.time]
    values = [name for name in number_columns(df[free]) if name not in times]
    if not lacks_target:
        values = [columns.target]
    alone = len(values) == 1 and str(values[0]).strip().lower() not in TIMES
    if lacks_time and free == values and alone:
        return replace(columns, target=values[0])  # ``complete_columns`` counts its rows
    if len(times) != 1 or len(values) != 1:
        raise DataError(_ambiguity(df, lacks_time, lacks_target, times, values, free))
    return replace(columns, time=times[0], target=values[0])


def number_columns(df: pd.DataFrame) -> list[Any]:
    """Return the columns of numbers, except an unnamed one that counts rows."""
    numbers = df.select_dtypes("number")
    return [name for name in numbers if not is_row_counter(df[name])]


def date_columns(df: pd.DataFrame, names: Sequence[Any], writing: Writing) -> list[Any]:
    """Return the columns of dates; integers that are dates only if no other column is."""
    whole = [n for n in names if pd.api.types.is_integer_dtype(df[n].dtype)]
    rest = [n for n in names if not pd.api.types.is_numeric_dtype(df[n].dtype)]
    some = [n for n in rest if _holds_dates(df[n], writing)]
    return some or [n for n in whole if _holds_dates(df[n], writing)]


def _holds_dates(values: pd.Series, writing: Writing) -> bool:
    """Return True if a column holds dates, in any order of day and month."""
    if isinstance(values.dtype, pd.PeriodDtype) or is_datetime64_any_dtype(values.dtype):
        return True
    some = values.dropna().drop_duplicates().iloc[:SAMPLE]
    if not len(some) or pd.api.types.is_bool_dtype(values.dtype):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they come again when the column is read
        for order in (writing.dayfirst, True, False):
            try:
                times = parse_times(some, "", replace(writing, dayfirst=order)).values
            except DataError:
                continue
            return is_datetime64_any_dtype(times.dtype)
    return False


def _ambiguity(
    df: pd.DataFrame,
    lacks_time: bool,
    lacks_target: bool,
    times: Sequence[Any],
    values: Sequence[Any],
    free: Sequence[Any],
) -> str:
    """Return the message for a frame whose columns are ambiguous, with the settings to pass."""
    lacking = [
        n
        for n, lacks in ((DEFAULT_COLUMNS.time, lacks_time), (DEFAULT_COLUMNS.target, lacks_target))
        if lacks
    ]
    several = False
    text = f"The frame has no column {' and no column '.join(map(repr, lacking))}."
    words = []
    if len(times) == 1 and DEFAULT_COLUMNS.id not in df.columns and df[times[0]].duplicated().any():
        words += identifying_settings(df, times[0], times)[:1]
    if lacks_time:
        text += f" Columns of dates: {naming(times, 20) or 'none'}."
        whole = [n for n in free if pd.api.types.is_integer_dtype(df[n].dtype)]
        words.append(as_setting("time_col", [*times, *whole, "NAME"][:1]))
    if lacks_target:
        others = [name for name in values if as_setting("time_col", [name]) not in words]
        none = f"none; it has {naming(df.columns, 20)}"
        text += f" Columns of numbers: {naming(others, 20) or none}."
        words.append(as_setting("target_col", [*others, "NAME"][:1]))
        several = len(others) > 1 and not words[0].lstrip('"').startswith("id_col")
    text += f" Say what you mean: {' '.join(words)}."
    if lacks_time and not times:
        text += " Rows without times can be counted: df.assign(ds=range(len(df)))."
    if several:
        text += " If each of these columns is a series, tslm.to_long(df) lays them out."
    return text
