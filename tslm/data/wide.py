"""Frames with a column for each series, as long frames."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from tslm.core.errors import DataError
from tslm.core.messages import naming
from tslm.data.columns import check_covariates
from tslm.data.interchange import Kind, to_pandas
from tslm.data.roles import USUAL, date_columns, index_to_columns, number_columns


def to_long(df: Any, *, time_col: str | None = None, series: Sequence[str] | None = None) -> Any:
    """Lay out a frame with a column for each series, or a single series, as a long frame.

    Args:
        df: a frame with one row a time, of any library, or a pandas Series indexed by time.
        time_col: column of times; None takes the index if it holds dates, or the one column of
            dates.
        series: the columns that are series; None takes all columns of numbers.

    Returns:
        Columns ``unique_id`` (the name of the column), ``ds`` and ``y``. A row without a value is
        left out, so each series begins and ends with a value of its own.

    Raises:
        DataError: if the times cannot be told, or there is no series.

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
    wide = index_to_columns(wide, USUAL)
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
    if USUAL.time in wide.columns:
        return USUAL.time
    times = date_columns(wide, list(wide.columns), USUAL.writing)
    if len(times) != 1:
        raise DataError(
            f"Columns of dates: {naming(times, 20) or 'none'}. Say which holds the times: "
            f"time_col={[*map(str, times), 'NAME'][0]!r}."
        )
    return times[0]
