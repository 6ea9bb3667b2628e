"""Frames in, figures out."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tslm.errors import DataError
from tslm.intervals import Beside
from tslm.intervals import forecasts as shown

MOST = 8  # series in one figure
PATHS = 50  # samples drawn of a forecast
SHOWN = 5  # horizons of history before the forecast


def plot_forecasts(
    df: pd.DataFrame | None,
    forecasts: pd.DataFrame | None,
    *,
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
) -> Figure:
    """Draw the end of each series and its forecasts, one panel a series, eight at most.

    Intervals and quantiles are bands in the colour of their forecast, samples thin lines.

    Args:
        df: what happened; may reach into the time of the forecasts.
        forecasts: what ``predict`` or ``cross_validation`` gave.
        id_col: column of series ids.
        time_col: column of times.
        target_col: column of values.

    Raises:
        DataError: if there is nothing to draw.
    """
    frames = [frame for frame in (df, forecasts) if frame is not None]
    if not frames or frames[-1].empty:
        raise DataError("There is nothing to draw. Pass df, forecasts or both, with rows.")
    ids = pd.unique(pd.concat([frame[id_col] for frame in frames[-1:]]))[:MOST]
    columns = min(len(ids), 2)
    rows = -(-len(ids) // columns)
    figure, grid = plt.subplots(
        rows, columns, figsize=(6.5 * columns, 2.8 * rows), squeeze=False, layout="constrained"
    )
    for axes in grid.flat[len(ids) :]:
        axes.remove()
    for axes, name in zip(grid.flat, ids, strict=False):
        ahead = None if forecasts is None else forecasts[forecasts[id_col] == name]
        if df is not None:
            past = df[df[id_col] == name].sort_values(time_col)
            if ahead is not None:
                past = past.tail(SHOWN * max(len(ahead), 1) + len(ahead))
            axes.plot(past[time_col], past[target_col], color="0.35", lw=1, label=target_col)
        if ahead is not None:
            for column in models(ahead, (id_col, time_col, target_col)):
                _draw(axes, ahead, time_col, column)
        axes.set_title(str(name), loc="left", fontsize="medium")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(axis="x", labelrotation=20)
    handles, labels = grid.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), frameon=False)
    plt.close(figure)  # shown by whoever asked for it, once
    return figure


def models(frame: pd.DataFrame, others: tuple[str, ...]) -> list[str]:
    """The forecast columns of a frame, without intervals, quantiles and samples."""
    return shown(column for column in frame.columns if column not in (*others, "cutoff"))


def _draw(axes: Axes, ahead: pd.DataFrame, time: str, name: str) -> None:
    """One forecast: its line, and what may come as bands and thin lines of its colour."""
    (line,) = axes.plot(ahead[time], ahead[name], lw=1.3, label=name)
    beside = Beside.of(name, ahead.columns)
    for path in beside.samples[:PATHS]:
        axes.plot(ahead[time], ahead[path], lw=0.5, alpha=0.35, color=line.get_color(), zorder=1)
    shares = sorted(beside.quantiles)
    for low, high in zip(shares, reversed(shares), strict=True):
        if low < high:
            lower, upper = (ahead[beside.quantiles[share]] for share in (low, high))
            axes.fill_between(ahead[time], lower, upper, color=line.get_color(), alpha=0.15, lw=0)


def plot_readings(reading: pd.DataFrame, series: object = None, rows: int = 12) -> Figure:
    """Draw which prototypes each patch of a series is made of, the most used ones on top.

    Args:
        reading: of an ``Explanation``.
        series: its id; None is the first.
        rows: how many prototypes are shown.

    Raises:
        DataError: if there is no such series.
    """
    chosen = reading.unique_id.iloc[0] if series is None else series
    own = reading[reading.unique_id == chosen]
    if own.empty:
        raise DataError(f"There is no series {chosen!r} in the explanation.")
    used = own.groupby("prototype").weight.sum().nlargest(rows).index
    table = own[own.prototype.isin(used)].pivot_table(
        index="prototype", columns="patch", values="weight"
    )
    table = table.reindex(index=used, columns=range(int(own.patch.max()) + 1))
    labels = own.drop_duplicates("prototype").set_index("prototype").words
    figure, axes = plt.subplots(figsize=(9, 0.9 + 0.3 * len(table)), layout="constrained")
    if table.shape[1] > 1:
        image = axes.imshow(table, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest")
        figure.colorbar(image, ax=axes, label="weight", shrink=0.8)
        axes.set_xlabel("patch, oldest first")
    else:
        axes.barh(range(len(table)), table[0], color="#0b5fae")
        axes.invert_yaxis()
        axes.set_xlabel("weight in the whole window")
    axes.set_yticks(range(len(table)), [f"{labels[p]}  [{p}]"[:70] for p in table.index])
    axes.set_title(str(chosen), loc="left", fontsize="medium")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    plt.close(figure)
    return figure
