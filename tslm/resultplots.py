"""Pictures of results: a backtest and its origins, errors by horizon, an ablation as a forest."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tslm.data.frame import Columns
from tslm.errors import DataError
from tslm.plotting import models

MOST = 6  # series in one figure
COLOURS = {"helps": "#2a7f4f", "hurts": "#b3392f"}


def plot_backtest(
    df: pd.DataFrame, backtest: pd.DataFrame, columns: Columns | None = None
) -> Figure:
    """Draw the forecasts from every origin over what happened, six series at most.

    Args:
        df: the long frame the backtest was made from.
        backtest: what ``cross_validation`` gave.
        columns: what the columns are called.

    Raises:
        DataError: if the backtest has no rows.
    """
    names = columns or Columns()
    if backtest.empty:
        raise DataError("The backtest has no rows, so there is nothing to draw.")
    ids = pd.unique(backtest[names.id])[:MOST]
    figure, grid = plt.subplots(
        len(ids), figsize=(10, 2.4 * len(ids) + 0.4), squeeze=False, layout="constrained"
    )
    shown = models(backtest, (names.id, names.time, names.target))
    for axes, name in zip(grid[:, 0], ids, strict=True):
        rows = backtest[backtest[names.id] == name]
        past = df[df[names.id] == name].sort_values(names.time)
        past = past.tail(3 * rows[names.time].nunique())
        axes.plot(past[names.time], past[names.target], color="0.35", lw=1, label=names.target)
        for number, column in enumerate(shown):
            for first, (_, fold) in enumerate(rows.groupby("cutoff")):
                label = None if first else column
                axes.plot(fold[names.time], fold[column], f"C{number}", lw=1.2, label=label)
        for cutoff in rows.cutoff.unique():
            axes.axvline(cutoff, color="0.5", lw=0.8, ls="--", zorder=0)
        axes.set_title(str(name), loc="left", fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    plt.close(figure)
    return figure


def plot_errors(backtest: pd.DataFrame, columns: Columns | None = None) -> Figure:
    """Draw the mean absolute error of every forecast at each step of the horizon.

    Each series counts alike: its errors are divided by the mean absolute error of all forecasts of
    it.

    Args:
        backtest: what ``cross_validation`` gave.
        columns: what the columns are called.

    Raises:
        DataError: if the backtest has no rows with a truth.
    """
    names = columns or Columns()
    rows = backtest.dropna(subset=[names.target])
    if rows.empty:
        raise DataError("The backtest has no row with a truth, so there are no errors to draw.")
    shown = models(rows, (names.id, names.time, names.target))
    errors = rows[shown].sub(rows[names.target], axis=0).abs()
    usual = errors.mean(axis=1).groupby(rows[names.id]).transform("mean")
    order = rows.sort_values([names.id, "cutoff", names.time])
    step = order.groupby([names.id, "cutoff"]).cumcount() + 1
    table = errors.div(usual.where(usual > 0, 1), axis=0).groupby(step).mean()
    figure, axes = plt.subplots(figsize=(8, 3.4), layout="constrained")
    for column in shown:
        axes.plot(table.index, table[column], lw=1.4, marker="." * (len(table) < 40), label=column)
    axes.set_xlabel("steps ahead")
    axes.set_ylabel("relative mean absolute error")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    plt.close(figure)
    return figure


def plot_ablation(table: pd.DataFrame, horizon: int | None = None) -> Figure:
    """Draw an ablation as a forest: the model against each arm, with its interval.

    Left of zero the model errs less than what stands in its place.

    Args:
        table: what ``ablate`` gave.
        horizon: which one to draw; None is the first.

    Raises:
        DataError: if no arm was compared at that horizon.
    """
    wanted = table.horizon.iloc[0] if horizon is None else horizon
    rows = table[(table.horizon == wanted) & table.change_percent.notna()]
    if rows.empty:
        raise DataError(f"No arm was compared at horizon {wanted}.")
    rows = rows.sort_values("change_percent", ascending=False)
    places = np.arange(len(rows))
    low, high, middle = (rows[name].to_numpy(float) for name in ("low", "high", "change_percent"))
    figure, axes = plt.subplots(figsize=(8, 1.1 + 0.32 * len(rows)), layout="constrained")
    for i, verdict in enumerate(rows.verdict):
        colour = COLOURS.get(str(verdict), "0.45")
        axes.plot([low[i], high[i]], [i, i], color=colour, lw=2, solid_capstyle="butt")
        axes.plot(middle[i], i, "o", color=colour, ms=5)
    axes.axvline(0, color="0.3", lw=0.8)
    axes.set_yticks(places, rows.arm)
    axes.set_xlabel(
        "squared error of the model against each, in percent; left: the model is better"
    )
    axes.set_title(f"horizon {wanted}", loc="left", fontsize="medium")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    plt.close(figure)
    return figure
