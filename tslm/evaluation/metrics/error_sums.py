"""Sums of the errors of backtests, so that parts of a backtest can be measured one by one."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from tslm.data.columns import Columns
from tslm.evaluation.metrics.backtest import errors_by_series

BY = ["metric", "cutoff", "forecast"]


def error_sums(table: Any, df: Any, season_length: int, columns: Columns) -> pd.DataFrame:
    """Add up the errors of a backtest over its series, at each origin.

    Args:
        table: result of a backtest of some series.
        df: their rows, see ``evaluate``.
        season_length: steps of the season, for MASE.
        columns: id, time and target column.

    Returns:
        Columns ``metric`` (those of ``evaluate``, and ``mse``), ``cutoff``, ``forecast``, ``sum``
        and ``series``, the number of series in the sum.
    """
    parts, cutoffs = errors_by_series(table, df, season_length, columns)
    parts = {"mae": parts["mae"], "mse": parts["rmse"] ** 2, **parts}
    sums = [
        part.groupby(cutoffs).agg(["sum", "count"]).stack(level=0).assign(metric=metric)
        for metric, part in parts.items()
    ]
    found = pd.concat(sums).rename_axis(["cutoff", "forecast"]).reset_index()
    return found.rename(columns={"count": "series"})[[*BY, "sum", "series"]]


def mean_errors(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Return the errors of a whole backtest, as ``evaluate`` does, from the sums of its parts.

    Args:
        parts: results of ``error_sums``, of different series.

    Returns:
        One row per metric and one column per forecast: means over the series of each origin, and
        then over origins.
    """
    sums = pd.concat(parts).groupby(BY, sort=False)[["sum", "series"]].sum()
    means = sums["sum"] / sums["series"].where(sums["series"] > 0)
    every = means.groupby(["metric", "forecast"], sort=False).mean().unstack("forecast", sort=False)
    return every.rename_axis(columns=None).reset_index()
