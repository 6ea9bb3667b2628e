"""Plots of the scores of observed values: values, forecasts, p-values and anomalies."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from tslm.core.errors import DataError
from tslm.data.id_columns import complete_columns
from tslm.data.roles import columns_of
from tslm.data.time_writing import Writing
from tslm.plots.forecasts import concise
from tslm.plots.palette import COLOURS, OBSERVED

MAX_SERIES = 4  # series in one figure
SMALLEST = 1e-12  # p-values are drawn down to this one
ALARM = COLOURS[1]
SCORED = "log_likelihood"


def plot_anomalies(
    scores: pd.DataFrame,
    *,
    id_col: str | Sequence[str] | None = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
    alpha: float = 0.001,
) -> Figure:
    """Draw observed values with their forecasts, and below them the p-values.

    The series with the smallest p-values are drawn, four at most. Anomalies are the rows that have
    the column ``anomaly``, or without it a p-value of at most ``alpha``.

    Args:
        scores: result of ``score_samples``.
        id_col: column of series ids, or several; None if there is one series.
        time_col: column of times.
        target_col: column of values.
        alpha: largest p-value of an anomaly, where ``scores`` marks none.

    Raises:
        DataError: if it has no rows, or is not such a result.
    """
    names = columns_of(id_col, time_col, target_col, Writing())
    needed = {time_col, target_col, SCORED, "p_value"}
    if lacking := sorted(needed - set(scores.columns)):
        raise DataError(f"The scores lack {lacking}. Pass the result of score_samples.")
    if scores.empty:
        raise DataError("There is nothing to draw: scores has no rows.")
    table = complete_columns(scores, names)
    forecast = table.columns[list(table.columns).index(SCORED) - 1]
    ids = table.groupby(names.id, sort=False).p_value.min().nsmallest(MAX_SERIES).index
    figure, grid = plt.subplots(
        2 * len(ids), 1, figsize=(9, 3.6 * len(ids)), squeeze=False, layout="constrained",
        height_ratios=[3, 1] * len(ids),
    )  # fmt: skip
    for number, name in enumerate(ids):
        own = table[table[names.id] == name]
        found = own["anomaly"].astype(bool) if "anomaly" in own else own.p_value <= alpha
        above, below = grid[2 * number : 2 * number + 2, 0]
        time = own[time_col]
        above.plot(time, own[target_col], color=OBSERVED, lw=1, label=target_col)
        above.plot(time, own[forecast], color=COLOURS[0], lw=1, alpha=0.8, label=forecast)
        above.plot(
            time[found], own[target_col][found], "o", ms=5, mfc="none", color=ALARM, label="anomaly"
        )
        above.set_title(str(name), loc="left", fontsize="medium")
        above.tick_params(labelbottom=False)
        p_values = own.p_value.clip(lower=SMALLEST)
        below.semilogy(time, p_values, ".", ms=2, color=OBSERVED)
        below.set_ylabel("p-value")
        if "window_p_value" in own:
            whole = own.window_p_value.clip(lower=SMALLEST)
            below.semilogy(time, whole, color=COLOURS[0], lw=1.2, drawstyle="steps-mid")
            below.set_ylabel("p-value: rows,\nwindows (line)", fontsize="small")
        below.semilogy(time[found], p_values[found], "o", ms=4, mfc="none", color=ALARM)
        below.sharex(above)
        for axes in (above, below):
            axes.spines[["top", "right"]].set_visible(False)
            concise(axes)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    plt.close(figure)
    return figure
