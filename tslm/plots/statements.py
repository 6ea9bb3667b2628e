"""Plots of statements: forecasts with and without them, and the steps that they concern."""

from textwrap import shorten

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from tslm.plots.forecasts import concise
from tslm.plots.palette import COLOURS, OBSERVED
from tslm.plots.panels import grid_shape

MAX_SERIES = 8  # series in one figure
LONGEST = 60  # characters of a statement that are shown
SHADES = ("#F0E0C8", "#D8E6F0")  # of spans, one after the other


def plot_statements(
    effects: pd.DataFrame, forecasts: pd.DataFrame, history: pd.DataFrame, name: str
) -> Figure:
    """Draw series, their forecasts with and without statements, and the spans of statements.

    Args:
        effects: table of ``StatementExplanation``.
        forecasts: columns ``unique_id``, ``ds``, ``name`` and ``without``.
        history: last rows before the forecasts: ``unique_id``, ``ds`` and ``y``.
        name: name of the forecast with statements.
    """
    ids = list(pd.unique(forecasts.unique_id)[:MAX_SERIES])
    rows, columns = grid_shape(len(ids))
    size = (9 if columns == 1 else 6.5 * columns, 3.2 * rows)
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axes in grid.flat[len(ids) :]:
        axes.remove()
    for axes, series in zip(grid.flat, ids, strict=False):
        past, ahead, spans = (
            table[table.unique_id == series] for table in (history, forecasts, effects)
        )
        axes.plot(past.ds, past.y, color=OBSERVED, lw=1, label="y")
        axes.plot(ahead.ds, ahead.without, color=COLOURS[2], ls="--", lw=1.2, label="without")
        axes.plot(ahead.ds, ahead[name], color=COLOURS[0], lw=1.5, label=name)
        notes = []
        for number, span in enumerate(spans.itertuples(index=False)):
            axes.axvspan(span.start, span.end, color=SHADES[number % 2], lw=0, zorder=0)
            notes.append(f"{number + 1}. {shorten(span.text or 'bounds', LONGEST)}")
            place = {"xy": (span.start, 1), "xycoords": ("data", "axes fraction")}
            axes.annotate(str(number + 1), **place, va="top", fontsize="small")
        axes.set_title(str(series), loc="left", fontsize="medium")
        axes.set_xlabel("\n".join(notes), loc="left", fontsize="small")
        axes.spines[["top", "right"]].set_visible(False)
        concise(axes)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    plt.close(figure)
    return figure
