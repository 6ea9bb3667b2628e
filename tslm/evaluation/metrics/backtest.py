"""Errors of a backtest in the units of the target, averaged over series and origins."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from utilsforecast.losses import coverage, mae, mqloss, rmse, smape

from tslm.core.errors import DataError
from tslm.data.columns import Columns, check_covariates, ids_without_categories
from tslm.data.frame import read_frame
from tslm.data.id_columns import complete_columns, split_ids
from tslm.data.interchange import Kind, to_pandas
from tslm.data.roles import columns_of, find_columns
from tslm.data.time_writing import Writing
from tslm.evaluation.metrics.sample_paths import energy_score, variogram_score
from tslm.uncertainty.requested_columns import ForecastColumns
from tslm.uncertainty.requested_columns import forecasts as shown

KEY = "series and origin"  # name of the column that numbers each pair of these


def evaluate(
    table: Any,
    df: Any,
    season_length: int = 1,
    models: Sequence[str] | None = None,
    *,
    id_col: str | Sequence[str] | None = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
    time_format: str | None = None,
    dayfirst: bool | None = None,
    tz: str | None = None,
    resample: str | None = None,
) -> Any:
    """Measure MAE, RMSE, MASE and sMAPE (0 to 1) of every forecast column of a backtest.

    If the backtest has intervals or quantiles, the result also has the ``pinball`` loss, averaged
    over all quantiles, and ``coverage_80``, the fraction of true values inside the 80 % interval.
    If it has sample paths, the result also has their ``energy`` score and ``variogram`` score,
    which measure whole paths, see ``tslm.evaluation.metrics.sample_paths``.

    Each error is measured by series and origin, then averaged over the series of each origin, then
    over origins. Steps without a true value are ignored.

    Args:
        table: result of ``cross_validation``, from pandas, polars or Arrow; or of ``predict``, once
            the true values are known.
        df: the frame of the backtest, or a newer one that has the true values. MASE divides by the
            error of the seasonal naive forecast on the rows before each origin.
        season_length: steps of that season.
        models: forecast columns to measure; None for all of them.
        id_col: column of series ids, or several.
        time_col: column of times.
        target_col: column of values.
        time_format: format of the times of ``df``, see ``TSLMForecaster``. The times of forecasts
            are timestamps, or text as ``tslm`` writes it.
        dayfirst: True if the day comes before the month; None infers it.
        tz: time zone of the times; None keeps that of the frame.
        resample: grid for the rows of ``df``, as set in the forecaster.

    Returns:
        One row per metric and one column per forecast, in the frame library of ``table``.

    Raises:
        DataError: if a column is missing, or no forecast has a true value yet.

    Examples:
        >>> from tslm import BaselineForecaster, evaluate
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=200)
        >>> backtest = BaselineForecaster("last", h=7).cross_validation(sales)
        >>> evaluate(backtest, sales, season_length=7).metric.tolist()
        ['mae', 'rmse', 'mase', 'smape']
    """
    kind = Kind.of(table)
    writing = Writing(time_format, dayfirst, tz)
    names = columns_of(id_col, time_col, target_col, writing)
    parts, cutoffs = errors_by_series(table, df, season_length, names, models, resample)
    every = {metric: part.groupby(cutoffs).mean() for metric, part in parts.items()}
    result = pd.DataFrame({metric: part.mean() for metric, part in every.items()}).T
    result = result[list(parts["mae"])].rename_axis("metric").reset_index()
    return result if kind is None else kind.back(result)


def errors_by_series(
    table: Any,
    df: Any,
    season_length: int,
    columns: Columns,
    models: Sequence[str] | None = None,
    resample: str | None = None,
) -> tuple[dict[str, pd.DataFrame], pd.Series]:
    """Measure the errors of a backtest by series and origin, see ``evaluate``.

    Args:
        table: as there.
        df: as there.
        season_length: as there.
        columns: id, time and target column.
        models: as there.
        resample: as there.

    Returns:
        The errors by metric, with a row for each series and origin and a column for each forecast;
        and the cutoff of each row.
    """
    truth = to_pandas(df)
    names = find_columns(truth, columns)
    if resample is not None:
        truth, names = _on_grid(truth, names, resample)
    history = _read(truth, names, [names.target], "The frame")
    names = names.for_forecasts(history[names.time])
    rows = to_pandas(table)
    if isinstance(rows, pd.DataFrame) and not {"cutoff", names.target} & set(rows):
        rows = _beside_truth(_read(rows, names, [], "The forecast"), history, names)
    rows = _read(rows, names, [names.target, "cutoff"], "The backtest")
    own = (names.id, *names.parts, names.time, names.target, "cutoff")
    forecasts = list(models or shown(str(column) for column in rows if column not in own))
    check_covariates(rows, forecasts, own, "The backtest")
    rows[KEY] = rows.groupby([names.id, "cutoff"], sort=False).ngroup()
    where = rows.drop_duplicates(KEY).set_index(KEY)[[names.id, "cutoff"]]
    scale = _scale(history, where, names, season_length)
    return _measured(rows, forecasts, names, scale), where.cutoff


def _on_grid(df: Any, names: Columns, resample: str) -> tuple[pd.DataFrame, Columns]:
    """Put rows on a regular grid; return them with their column names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # fit has warned of gaps already
        table = read_frame(df, names, resample=resample).table
    table = table.rename(columns={"unique_id": names.id, "ds": names.time, "y": names.target})
    return split_ids(table, names), names.for_forecasts(table[names.time])


