"""The columns of a user's frame by role: as they are named, or found where nobody names them."""

import json
import warnings
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_datetime64_any_dtype

from tslm.core.errors import ConfigError, DataError, warn
from tslm.core.messages import counted, naming
from tslm.data.columns import Columns
from tslm.data.time_column import Writing, parse_times

USUAL = Columns()
SOME = 50  # different texts that tell whether a column holds dates
_OF_SHELLS = frozenset(" '&;|<>()*?#~`!{}[]")  # signs that a shell reads
TIMES = {"date", "datetime", "day", "month", "quarter", "time", "timestamp", "week", "year"}
FEW = 0.5  # share of the rows below which the values of a column may be ids


def columns_of(
    id_col: Any, time_col: str, target_col: str, writing: Writing | None = None
) -> Columns:
    """The columns that an estimator's parameters name; ``id_col`` may be a list of them.

    Raises:
        ConfigError: if two of them are the same.
    """
    several = not (id_col is None or isinstance(id_col, str))
    parts = tuple(id_col) if several else (id_col or USUAL.id,)
    names = [*(("id_col", name) for name in parts), ("time_col", time_col)]
    names.append(("target_col", target_col))
    for i, (argument, name) in enumerate(names):
        if not isinstance(name, str):
            raise ConfigError(f"{argument}={name!r} must be the name of a column, as text.")
        if name == "cutoff":
            raise ConfigError(
                f"{argument}='cutoff' is called like the column of origins. Rename it."
            )
        for other, same in names[:i]:
            if name == same:
                raise ConfigError(f"{other} and {argument} both name {name!r}. Name two columns.")
    if len(parts) == 1:
        return Columns(parts[0], time_col, target_col, writing or Writing())
    return Columns(USUAL.id, time_col, target_col, writing or Writing(), parts)


def find_columns(df: Any, columns: Columns, others: Collection[str] = ()) -> Columns:
    """The same columns, with the time and the target found where nothing is called "ds" or "y".

    Args:
        df: a long frame.
        columns: as they are named.
        others: columns that hold something else.

    Raises:
        DataError: if there is not one column of times, or not one of numbers; lists them.
    """
    if not isinstance(df, pd.DataFrame):
        return columns  # whoever reads it says so
    df = index_to_columns(df, columns)
    lacks_time = columns.time == USUAL.time not in df.columns
    lacks_target = columns.target == USUAL.target not in df.columns
    if not (lacks_time or lacks_target) or isinstance(df.columns, pd.MultiIndex):
        return columns
    taken = {columns.id, *columns.parts, *others}
    free = [name for name in df.columns if (df.columns == name).sum() == 1]
    free = [name for name in free if name not in taken and not _counts_rows(df[name])]
    times = date_columns(df, [name for name in free if name != columns.target], columns.writing)
    if not lacks_time:
        times = [columns.time]
    values = [name for name in number_columns(df[free]) if name not in times]
    if not lacks_target:
        values = [columns.target]
    alone = len(values) == 1 and str(values[0]).strip().lower() not in TIMES
    if lacks_time and free == values and alone:
        return replace(columns, target=values[0])  # its rows are counted
    if len(times) != 1 or len(values) != 1:
        raise DataError(_unclear(df, lacks_time, lacks_target, times, values, free))
    return replace(columns, time=times[0], target=values[0])


