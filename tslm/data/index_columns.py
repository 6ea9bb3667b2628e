"""Columns in the index of a frame, and columns that only number its rows."""

import pandas as pd

from tslm.data.columns import Columns


def index_to_columns(df: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Turn index levels with ids, times or targets, and levels of dates, into columns."""
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


def is_row_counter(values: pd.Series) -> bool:
    """Return True for the unnamed integer column that an index becomes in a CSV file."""
    unnamed = str(values.name) == "" or str(values.name).startswith("Unnamed: ")
    return unnamed and pd.api.types.is_integer_dtype(values.dtype)