def _measured(
    rows: pd.DataFrame, forecasts: list[str], names: Columns, scale: pd.Series
) -> dict[str, pd.DataFrame]:
    """Measure each metric by series and origin."""
    options: dict[str, Any] = {"id_col": KEY, "target_col": names.target}

    def by_key(loss: Callable[..., Any], *args: Any) -> pd.DataFrame:
        return pd.DataFrame(loss(rows.drop(columns="cutoff"), *args, **options)).set_index(KEY)

    parts = {"mae": by_key(mae, forecasts), "rmse": by_key(rmse, forecasts)}
    parts["mase"] = parts["mae"].div(scale.reindex(parts["mae"].index), axis=0)
    parts["smape"] = by_key(smape, forecasts)
    for name in forecasts:
        own = ForecastColumns.of(name, map(str, rows.columns))
        further = {}
        if own.quantiles:
            some = {name: list(own.quantiles.values())}
            further["pinball"] = by_key(mqloss, some, np.array(list(own.quantiles)))
        for level in own.levels:
            shown_level: Any = int(level) if level.is_integer() else level  # as in the column
            further[f"coverage_{level:g}"] = by_key(coverage, [name], shown_level)
        if len(own.samples) > 1:
            further |= _path_scores(rows, name, own.samples, names)
        for metric, part in further.items():
            parts[metric] = pd.concat([parts[metric], part], axis=1) if metric in parts else part
    return {metric: part.reindex(columns=forecasts) for metric, part in parts.items()}


def _path_scores(
    rows: pd.DataFrame, name: str, samples: Sequence[str], names: Columns
) -> dict[str, pd.DataFrame]:
    """Score the sample paths of one forecast by series and origin."""
    ordered = rows.sort_values([KEY, names.time], kind="stable")
    found = {}
    for key, part in ordered.groupby(KEY):
        truth = part[names.target].to_numpy(np.float64)
        paths = part[list(samples)].to_numpy(np.float64).T
        found[key] = (energy_score(truth, paths), variogram_score(truth, paths))
    index = pd.Index(list(found), name=KEY)
    return {
        metric: pd.DataFrame({name: [scores[place] for scores in found.values()]}, index)
        for place, metric in enumerate(("energy", "variogram"))
    }


def _scale(
    history: pd.DataFrame, where: pd.DataFrame, names: Columns, season_length: int
) -> pd.Series:
    """Return the error of the seasonal naive forecast before each origin, for each series."""
    try:
        where = where.astype({"cutoff": history[names.time].dtype})
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The column cutoff of the backtest has the type {where.cutoff.dtype}, but the times "
            f"of the frame have {history[names.time].dtype}. Convert them to the same type."
        ) from error
    history = history.sort_values(names.time, kind="stable")
    series = history.groupby(names.id)[names.target]
    gaps = (history[names.target] - series.shift(season_length)).abs()
    groups = gaps.groupby(history[names.id])
    sums, counts = gaps.fillna(0.0).groupby(history[names.id]).cumsum(), groups.cumcount()
    seen = (counts + 1 - season_length).clip(lower=0)
    history = history[[names.id, names.time]].assign(scale=sums / seen.where(seen > 0))
    last = pd.merge_asof(
        where.reset_index().sort_values("cutoff", kind="stable"),
        history,
        left_on="cutoff",
        right_on=names.time,
        by=names.id,
    )
    return last.set_index(KEY)["scale"]


def _beside_truth(rows: pd.DataFrame, history: pd.DataFrame, names: Columns) -> pd.DataFrame:
    """Join forecasts with their true values and with their origin, the last row before them.

    Raises:
        DataError: if no forecast has a true value, or has a row of its series before it.
    """
    key = [names.id, names.time]
    first = rows.groupby(names.id)[names.time].min()
    before = history[history[names.time] < history[names.id].map(first)]
    cutoff = before.groupby(names.id)[names.time].max().rename("cutoff")
    both = rows.merge(history[[*key, names.target]], on=key).join(cutoff, on=names.id, how="inner")
    if both.empty:
        raise DataError(
            "The frame has no true value for these forecasts. Give the frame that the forecasts "
            "continue, with the rows up to and including the forecast times."
        )
    return both


def _read(df: Any, names: Columns, needed: Sequence[str], title: str) -> pd.DataFrame:
    """Read rows with their times as timestamps; drop those without a true value."""
    if not isinstance(df, pd.DataFrame):
        raise DataError(f"{title} is a {type(df).__name__}, not a frame.")
    df = complete_columns(df, names)
    check_covariates(df, [names.id, names.time, *needed], title=title)
    if names.target in needed:
        df = df.dropna(subset=[names.target])
    df = df.reset_index(drop=True).assign(**{names.id: ids_without_categories(df[names.id]).array})
    times = [name for name in (names.time, "cutoff") if name in (names.time, *needed)]
    read = {name: replace(names, time=name).times(df).array for name in times}
    return df.assign(**read)
