"""Id column of a frame: made of several columns, of none, and taken apart again."""

import json
from collections.abc import Collection, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from tslm.core.errors import DataError, warn
from tslm.core.messages import counted, naming
from tslm.data.columns import DEFAULT_COLUMNS, Columns
from tslm.data.index_columns import index_to_columns, is_row_counter

_OF_SHELLS = frozenset(" '&;|<>()*?#~`!{}[]")  # characters with a meaning in a shell
# a column is proposed as id if its distinct values are less than this fraction of the rows
FEW = 0.5


def complete_columns(df: Any, columns: Columns) -> Any:
    """Return a frame with one id column and a time column.

    Several id columns are joined into one. Without an id column the frame is one series, named like
    the target. Without a time column rows are counted, with a warning.

    Args:
        df: a long frame; anything but a DataFrame is returned as it is, for ``select`` to refuse.
        columns: column names of the frame.

    Raises:
        DataError: if an id column is missing or lacks a value, or column names have several levels.
    """
    if not isinstance(df, pd.DataFrame):
        return df
    if isinstance(df.columns, pd.MultiIndex):
        raise DataError(
            f"The columns of the frame have {df.columns.nlevels} levels, such as "
            f"{df.columns[0]!r}. Give each one name: df.columns = df.columns.map('_'.join)."
        )
    df = index_to_columns(df, columns)
    df = _add_id(df, columns)
    others = [n for n in df if n not in (columns.id, *columns.parts, columns.target)]
    if columns.time != DEFAULT_COLUMNS.time or columns.target not in df:
        return df
    if any(not is_row_counter(df[name]) for name in others):
        return df
    warn(
        "The frame has no column of times, so its rows are counted: 0, 1, 2 ... If a pattern "
        "repeats every few rows, pass their number as season_length=."
    )
    return df.assign(**{columns.time: df.groupby(columns.id, dropna=False).cumcount()})


def _add_id(df: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    if columns.parts:
        return df.assign(**{columns.id: join_ids(df, columns.parts)})
    if columns.id == DEFAULT_COLUMNS.id and columns.id not in df.columns:
        close = [
            n for n in map(str, df.columns) if n.lower().replace(" ", "_") == DEFAULT_COLUMNS.id
        ]
        if close:
            raise DataError(
                f"The frame has no column {DEFAULT_COLUMNS.id!r}. Pass id_col={close[0]}."
            )
        return df.assign(**{columns.id: str(columns.target)})
    return df


def check_single(given: pd.DataFrame, df: pd.DataFrame, columns: Columns) -> None:
    """Refuse a frame without ids if another column identifies several series.

    Args:
        given: the user's frame.
        df: the same after ``complete_columns``.
        columns: column names of both.

    Raises:
        DataError: if times repeat and a column, or a pair, identifies the series; names it.
    """
    named = columns.parts or columns.id in (*given.columns, *given.index.names)
    again = df[columns.time].duplicated()
    if named or not again.any():
        return
    own = (columns.id, columns.time, columns.target)
    if words := identifying_settings(df, columns.time, own):
        raise DataError(
            f"The frame has no column {columns.id!r}, and several rows have the same time, such as "
            f"{df[columns.time][again].iloc[0]}. Say which column identifies the series: "
            f"{' or '.join(words)}."
        )


def split_ids(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Replace the joined id column of a table by the user's own id columns."""
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


def identifying_settings(df: pd.DataFrame, time: Any, own: Collection[Any]) -> list[str]:
    """Return settings of one or two columns with which no time repeats within a series.

    Args:
        df: a long frame.
        time: its time column.
        own: columns that are not to be proposed.

    Returns:
        Up to three settings such as "id_col=store".
    """
    few = [n for n in df.columns if n not in own and df[n].nunique() < FEW * len(df)][:20]
    ways = [[[name] for name in few], [list(pair) for pair in combinations(few, 2)]]
    for names in ways:
        if apart := [way for way in names if not df[[*way, time]].duplicated().any()]:
            return [as_setting("id_col", way) for way in apart[:3]]
    return []


def as_setting(setting: str, names: Sequence[Any]) -> str:
    """Write a setting as one word of a command line, quoted where a shell needs it."""
    value = ",".join(map(str, names))
    word = f"{setting}={value}" if len(names) == 1 else f"{setting}=[{value}]"
    return word if len(names) == 1 and not set(word) & _OF_SHELLS else f'"{word}"'


def join_ids(df: pd.DataFrame, parts: Sequence[str]) -> Any:
    """Join several columns into one id per row, as JSON.

    Args:
        df: a frame.
        parts: names of the columns.

    Raises:
        DataError: if a column is missing, or lacks a value.
    """
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
    keys = [json.dumps([_json_value(value) for value in row], ensure_ascii=False) for row in unique]
    return np.asarray(keys, dtype=object)[codes]


def _json_value(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, bool | int | float | str) else str(value)
