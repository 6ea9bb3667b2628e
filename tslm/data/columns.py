"""Columns of a user's frame: id, time, target and covariates, selected, checked and parsed."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from utilsforecast.validation import validate_format

from tslm.core.calendar import Calendar, Ints
from tslm.core.csv_cells import is_numeral
from tslm.core.errors import DataError
from tslm.core.messages import counted, did_you_mean, naming
from tslm.data.time_column import parse_times
from tslm.data.time_writing import Writing

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """Column names of a user's frame, and the way its times are written.

    Attributes:
        id: name of the id column.
        time: name of the time column.
        target: name of the target column.
        writing: known facts about the way times are written.
        parts: names of several id columns that identify a series together; they are joined into
            one column called ``id``.
    """

    id: str = "unique_id"
    time: str = "ds"
    target: str = "y"
    writing: Writing = field(default_factory=Writing)
    parts: tuple[str, ...] = ()

    def times(self, df: pd.DataFrame) -> pd.Series:
        """Read the times of a frame that has one id column."""
        codes = pd.factorize(df[self.id])[0]
        return parse_times(df[self.time], self.time, self.writing, codes).values

    def for_forecasts(self, times: pd.Series | None) -> "Columns":
        """Return the columns of forecasts, whose times are as ``tslm`` writes them.

        Args:
            times: times of the frame that the forecasts continue, as they were read; None if there
                is no frame.
        """
        writing = replace(self.writing, time_format=None)
        if times is not None:
            writing = writing.with_context(None, Calendar.clock(times))
        return replace(self, writing=writing)


DEFAULT_COLUMNS = Columns()


def select(
    df: Any, columns: Columns, extra: Sequence[str] = (), made: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the id, time and target column of a frame, and some more.

    Args:
        df: a long frame.
        columns: its column names.
        extra: names of further columns to return.
        made: columns that tslm added, which messages do not name.

    Raises:
        DataError: if ``df`` is no DataFrame, is empty, or lacks one of the columns.
    """
    if not isinstance(df, pd.DataFrame):
        hint = "call .to_pandas() on it" if type(df).__module__.startswith("polars") else "make one"
        raise DataError(f"The data are a {type(df).__name__}, not a pandas DataFrame: {hint}.")
    wanted = [columns.id, columns.time, columns.target]
    for argument, name in zip(("id_col", "time_col", "target_col"), wanted, strict=True):
        _check_column(df, argument, name, [name for name in df.columns if name not in made])
    check_covariates(df, extra, wanted)
    if df.empty:
        raise DataError("The frame is empty: it has columns but no rows.")
    return df[[*wanted, *extra]].reset_index(drop=True)


def check_covariates(
    df: pd.DataFrame, names: Sequence[str], own: Sequence[str] = (), title: str = "The frame"
) -> None:
    """Refuse covariates that a frame lacks, or has twice.

    Args:
        df: the frame.
        names: names of the covariates.
        own: columns that are no covariates, such as the target.
        title: name of the frame in messages.

    Raises:
        DataError: if there are such; names the most similar column.
    """
    for name in names:
        copies = int((df.columns == name).sum())
        if copies == 1:
            continue
        if copies:
            raise DataError(f"{title} has {copies} columns {name!r}. Keep one of them.")
        others = [str(column) for column in df.columns if column not in own]
        hint = did_you_mean(name, others, "{!r}")
        has = naming(others, 20) or "no others"
        raise DataError(f"{title} has no column {name!r}.{hint} It has {has}.")


def _check_column(df: pd.DataFrame, argument: str, name: str, own: Sequence[Any]) -> None:
    copies = int((df.columns == name).sum())
    if copies == 1:
        return
    if copies:
        raise DataError(f"The frame has {copies} columns {name!r}. Keep one of them.")
    names = [str(column) for column in own]
    guess = did_you_mean(name, names, f"{argument}={{!r}}")
    raise DataError(
        f"The frame has no column {name!r}; it has {naming(names, 20) or 'no others'}."
        f"{guess} Pass {argument}=NAME with the name of one of them, or rename it."
    )


def ids_without_categories(ids: pd.Series) -> pd.Series:
    """Return ids as plain values if they are pandas categories."""
    categories = isinstance(ids.dtype, pd.CategoricalDtype)
    return ids.astype(ids.cat.categories.dtype) if categories else ids


def parse_ids(ids: pd.Series, column: str) -> tuple[Ints, pd.Index]:
    """Number the series in the order of their sorted ids.

    Args:
        ids: the id of each row.
        column: name of the column, for messages.

    Returns:
        The number of the series of each row, and the sorted ids.

    Raises:
        DataError: if an id is missing, or is neither text nor a number.
    """
    if (absent := ids.isna().to_numpy()).any():
        raise DataError(
            f"The id column {column!r} is missing in {counted(absent.sum(), 'row')}, the first of "
            f"them row {absent.argmax()}. Fill it in or drop these rows."
        )
    codes, unique = pd.factorize(ids_without_categories(ids))
    names = pd.Index(unique)
    kind = pd.api.types.infer_dtype(names)
    if kind not in ("string", "integer", "floating", "boolean", "mixed-integer"):
        raise DataError(
            f"The id column {column!r} holds {kind} values such as {names[0]!r}. Ids are strings "
            f"or numbers: use .astype(str)."
        )
    order = order_of_ids(names)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[codes], names.take(order)


def order_of_ids(ids: pd.Index) -> Ints:
    """Return the numbers of ids in their sorted order; mixed ones are sorted as text."""
    mixed = pd.api.types.infer_dtype(ids) == "mixed-integer"
    return np.argsort(ids.astype(str) if mixed else ids, kind="stable")


def parse_target(y: pd.Series, columns: Columns) -> Floats:
    """Return the target column as float64, NaN where missing.

    Raises:
        DataError: if it holds anything but numbers.
    """
    if y.dtype == object or pd.api.types.is_string_dtype(y.dtype):
        return _from_objects(y, columns.target)
    try:
        validate_format(
            pd.DataFrame({columns.id: [0], columns.time: [0], columns.target: y.iloc[:1]}),
            columns.id,
            columns.time,
            columns.target,
        )
        if pd.api.types.is_complex_dtype(y.dtype):
            raise ValueError(f"The target column ('{columns.target}') holds complex numbers")
    except ValueError as error:
        raise DataError(f"{error}. Convert it to numbers with .astype(float).") from error
    return np.asarray(y.to_numpy(dtype=np.float64, na_value=np.nan))


def _from_objects(y: pd.Series, column: str) -> Floats:
    absent = y.isna().to_numpy()
    wrong = np.array([not isinstance(value, (Real, Decimal)) for value in y]) & ~absent
    if wrong.any():
        odd = np.array([not is_numeral(value) for value in y], dtype=bool) & wrong
        row = int((odd if odd.any() else wrong).argmax())
        what = "which is no number. Correct this cell"
        if not odd.any():
            what = "a number as text. In a CSV file, say decimal=comma or decimal=point"
        raise DataError(
            f"The target column {column!r} holds {y.iloc[row]!r} in row {row}, {what}, or convert "
            "the column with pd.to_numeric."
        )
    return np.asarray(y.mask(absent, np.nan), dtype=np.float64)