def index_to_columns(df: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """A frame with what its index holds of these columns, and dates there, as columns."""
    wanted = [columns.id, *columns.parts, columns.time, columns.target]
    dated = columns.time not in (*df.columns, *df.index.names)
    levels, names = [], {}
    for number, name in enumerate(df.index.names):
        level = df.index.get_level_values(number)
        if name in df.columns:
            continue
        if name in wanted:
            levels.append(number)
        elif dated and isinstance(level, pd.DatetimeIndex | pd.PeriodIndex):
            levels.append(number)
            names[number] = columns.time if name is None else name
    if not levels:
        return df
    index = df.index.set_names([names.get(i, n) for i, n in enumerate(df.index.names)])
    return df.set_axis(index).reset_index(level=levels)


def complete_columns(df: Any, columns: Columns) -> Any:
    """A frame with one column of ids, and one of times: of row numbers where there is no other.

    Several columns that name a series together become one. Where no column names series, there is
    one series, called like the target.

    Raises:
        DataError: if a column of several is missing, or its value in some row; or if columns have
            several levels.
    """
    if not isinstance(df, pd.DataFrame):
        return df  # whoever reads it says so
    if isinstance(df.columns, pd.MultiIndex):
        raise DataError(
            f"The columns of the frame have {df.columns.nlevels} levels, such as "
            f"{df.columns[0]!r}. Give each one name: df.columns = df.columns.map('_'.join)."
        )
    df = index_to_columns(df, columns)
    df = _with_ids(df, columns)
    others = [n for n in df if n not in (columns.id, *columns.parts, columns.target)]
    if columns.time != USUAL.time or columns.target not in df:
        return df
    if any(not _counts_rows(df[name]) for name in others):
        return df
    warn(
        "The frame has no column of times, so its rows are counted: 0, 1, 2 ... If a pattern "
        "comes again after some rows, say season_length=."
    )
    return df.assign(**{columns.time: df.groupby(columns.id, dropna=False).cumcount()})


def _with_ids(df: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    if columns.parts:
        return df.assign(**{columns.id: _joined(df, columns.parts)})
    if columns.id == USUAL.id and columns.id not in df.columns:
        close = [n for n in map(str, df.columns) if n.lower().replace(" ", "_") == USUAL.id]
        if close:
            raise DataError(f"The frame has no column {USUAL.id!r}. Say id_col={close[0]}.")
        return df.assign(**{columns.id: str(columns.target)})
    return df


def check_single(given: pd.DataFrame, df: pd.DataFrame, columns: Columns) -> None:
    """Refuse rows without an id that are of several series: another column tells them apart.

    Args:
        given: the user's frame.
        df: the same, identified.
        columns: of it.

    Raises:
        DataError: naming these columns.
    """
    named = columns.parts or columns.id in (*given.columns, *given.index.names)
    again = df[columns.time].duplicated()
    if named or not again.any():
        return
    if words := _columns_that_identify(
        df, columns.time, (columns.id, columns.time, columns.target)
    ):
        raise DataError(
            f"The frame has no column {columns.id!r}, and several rows have the same time, such as "
            f"{df[columns.time][again].iloc[0]}. Say what tells the series apart: "
            f"{' or '.join(words)}."
        )


def split_ids(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """A table of ours with the user's columns of ids in place of the joined one."""
    if not columns.parts:
        return table
    codes, unique = pd.factorize(table[columns.id])
    values = (
        zip(*map(json.loads, unique), strict=True) if len(unique) else ([] for _ in columns.parts)
    )
    parts = {
        name: pd.Series(list(own)).infer_objects().iloc[codes].array
        for name, own in zip(columns.parts, values, strict=True)
    }
    rest = table.drop(columns=[columns.id, *(n for n in columns.parts if n in table.columns)])
    return pd.concat([pd.DataFrame(parts, index=table.index), rest], axis=1)


def _columns_that_identify(df: pd.DataFrame, time: Any, own: Collection[Any]) -> list[str]:
    """The settings that name a column, or two, with which no time comes twice in a series."""
    few = [n for n in df.columns if n not in own and df[n].nunique() < FEW * len(df)][:20]
    ways = [[[name] for name in few], [list(pair) for pair in combinations(few, 2)]]
    for names in ways:
        if apart := [way for way in names if not df[[*way, time]].duplicated().any()]:
            return [_as_setting("id_col", way) for way in apart[:3]]
    return []


def _as_setting(setting: str, names: Sequence[Any]) -> str:
    """A setting as one word of a command line: in quotes where a shell would split or read it."""
    value = ",".join(map(str, names))
    word = f"{setting}={value}" if len(names) == 1 else f"{setting}=[{value}]"
    return word if len(names) == 1 and not set(word) & _OF_SHELLS else f'"{word}"'


def _joined(df: pd.DataFrame, parts: Sequence[str]) -> Any:
    """One id a row, made of several columns."""
    for name in parts:
        if (df.columns == name).sum() != 1:
            raise DataError(
                f"The frame has no column {name!r} of id_col={list(parts)}. It has "
                f"{naming(map(str, df.columns), 20)}."
            )
        if (absent := df[name].isna().to_numpy()).any():
            raise DataError(
                f"The id column {name!r} is missing in {counted(absent.sum(), 'row')}, the first "
                f"of them row {absent.argmax()}. Fill it in or drop these rows."
            )
    codes, unique = pd.MultiIndex.from_frame(df[list(parts)]).factorize()
    keys = [json.dumps([_plain(value) for value in row], ensure_ascii=False) for row in unique]
    return np.asarray(keys, dtype=object)[codes]


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, bool | int | float | str) else str(value)


def _counts_rows(values: pd.Series) -> bool:
    """Whether this is the index of a frame that was written to CSV, which has no name."""
    unnamed = str(values.name) == "" or str(values.name).startswith("Unnamed: ")
    return unnamed and pd.api.types.is_integer_dtype(values.dtype)


def number_columns(df: pd.DataFrame) -> list[Any]:
    """The columns of numbers, less one that counts rows and has no name."""
    numbers = df.select_dtypes("number")
    return [name for name in numbers if not _counts_rows(df[name])]


def date_columns(df: pd.DataFrame, names: Sequence[Any], writing: Writing) -> list[Any]:
    """The columns of dates; numbers that are dates count where no others are."""
    whole = [n for n in names if pd.api.types.is_integer_dtype(df[n].dtype)]
    rest = [n for n in names if not pd.api.types.is_numeric_dtype(df[n].dtype)]
    some = [n for n in rest if _is_dated(df[n], writing)]
    return some or [n for n in whole if _is_dated(df[n], writing)]


def _is_dated(values: pd.Series, writing: Writing) -> bool:
    """Whether a column holds dates, if not in which order of day and month."""
    if isinstance(values.dtype, pd.PeriodDtype) or is_datetime64_any_dtype(values.dtype):
        return True
    some = values.dropna().drop_duplicates().iloc[:SOME]
    if not len(some) or pd.api.types.is_bool_dtype(values.dtype):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said when the column is read
        for order in (writing.dayfirst, True, False):
            try:
                times = parse_times(some, "", replace(writing, dayfirst=order)).values
            except DataError:
                continue
            return is_datetime64_any_dtype(times.dtype)
    return False


def _unclear(
    df: pd.DataFrame,
    lacks_time: bool,
    lacks_target: bool,
    times: Sequence[Any],
    values: Sequence[Any],
    free: Sequence[Any],
) -> str:
    """The message for a frame whose roles cannot be told, with the words that settle them."""
    lacking = [n for n, lacks in ((USUAL.time, lacks_time), (USUAL.target, lacks_target)) if lacks]
    several = False
    text = f"The frame has no column {' and no column '.join(map(repr, lacking))}."
    words = []
    if len(times) == 1 and USUAL.id not in df.columns and df[times[0]].duplicated().any():
        words += _columns_that_identify(df, times[0], times)[:1]
    if lacks_time:
        text += f" Columns of dates: {naming(times, 20) or 'none'}."
        whole = [n for n in free if pd.api.types.is_integer_dtype(df[n].dtype)]
        words.append(_as_setting("time_col", [*times, *whole, "NAME"][:1]))
    if lacks_target:
        others = [name for name in values if _as_setting("time_col", [name]) not in words]
        none = f"none; it has {naming(df.columns, 20)}"
        text += f" Columns of numbers: {naming(others, 20) or none}."
        words.append(_as_setting("target_col", [*others, "NAME"][:1]))
        several = len(others) > 1 and not words[0].lstrip('"').startswith("id_col")
    text += f" Say what you mean: {' '.join(words)}."
    if lacks_time and not times:
        text += " Rows without times can be counted: df.assign(ds=range(len(df)))."
    if several:
        text += " If each of these columns is a series, tslm.to_long(df) lays them out."
    return text
