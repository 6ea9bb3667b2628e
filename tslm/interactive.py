"""The pictures of forecasts and results by plotly: to zoom into, and to point at."""

import numpy as np
import pandas as pd
import plotly.express as px
from plotly.graph_objects import Figure
from utilsforecast.plotting import plot_series

from tslm.data.columns import Columns
from tslm.intervals import Beside

LOOK = {"template": "plotly_white", "margin": {"l": 60, "r": 10, "t": 30, "b": 50}}
ROW = 200  # pixels


def forecasts(
    past: pd.DataFrame | None, ahead: pd.DataFrame | None, shown: list[str], names: Columns
) -> Figure:
    """Series and their forecasts, one panel a series, with intervals as bands.

    Args:
        past: what happened.
        ahead: forecasts; quantiles count as the intervals between each two, samples are left out.
        shown: forecast columns.
        names: what the columns are called.
    """
    frame = next(table for table in (ahead, past) if table is not None)
    levels: list[float] = []
    if ahead is not None:
        bands = {column: _bands(column, ahead) for column in shown}
        levels = sorted({level for found in bands.values() for level in found})
        missing = pd.Series(np.nan, ahead.index)
        ends = {
            f"{column}-{end}-{level:g}": ahead[found[level][i]] if level in found else missing
            for column, found in bands.items()
            for level in levels
            for i, end in enumerate(("lo", "hi"))
        }
        ahead = ahead[[names.id, names.time, *shown]].assign(**ends)
    return plot_series(
        past,
        ahead,
        ids=list(pd.unique(frame[names.id])),
        models=shown,
        level=[int(level) if level == int(level) else level for level in levels],
        engine="plotly",
        id_col=names.id,
        time_col=names.time,
        target_col=names.target,
    )


def _bands(forecast: str, ahead: pd.DataFrame) -> dict[float, tuple[str, str]]:
    """Lower and upper column by the level in percent, of quantiles too."""
    shares = Beside.of(forecast, ahead.columns).quantiles
    pairs = zip(shares.items(), reversed(shares.items()), strict=True)
    return {
        round(100 * (high - low), 6): (lower, upper)
        for (low, lower), (high, upper) in pairs
        if low < high
    }


def backtest(past: pd.DataFrame, table: pd.DataFrame, shown: list[str], names: Columns) -> Figure:
    """The forecasts from every origin over what happened; origins are dashed lines."""
    folds = [fold for _, fold in table.groupby([names.id, "cutoff"])]
    gaps = [fold.tail(1).assign(**dict.fromkeys(shown, np.nan)) for fold in folds]
    broken = [part for pair in zip(folds, gaps, strict=True) for part in pair]
    figure = forecasts(past, pd.concat(broken, ignore_index=True), shown, names)
    for cutoff in pd.unique(table.cutoff):
        figure.add_vline(cutoff, line={"color": "gray", "dash": "dash", "width": 1})
    return figure


def errors(table: pd.DataFrame, ylabel: str) -> Figure:
    """A line for each column, over the steps ahead in the index."""
    figure = px.line(table.rename_axis("steps ahead"), labels={"value": ylabel, "variable": ""})
    return figure.update_yaxes(rangemode="tozero").update_layout(**LOOK)


def forest(rows: pd.DataFrame, colours: dict[str, str], xlabel: str, title: str) -> Figure:
    """A point and its interval for each arm."""
    reach = rows.assign(above=rows.high - rows.change_percent, below=rows.change_percent - rows.low)
    figure = px.scatter(
        reach,
        x="change_percent",
        y="arm",
        error_x="above",
        error_x_minus="below",
        color="verdict",
        color_discrete_map=colours,
        category_orders={"arm": rows.arm.tolist()[::-1]},
        labels={"change_percent": xlabel, "arm": ""},
        title=title,
    )
    figure.add_vline(0, line={"color": "gray", "width": 1})
    return figure.update_layout(**LOOK, height=ROW + 25 * len(rows))


def readings(table: pd.DataFrame, labels: list[str], title: str) -> Figure:
    """Weights as colours: a row a prototype, a column a patch."""
    figure = px.imshow(
        table.to_numpy(),
        y=labels,
        aspect="auto",
        color_continuous_scale="Blues",
        zmin=0,
        labels={"x": "patch, oldest first", "color": "weight"},
        title=title,
    )
    return figure.update_layout(**LOOK, height=ROW + 25 * len(table))
