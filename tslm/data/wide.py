"""Wide frames: one column per series, laid out as a long frame."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tslm.core.errors import DataError
from tslm.core.messages import naming
from tslm.data.columns import DEFAULT_COLUMNS, check_covariates
from tslm.data.index_columns import index_to_columns
from tslm.data.interchange import Kind, to_pandas
from tslm.data.roles import date_columns, number_columns


def to_long(df: Any, *, time_col: str | None = None, series: Sequence[str] | None = None) -> Any:
    """Convert a frame with one column per series, or a single series, to a long frame.

    Args:
        df: a frame of any library with one row per time, or a pandas Series indexed by time.
        time_col: time column; None takes the index if it holds dates, or the only column of dates.
        series: columns that are series; None takes all columns of numbers.

    Returns:
        A frame with ``unique_id`` (the name of the column), ``ds`` and ``y``. Rows without a value
        are dropped, so that each series begins and ends with a value.

    Raises:
        DataError: if there is not exactly one column of dates, or no column of numbers.

    Examples:
        >>> import pandas as pd
        >>> from tslm import to_long
        >>> days = pd.date_range("2024-01-01", periods=2)
        >>> to_long(pd.DataFrame({"day": days, "bread": [5, 6], "milk": [1, 2]})).unique_id.tolist()
        ['bread', 'bread', 'milk', 'milk']
    """
    kind, wide = Kind.of(df), to_pandas(df)
    if not isinstance(wide, pd.DataFrame):
        raise DataError(f"The data are a {type(df).__name__}, not a frame or a pandas Series.")
    wide = index_to_columns(wide, DEFAULT_COLUMNS)
    time = _time(wide) if time_col is None else time_col
    names = [n for n in number_columns(wide) if n != time] if series is None else list(series)
    check_covariates(wide, [time, *names])
    if not names:
        raise DataError("The frame has no column of numbers. Name the series: series=[...].")
    parts = [
        pd.DataFrame({"unique_id": str(name), "ds": wide[time].array, "y": wide[name].array})
        for name in names
    ]
    long = pd.concat(parts).dropna(subset=["y"]).reset_index(drop=True)
    return long if kind is None else kind.back(long)


def _time(wide: pd.DataFrame) -> Any:
    if DEFAULT_COLUMNS.time in wide.columns:
        return DEFAULT_COLUMNS.time
    times = date_columns(wide, list(wide.columns), DEFAULT_COLUMNS.writing)
    if len(times) != 1:
        raise DataError(
            f"Columns of dates: {naming(times, 20) or 'none'}. Say which one holds the times: "
            f"time_col={[*map(str, times), 'NAME'][0]!r}."
        )
    return times[0]
