"""Interactive plots of forecasts and results, by plotly."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.express as px
from plotly.colors import hex_to_rgb
from plotly.graph_objects import Figure, Scatter
from plotly.subplots import make_subplots

from tslm.data.columns import Columns
from tslm.plots.palette import OBSERVED, forecast_styles
from tslm.plots.panels import grid_shape, series_panels
from tslm.uncertainty.requested_columns import ForecastColumns

LAYOUT = {"template": "plotly_white", "margin": {"l": 60, "r": 10, "t": 40, "b": 50}}
ROW_HEIGHT = 230  # pixels


def forecasts(
    past: pd.DataFrame | None,
    ahead: pd.DataFrame | None,
    ids: Sequence[Any],
    shown: list[str],
    names: Columns,
) -> Figure:
    """Draw series and their forecasts, one panel per series, with intervals as bands.

    Args:
        past: observed values.
        ahead: forecasts; samples are not drawn.
        ids: series, in the order of the panels.
        shown: columns of forecasts.
        names: names of the columns.
    """
    rows, columns = grid_shape(len(ids))
    figure = _empty_figure(ids, rows, columns)
    for place, panel in enumerate(series_panels(past, ahead, ids, names)):
        here = {"row": place // columns + 1, "col": place % columns + 1}
        if panel.past is not None:
            time, values = panel.past[names.time], panel.past[names.target]
            line = {"color": OBSERVED, "width": 1}
            figure.add_trace(_line(time, values, line, place), **here)
        if panel.ahead is None:
            continue
        for column, (colour, _, dash) in zip(shown, forecast_styles(), strict=False):
            for lower, upper in ForecastColumns.of(column, panel.ahead.columns).bands:
                band = _band(panel.ahead, names.time, lower, upper, colour, column)
                figure.add_trace(band, **here)
            line = {"color": colour, "dash": dash, "width": 1.6}
            time, values = panel.ahead[names.time], panel.ahead[column]
            figure.add_trace(_line(time, values, line, place), **here)
    return figure


def backtest(past: pd.DataFrame, table: pd.DataFrame, shown: list[str], names: Columns) -> Figure:
    """Draw observed values and the forecasts from each origin; dashed lines mark the origins."""
    keys = [names.id, names.time]
    ahead = table.melt([*keys, "cutoff"], shown, "forecast", "value")
    known = past[[*keys, names.target]].melt(keys, [names.target], "forecast", "value")
    styles = {
        names.target: (OBSERVED, "", "solid"),
        **dict(zip(shown, forecast_styles(), strict=False)),
    }
    figure = px.line(
        pd.concat([known.assign(cutoff=names.target), ahead.astype({"cutoff": str})]),
        x=names.time,
        y="value",
        color="forecast",
        color_discrete_map={name: colour for name, (colour, _, _) in styles.items()},
        line_dash="forecast",
        line_dash_map={name: dash for name, (_, _, dash) in styles.items()},
        line_group="cutoff",
        facet_row=names.id,
        labels={"value": "", "forecast": ""},
    )
    for cutoff in pd.unique(table.cutoff):
        figure.add_vline(cutoff, line={"color": "gray", "dash": "dash", "width": 1})
    figure.for_each_annotation(lambda note: note.update(text=note.text.partition("=")[2]))
    figure.update_traces(line_width=1.4).update_yaxes(matches=None)
    return figure.update_layout(**LAYOUT, height=ROW_HEIGHT * (1 + table[names.id].nunique()))


def errors(table: pd.DataFrame, ylabel: str) -> Figure:
    """Draw one line per column over the steps ahead, which are the index."""
    figure = px.line(table.rename_axis("steps ahead"), labels={"value": ylabel, "variable": ""})
    for line, (colour, _, dash) in zip(figure.data, forecast_styles(), strict=False):
        line.update(line={"color": colour, "dash": dash})
    return figure.update_yaxes(rangemode="tozero").update_layout(**LAYOUT)


def forest(rows: pd.DataFrame, colours: dict[str, str], xlabel: str, title: str) -> Figure:
    """Draw a point and its interval for each arm of an ablation."""
    intervals = rows.assign(
        above=rows.high - rows.change_percent, below=rows.change_percent - rows.low
    )
    figure = px.scatter(
        intervals,
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
    return figure.update_layout(**LAYOUT, height=ROW_HEIGHT + 25 * len(rows))


def readings(table: pd.DataFrame, labels: list[str], title: str) -> Figure:
    """Draw weights as colours: one row per prototype, one column per patch."""
    figure = px.imshow(
        table.to_numpy(),
        y=labels,
        aspect="auto",
        color_continuous_scale="Blues",
        zmin=0,
        labels={"x": "patch, oldest first", "color": "weight"},
        title=title,
    )
    return figure.update_layout(**LAYOUT, height=ROW_HEIGHT + 25 * len(table))


def _empty_figure(ids: Sequence[object], rows: int, columns: int) -> Figure:
    """Make a figure with an empty panel for each series."""
    figure = make_subplots(
        rows,
        columns,
        subplot_titles=[str(name) for name in ids],
        horizontal_spacing=0.06,
        vertical_spacing=0.25 / rows,
    )
    return figure.update_layout(**LAYOUT, height=ROW_HEIGHT * rows + 100)


def _line(x: pd.Series, y: pd.Series, line: dict[str, object], place: int) -> Scatter:
    """Make a line of values over time; only the first panel adds it to the legend."""
    legend = {"name": y.name, "legendgroup": y.name, "showlegend": place == 0}
    return Scatter(x=x, y=y, mode="lines", line=line, **legend)


def _band(own: pd.DataFrame, time: str, lower: str, upper: str, colour: str, group: str) -> Scatter:
    """Make the band between two columns, which is shown and hidden together with its forecast."""
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
