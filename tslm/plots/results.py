"""Plots of results: backtests, errors by step ahead, and forest plots of ablations."""

from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from tslm.core.errors import DataError
from tslm.data.columns import Columns
from tslm.plots.forecasts import concise
from tslm.plots.palette import OBSERVED, forecast_styles
from tslm.plots.panels import forecast_columns, last_rows, series_panels, uses_plotly

MAX_SERIES = 6  # series in one figure; chosen by hand
COLOURS = {  # by verdict; the last is that of the model itself
    "helps": "#56B4E9",
    "hurts": "#D55E00",
    "no clear difference": "#595959",
    "underpowered": "#FFB000",
    "": "#0072B2",
}


def plot_backtest(
    df: pd.DataFrame,
    backtest: pd.DataFrame,
    columns: Columns | None = None,
    engine: str = "matplotlib",
) -> Any:
    """Draw observed values and the forecasts from each origin, for six series at most.

    Args:
        df: long frame that was backtested.
        backtest: output of ``cross_validation``.
        columns: names of the columns; None is the default ones.
        engine: "matplotlib", or "plotly" for an interactive figure.

    Raises:
        DataError: if the backtest has no rows.
        ConfigError: if the engine is unknown or not installed.

    Examples:
        >>> from tslm import BaselineForecaster
        >>> from tslm.plots.results import plot_backtest
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=200)
        >>> backtest = BaselineForecaster("last", h=7).cross_validation(sales, n_windows=2)
        >>> plot_backtest(sales, backtest).savefig("backtest.png")
    """
    names, interactive = columns or Columns(), uses_plotly(engine)
    if backtest.empty:
        raise DataError("The backtest has no rows, so there is nothing to draw.")
    ids = list(pd.unique(backtest[names.id])[:MAX_SERIES])
    backtest = backtest[backtest[names.id].isin(ids)]
    past = _recent(df, backtest, names)
    shown = forecast_columns(backtest, (names.id, names.time, names.target))
    if interactive:
        from tslm.plots import plotly

        return plotly.backtest(past, backtest, shown, names)
    figure, grid = plt.subplots(
        len(ids), figsize=(10, 2.4 * len(ids) + 0.4), squeeze=False, layout="constrained"
    )
    panels = series_panels(past, backtest, ids, names)
    for axes, (name, own, rows) in zip(grid[:, 0], panels, strict=True):
        assert own is not None
        assert rows is not None
        axes.plot(own[names.time], own[names.target], color=OBSERVED, lw=1, label=names.target)
        for column, (colour, style, _) in zip(shown, forecast_styles(), strict=False):
            for first, (_, fold) in enumerate(rows.groupby("cutoff")):
                label = None if first else column
                line: dict[str, Any] = {"color": colour, "ls": style, "lw": 1.2, "label": label}
                axes.plot(fold[names.time], fold[column], **line)
        for cutoff in rows.cutoff.unique():
            axes.axvline(cutoff, color="0.5", lw=0.8, ls="--", zorder=0)
        axes.set_title(str(name), loc="left", fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
        concise(axes)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    plt.close(figure)
    return figure


def _recent(df: pd.DataFrame, backtest: pd.DataFrame, names: Columns) -> pd.DataFrame:
    """Select the observed rows of the backtest, and twice as many before it, sorted by time."""
    past = df[df[names.id].isin(backtest[names.id])].sort_values([names.id, names.time])
    return last_rows(past, 3 * backtest.groupby(names.id)[names.time].nunique(), names)


def plot_errors(
    backtest: pd.DataFrame, columns: Columns | None = None, engine: str = "matplotlib"
) -> Any:
    """Draw the mean absolute error of every forecast at each step of the horizon.

    The errors of each series are divided by the mean absolute error of all its forecasts, so that
    all series have the same weight.

    Args:
        backtest: output of ``cross_validation``.
        columns: names of the columns; None is the default ones.
        engine: "matplotlib", or "plotly" for an interactive figure.

    Raises:
        DataError: if the backtest has no row with an observed value.
        ConfigError: if the engine is unknown or not installed.

    Examples:
        >>> from tslm import BaselineForecaster
        >>> from tslm.plots.results import plot_errors
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=200)
        >>> backtest = BaselineForecaster("last", h=7).cross_validation(sales, n_windows=2)
        >>> plot_errors(backtest).savefig("errors.png")
    """
    names, interactive = columns or Columns(), uses_plotly(engine)
    rows = backtest.dropna(subset=[names.target])
    if rows.empty:
        raise DataError(
            "The backtest has no row with an observed value, so there are no errors to draw."
        )
    shown = forecast_columns(rows, (names.id, names.time, names.target))
    errors = rows[shown].sub(rows[names.target], axis=0).abs()
    usual = errors.mean(axis=1).groupby(rows[names.id]).transform("mean")
    order = rows.sort_values([names.id, "cutoff", names.time])
    step = order.groupby([names.id, "cutoff"]).cumcount() + 1
    table = errors.div(usual.where(usual > 0, 1), axis=0).groupby(step).mean()
    ylabel = "relative mean absolute error"
    if interactive:
        from tslm.plots import plotly

        return plotly.errors(table, ylabel)
    figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
    for column, (colour, style, _) in zip(shown, forecast_styles(), strict=False):
        line: dict[str, Any] = {
            "color": colour,
            "ls": style,
            "lw": 1.4,
            "marker": "." * (len(table) < 40),
        }
        axes.plot(table.index, table[column], label=column, **line)
    axes.set_xlabel("steps ahead")
    axes.set_ylabel(ylabel)
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    plt.close(figure)
    return figure


def plot_ablation(
    table: pd.DataFrame, horizon: int | None = None, engine: str = "matplotlib"
) -> Any:
    """Draw an ablation as a forest plot: change of the error against each arm, with intervals.

    Left of zero the model has a smaller error than the arm. The grey band, one percent on each
    side, marks differences that do not matter in practice. matplotlib cuts off long intervals; an
    arrowhead marks an end that lies outside.

    Args:
        table: output of ``ablate``.
        horizon: horizon to draw, in steps; None is the first.
        engine: "matplotlib", or "plotly" for an interactive figure.

    Raises:
        DataError: if no arm was compared at that horizon.
        ConfigError: if the engine is unknown or not installed.
    """
    interactive = uses_plotly(engine)
    wanted = table.horizon.iloc[0] if horizon is None else horizon
    rows = table[(table.horizon == wanted) & table.change_percent.notna()]
    if rows.empty:
        raise DataError(f"No arm was compared at horizon {wanted}. Pass a horizon of the table.")
    rows = rows.sort_values("change_percent", ascending=False)
    xlabel = "squared error of the model against each, in percent; left: the model is better"
    title = f"horizon {wanted}"
    if interactive:
        from tslm.plots import plotly

        return plotly.forest(rows, COLOURS, xlabel, title)
    figure, axes = plt.subplots(figsize=(8, 1.1 + 0.32 * len(rows)), layout="constrained")
    axes.axvspan(-1, 1, color="0.93", zorder=0)
    axes.axvline(0, color="0.4", lw=0.8)
    span = max(5.0, 1.3 * float(rows.change_percent.abs().clip(upper=60).max()))
    changes = rows[["low", "change_percent", "high"]].to_numpy(float).clip(-2 * span, 2 * span)
    for place, (low, change, high) in enumerate(changes):
        colour = COLOURS[str(rows.verdict.iloc[place])]
        axes.plot([low, high], [place, place], color=colour, lw=1.6)
        axes.plot([change], [place], "o", color=colour, ms=5)
        for outside, edge, head in ((low < -span, -span, "<"), (high > span, span, ">")):
            if outside:
                axes.plot([edge], [place], head, color=colour, ms=6, clip_on=False)
    axes.set_xlim(-span, span)
    axes.set_yticks(range(len(rows)), rows.arm)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(xlabel)
    axes.set_title(title, loc="left", fontsize="medium")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0, pad=7)
    plt.close(figure)
    return figure
