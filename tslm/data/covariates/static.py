"""Static covariates: columns with one value per series."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_complex_dtype, is_scalar

from tslm.core.errors import DataError
from tslm.core.messages import naming
from tslm.data.columns import Columns, check_covariates
from tslm.data.id_columns import complete_columns


def join_statics(df: Any, static_df: Any, columns: Columns, names: Sequence[str]) -> pd.DataFrame:
    """Add static columns to the rows of a long frame; they replace columns of the same name.

    Args:
        df: a long frame; anything but a DataFrame is returned as it is, for ``read_frame`` to
            refuse.
        static_df: a frame with one row per series.
        columns: column names of both.
        names: the static columns to add.

    Raises:
        DataError: if ``static_df`` lacks a series or a column, or has a series twice.
    """
    if not isinstance(static_df, pd.DataFrame):
        raise DataError(f"static_df is a {type(static_df).__name__}, not a pandas DataFrame.")
    if not isinstance(df, pd.DataFrame):
        return df
    static_df, id_col = complete_columns(static_df, columns), columns.id
    check_covariates(static_df, [id_col], title="static_df")
    check_covariates(static_df, names, [id_col], title="static_df")
    if (twice := static_df[id_col].duplicated()).any():
        raise DataError(
            f"Series {naming(static_df[id_col][twice])} have several rows in static_df. Keep one."
        )
    df = complete_columns(df, columns)
    check_covariates(df, [id_col])
    table = static_df.set_index(id_col)[list(names)]
    if (absent := ~df[id_col].isin(table.index)).any():
        raise DataError(
            f"Series {naming(df[id_col][absent].unique())} are not in static_df. Add a row each."
        )
    own = df.drop(columns=[name for name in names if name in df.columns])
    beside = table.reindex(df[id_col]).set_index(own.index)
    return pd.concat([own, beside], axis=1)


def static_values(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return the value of static columns in each series, indexed by id in the table's order.

    Args:
        table: rows with ``unique_id`` and the columns.
        names: names of the columns.

    Raises:
        DataError: if a column has several values in one series, or holds lists.
    """
    for name in names:
        _check_scalars(table, name)
    groups = table.groupby("unique_id", sort=False)[list(names)]
    if names and (several := (groups.nunique() > 1)).any(axis=None):
        name = several.columns[several.any()][0]
        raise DataError(
            f"The static column {name!r} changes within series "
            f"{naming(several.index[several[name]])}. Name it in futr_exog or hist_exog, or give "
            "it one value per series."
        )
    return groups.first()


def _check_scalars(table: pd.DataFrame, name: str) -> None:
    """Refuse values other than numbers, text and dates.

    Raises:
        DataError: if there are such; names the series.
    """
    values = table[name]
    odd = np.full(len(values), is_complex_dtype(values.dtype))
    if values.dtype == object:
        odd = np.array([not is_scalar(v) or isinstance(v, complex) for v in values], dtype=bool)
    if odd.any():
        raise DataError(
            f"{name!r} holds {values[odd].iloc[0]!r} in series "
            f"{naming(table['unique_id'][odd].unique())}, which is no number, text or date. Give "
            "it one of these."
        )
