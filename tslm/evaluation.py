"""Errors of a backtest, in the units of the target: by utilsforecast, averaged over its origins."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pandas as pd
from utilsforecast.evaluation import evaluate as utils_evaluate
from utilsforecast.losses import mae, mase, rmse, smape

from tslm.data.frame import Columns


def evaluate(
    table: pd.DataFrame,
    df: pd.DataFrame,
    season_length: int = 1,
    columns: Columns | None = None,
    models: Sequence[str] | None = None,
) -> pd.DataFrame:
    """MAE, RMSE, MASE and sMAPE (0 to 1) of every forecast column of a backtest.

    Each is measured by series and origin, and then averaged: over series for each origin, over
    origins at last. Steps without a truth do not count.

    Args:
        table: what ``cross_validation`` gave.
        df: the frame it was made from: MASE is in units of what repeating the season errs on the
            rows before each origin.
        season_length: steps of that season.
        columns: what the columns are called.
        models: the forecast columns; None for all that are not the frame's own.

    Returns:
        One row a metric, one column a forecast.
    """
    names = columns or Columns()
    own = (names.id, names.time, names.target, "cutoff")
    forecasts = list(models or [str(column) for column in table if column not in own])
    metrics: list[Callable[..., Any]] = [mae, rmse, partial(mase, seasonality=season_length), smape]
    parts = []
    for cutoff, rows in table.dropna(subset=[names.target]).groupby("cutoff", sort=True):
        known = df[df[names.time] <= cutoff].dropna(subset=[names.target])
        parts.append(
            utils_evaluate(
                rows.drop(columns="cutoff"),
                metrics=metrics,
                models=forecasts,
                train_df=known[[names.id, names.time, names.target]].sort_values(
                    [names.id, names.time]
                ),
                id_col=names.id,
                time_col=names.time,
                target_col=names.target,
                agg_fn="mean",
            )
        )
    every = pd.concat(parts, ignore_index=True)
    return every.groupby("metric", sort=False)[forecasts].mean().reset_index()
