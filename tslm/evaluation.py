"""Errors of a backtest, in the units of the target: by utilsforecast, averaged over its origins."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from utilsforecast.evaluation import evaluate as utils_evaluate
from utilsforecast.losses import coverage, mae, mase, mqloss, rmse, smape

from tslm.data.frame import Columns
from tslm.intervals import Beside
from tslm.intervals import forecasts as shown


def evaluate(
    table: pd.DataFrame,
    df: pd.DataFrame,
    season_length: int = 1,
    columns: Columns | None = None,
    models: Sequence[str] | None = None,
) -> pd.DataFrame:
    """MAE, RMSE, MASE and sMAPE (0 to 1) of every forecast column of a backtest.

    Where there are intervals or quantiles beside them: also the ``pinball`` loss, averaged over all
    quantiles there, and ``coverage_80``, the share of truths inside the interval of level 80.

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

    Examples:
        >>> from tslm import BaselineForecaster
        >>> from tslm.evaluation import evaluate
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=200)
        >>> backtest = BaselineForecaster("last", h=7).cross_validation(sales)
        >>> evaluate(backtest, sales, season_length=7).metric.tolist()
        ['mae', 'rmse', 'mase', 'smape']
    """
    names = columns or Columns()
    own = (names.id, names.time, names.target, "cutoff")
    forecasts = list(models or shown(str(column) for column in table if column not in own))
    metrics: list[Callable[..., Any]] = [mae, rmse, partial(mase, seasonality=season_length), smape]
    beside = {name: Beside.of(name, map(str, table)) for name in forecasts}
    parts, intervals = [], []
    for cutoff, rows in table.dropna(subset=[names.target]).groupby("cutoff", sort=True):
        known = df[df[names.time] <= cutoff].dropna(subset=[names.target])
        rows = rows.drop(columns="cutoff")
        intervals.append(_intervals(rows, beside, names))
        parts.append(
            utils_evaluate(
                rows,
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
    every = pd.concat(parts + [part for part in intervals if len(part)], ignore_index=True)
    return every.groupby("metric", sort=False)[forecasts].mean().reset_index()


def _intervals(rows: pd.DataFrame, beside: dict[str, Beside], names: Columns) -> pd.DataFrame:
    """Pinball loss and coverage of one origin, averaged over series; a row a metric."""
    scores: dict[str, dict[str, float]] = {}
    columns: dict[str, Any] = {"id_col": names.id, "target_col": names.target}
    for name, own in beside.items():
        if own.quantiles:
            some = {name: list(own.quantiles.values())}
            found = mqloss(rows, some, np.array(list(own.quantiles)), **columns)
            scores.setdefault("pinball", {})[name] = float(found[name].mean())
        for level in own.levels:
            shown_level: Any = int(level) if level.is_integer() else level  # as in the column
            found = coverage(rows, [name], shown_level, **columns)
            scores.setdefault(f"coverage_{level:g}", {})[name] = float(found[name].mean())
    return pd.DataFrame(
        [{"metric": metric, **values} for metric, values in scores.items()],
        columns=["metric", *beside],
    )
