"""Plots of forecasts and of training, by matplotlib or plotly."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from tslm.core.errors import DataError
from tslm.data.columns import Columns, check_covariates
from tslm.data.id_columns import complete_columns
from tslm.data.roles import columns_of
from tslm.data.time_writing import Writing
from tslm.plots.palette import COLOURS, OBSERVED, Style, forecast_styles
from tslm.plots.panels import (
    forecast_columns,
    grid_shape,
    last_rows,
    series_panels,
    uses_plotly,
)
from tslm.uncertainty.requested_columns import ForecastColumns

# chosen by hand
MAX_SERIES = 8  # series in one figure
MAX_SAMPLES = 50  # sample paths drawn per forecast
HISTORY_HORIZONS = 5  # horizons of history that are drawn before the forecast


def plot_forecasts(
    df: pd.DataFrame | None,
    forecasts: pd.DataFrame | None,
    *,
    id_col: str | Sequence[str] | None = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
    time_format: str | None = None,
    dayfirst: bool | None = None,
    tz: str | None = None,
    engine: str = "matplotlib",
) -> Any:
    """Draw the end of each series and its forecasts, one panel per series, eight at most.

    Intervals and quantiles are bands in the colour of their forecast. Samples are thin lines; only
    matplotlib draws them.

    Args:
        df: observed values, possibly also at the times of the forecasts; rows in any order.
        forecasts: output of ``predict`` or ``cross_validation``.
        id_col: column of series ids, or several; None if there is one series.
        time_col: column of times.
        target_col: column of values.
        time_format: format of times in ``df``, see ``TSLMForecaster``; those of forecasts are
            timestamps, or text as ``tslm`` writes it.
        dayfirst: True if the day comes before the month in text; None infers it.
        tz: time zone in which times are read; None keeps that of the frame.
        engine: "matplotlib", or "plotly" for an interactive figure.

    Returns:
        A ``Figure`` of that library.

    Raises:
        DataError: if there is nothing to draw.
        ConfigError: if the engine is unknown or not installed.
    """
    writing = Writing(time_format, dayfirst, tz)
    return draw_forecasts(df, forecasts, columns_of(id_col, time_col, target_col, writing), engine)


def draw_forecasts(
    df: pd.DataFrame | None, forecasts: pd.DataFrame | None, names: Columns, engine: str
) -> Any:
    """Draw as ``plot_forecasts`` does, with the columns of an estimator."""
    interactive = uses_plotly(engine)
    df = _drawable(df, names, [names.target])
    forecasts = _drawable(
        forecasts, names.for_forecasts(None if df is None or df.empty else df[names.time])
    )
    frames = [frame for frame in (df, forecasts) if frame is not None]
    if not frames or frames[-1].empty:
        raise DataError("There is nothing to draw. Pass df, forecasts or both, with rows.")
    ids = list(pd.unique(frames[-1][names.id])[:MAX_SERIES])
    ahead = None if forecasts is None else forecasts[forecasts[names.id].isin(ids)]
    past = None if df is None else _recent(df, ahead, ids, names)
    own = (names.id, *names.parts, names.time, names.target)
    shown = [] if ahead is None else forecast_columns(ahead, own)
    if interactive:
        from tslm.plots import plotly

        return plotly.forecasts(past, ahead, ids, shown, names)
    return _figure(past, ahead, ids, shown, names)


def plot_history(history: pd.DataFrame) -> Figure:
    """Draw the loss by step, with the validation loss, and the learning rate below.

    Args:
        history: ``history_`` of a forecaster.

    Raises:
        DataError: if it has no row.
    """
    if history.empty:
        raise DataError("history_ has no rows: nothing was trained, so there is no loss to draw.")
    figure, (above, below) = plt.subplots(
        2, 1, figsize=(6.5, 4), sharex=True, height_ratios=[3, 1], layout="constrained"
    )
    above.plot(history.step, history.loss, color=OBSERVED, lw=1, label="training loss")
    validations = history.columns.intersection(["val_mse", "val_loss"])
    for name, colour in zip(validations, COLOURS[1:], strict=False):
        validated = history.dropna(subset=[name])
        above.plot(validated.step, validated[name], color=colour, marker="o", ms=4, label=name)
    above.set_ylabel("loss")
    above.legend(frameon=False)
    below.plot(history.step, history.learning_rate, color=OBSERVED, lw=1)
    below.set_ylabel("learning rate")
    below.set_xlabel("step")
    return figure


def _drawable(
    frame: pd.DataFrame | None, names: Columns, further: Sequence[str] = ()
) -> pd.DataFrame | None:
    """Prepare a frame: ids in one column, parsed times, rows sorted by series and time.

    Raises:
        DataError: if it lacks a column.
    """
    if frame is None or not len(frame):
        return frame
    frame = complete_columns(frame, names)
    check_covariates(frame, [names.id, names.time, *further])
    times = names.times(frame)
    order = np.lexsort((times.rank(), pd.factorize(frame[names.id])[0]))
    return frame.assign(**{names.time: times.array}).iloc[order]


def _recent(df: pd.DataFrame, ahead: pd.DataFrame | None, ids: Any, names: Columns) -> pd.DataFrame:
    """Select the observed rows from a few horizons before the forecasts on."""
    past = df[df[names.id].isin(ids)]
    if ahead is None:
        return past
    return last_rows(past, (HISTORY_HORIZONS + 1) * ahead.groupby(names.id).size(), names)


def _figure(
    past: pd.DataFrame | None,
    ahead: pd.DataFrame | None,
    ids: Any,
    shown: list[str],
    names: Columns,
) -> Figure:
    """Draw one panel per series by matplotlib."""
    rows, columns = grid_shape(len(ids))
    figure, grid = plt.subplots(
        rows, columns, figsize=(6.5 * columns, 2.8 * rows), squeeze=False, layout="constrained"
    )
    for axes in grid.flat[len(ids) :]:
        axes.remove()
    for axes, panel in zip(grid.flat, series_panels(past, ahead, ids, names), strict=False):
        if panel.past is not None:
            time, values = panel.past[names.time], panel.past[names.target]
            axes.plot(time, values, color=OBSERVED, lw=1, label=names.target)
        if panel.ahead is not None:
            for column, (colour, style, _) in zip(shown, forecast_styles(), strict=False):
                _draw(axes, panel.ahead, names.time, column, colour, style)
        axes.set_title(str(panel.name), loc="left", fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
        concise(axes)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    plt.close(figure)  # the caller shows it; an open figure would be shown twice in a notebook
    return figure


def concise(axes: Axes) -> None:
    """Format dates without repeating the year and month at each tick."""
    locator = axes.xaxis.get_major_locator()
    if isinstance(locator, AutoDateLocator):
        formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_formatter(formatter)


def _draw(axes: Axes, ahead: pd.DataFrame, time: str, name: str, colour: str, style: Style) -> None:
    """Draw one forecast as a line, its intervals as bands and its samples as thin lines."""
    axes.plot(ahead[time], ahead[name], color=colour, ls=style, lw=1.3, label=name)
    beside = ForecastColumns.of(name, ahead.columns)
    for path in beside.samples[:MAX_SAMPLES]:
        axes.plot(ahead[time], ahead[path], lw=0.5, alpha=0.35, color=colour, zorder=1)
    for lower, upper in beside.bands:
        ends = ahead[lower], ahead[upper]
        axes.fill_between(ahead[time], *ends, color=colour, alpha=0.15, lw=0)


def plot_readings(
    reading: pd.DataFrame, series: object = None, rows: int = 12, engine: str = "matplotlib"
) -> Any:
    """Draw the weight of each prototype in each patch of a series, the most used ones on top.

    Args:
        reading: table of an ``Explanation``.
        series: id of the series; None is the first.
        rows: number of prototypes that are shown.
        engine: "matplotlib", or "plotly" for an interactive figure.

    Raises:
        DataError: if there is no such series.
        ConfigError: if the engine is unknown or not installed.
    """
    interactive = uses_plotly(engine)
    chosen = reading.unique_id.iloc[0] if series is None else series
    own = reading[reading.unique_id == chosen]
    if own.empty:
        raise DataError(f"The explanation has no series {chosen!r}. Pass one of its unique_id.")
    used = own.groupby("prototype").weight.sum().nlargest(rows).index
    table = own[own.prototype.isin(used)].pivot_table(
        index="prototype", columns="patch", values="weight"
    )
    table = table.reindex(index=used, columns=range(int(own.patch.max()) + 1))
    words = own.drop_duplicates("prototype").set_index("prototype").words
    labels = [f"{words[p]}  [{p}]"[:70] for p in table.index]
    if interactive:
        from tslm.plots import plotly

        return plotly.readings(table, labels, str(chosen))
    figure, axes = plt.subplots(figsize=(9, 0.9 + 0.3 * len(table)), layout="constrained")
    if table.shape[1] > 1:
        image = axes.imshow(table, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest")
        figure.colorbar(image, ax=axes, label="weight", shrink=0.8)
        axes.set_xlabel("patch, oldest first")
    else:
        axes.barh(range(len(table)), table[0], color=COLOURS[0])
        axes.invert_yaxis()
        axes.set_xlabel("weight in the whole window")
    axes.set_yticks(range(len(table)), labels)
    axes.set_title(str(chosen), loc="left", fontsize="medium")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    plt.close(figure)
    return figure
