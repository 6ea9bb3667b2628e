"""The pictures of forecasts and results by plotly: to zoom into, and to point at."""

from collections.abc import Sequence
from itertools import cycle

import pandas as pd
import plotly.express as px
from plotly.colors import hex_to_rgb
from plotly.graph_objects import Figure, Scatter
from plotly.subplots import make_subplots

from tslm.data.columns import Columns
from tslm.uncertainty.requested_columns import ForecastColumns

LOOK = {"template": "plotly_white", "margin": {"l": 60, "r": 10, "t": 40, "b": 50}}
ROW = 230  # pixels
PAST = "#595959"
COLOURS = px.colors.qualitative.D3


def forecasts(
    past: pd.DataFrame | None, ahead: pd.DataFrame | None, shown: list[str], names: Columns
) -> Figure:
    """Series and their forecasts, one panel a series, with intervals as bands.

    Args:
        past: what happened.
        ahead: forecasts; samples are left out.
        shown: forecast columns.
        names: what the columns are called.
    """
    frame = next(table for table in (ahead, past) if table is not None)
    ids = list(pd.unique(frame[names.id]))
    columns = min(len(ids), 2)
    figure = _panels(ids, columns)
    for place, name in enumerate(ids):
        here = {"row": place // columns + 1, "col": place % columns + 1}
        if past is not None:
            own = past[past[names.id] == name]
            line = {"color": PAST, "width": 1}
            figure.add_trace(_line(own[names.time], own[names.target], line, place), **here)
        if ahead is None:
            continue
        own = ahead[ahead[names.id] == name]
        for column, colour in zip(shown, cycle(COLOURS), strict=False):
            for lower, upper in ForecastColumns.of(column, ahead.columns).bands:
                figure.add_trace(_band(own, names.time, lower, upper, colour, column), **here)
            line = {"color": colour, "width": 1.6}
            figure.add_trace(_line(own[names.time], own[column], line, place), **here)
    return figure


def backtest(past: pd.DataFrame, table: pd.DataFrame, shown: list[str], names: Columns) -> Figure:
    """The forecasts from every origin over what happened; origins are dashed lines."""
    keys = [names.id, names.time]
    ahead = table.melt([*keys, "cutoff"], shown, "forecast", "value")
    known = past[[*keys, names.target]].melt(keys, [names.target], "forecast", "value")
    figure = px.line(
        pd.concat([known.assign(cutoff=names.target), ahead.astype({"cutoff": str})]),
        x=names.time,
        y="value",
        color="forecast",
        color_discrete_map={names.target: PAST, **dict(zip(shown, cycle(COLOURS), strict=False))},
        line_group="cutoff",
        facet_row=names.id,
        labels={"value": "", "forecast": ""},
    )
    for cutoff in pd.unique(table.cutoff):
        figure.add_vline(cutoff, line={"color": "gray", "dash": "dash", "width": 1})
    figure.for_each_annotation(lambda note: note.update(text=note.text.partition("=")[2]))
    figure.update_traces(line_width=1.4).update_yaxes(matches=None)
    return figure.update_layout(**LOOK, height=ROW * (1 + table[names.id].nunique()))


def errors(table: pd.DataFrame, ylabel: str) -> Figure:
    """A line for each column, over the steps ahead in the index."""
    figure = px.line(
        table.rename_axis("steps ahead"),
        labels={"value": ylabel, "variable": ""},
        color_discrete_sequence=COLOURS,
    )
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
    figure.add_vrect(-1, 1, fillcolor="gray", opacity=0.15, line_width=0)
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


def _panels(ids: Sequence[object], columns: int) -> Figure:
    """An empty panel for each series."""
    rows = -(-len(ids) // columns)
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[str(name) for name in ids],
        horizontal_spacing=0.06,
        vertical_spacing=0.25 / rows,
    )
    return figure.update_layout(**LOOK, height=ROW * rows + 100)


def _line(x: pd.Series, y: pd.Series, line: dict[str, object], place: int) -> Scatter:
    """Values over time; the legend names it once, in the first panel."""
    look = {"name": y.name, "legendgroup": y.name, "showlegend": place == 0}
    return Scatter(x=x, y=y, mode="lines", line=line, **look)


def _band(own: pd.DataFrame, time: str, lower: str, upper: str, colour: str, group: str) -> Scatter:
    """What lies between two columns, shown and hidden with its forecast."""
    red, green, blue = hex_to_rgb(colour)
    return Scatter(
        x=pd.concat([own[time], own[time][::-1]]),
        y=pd.concat([own[upper], own[lower][::-1]]),
        fill="toself",
        fillcolor=f"rgba({red}, {green}, {blue}, 0.15)",
        line={"width": 0},
        hoverinfo="skip",
        legendgroup=group,
        showlegend=False,
    )
