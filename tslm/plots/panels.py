"""Preparation that plots of series share, for matplotlib and for plotly."""

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import pandas as pd

from tslm.core.errors import ConfigError
from tslm.core.messages import check_choice
from tslm.data.columns import Columns
from tslm.uncertainty.requested_columns import forecasts

ENGINES = ("matplotlib", "plotly")
PANELS_PER_ROW = 2  # chosen by hand


class Panel(NamedTuple):
    """Rows of one series.

    Args:
        name: its id.
        past: observed rows; None if there is no such frame.
        ahead: rows of forecasts; None if there is no such frame.
    """

    name: object
    past: pd.DataFrame | None
    ahead: pd.DataFrame | None


def uses_plotly(engine: str) -> bool:
    """Return True if plotly is to draw.

    Raises:
        ConfigError: if it is not installed, or the engine is unknown.
    """
    check_choice("engine", engine, ENGINES)
    if engine == "plotly" and find_spec("plotly") is None:
        raise ConfigError("engine='plotly' needs plotly: pip install 'tslm[plot]'.")
    return engine == "plotly"


def forecast_columns(frame: pd.DataFrame, others: Sequence[str]) -> list[str]:
    """List the columns of point forecasts: no intervals, quantiles, samples or cutoffs.

    Args:
        frame: forecasts.
        others: columns of ids, times and values.
    """
    return forecasts(column for column in frame.columns if column not in (*others, "cutoff"))


def last_rows(past: pd.DataFrame, steps: pd.Series, names: Columns) -> pd.DataFrame:
    """Keep the last rows of each series.

    Args:
        past: series, rows in the order of time.
        steps: number of rows for each id.
        names: names of the columns.
    """
    newer = past.groupby(names.id).cumcount(ascending=False)
    return past[newer < past[names.id].map(steps)]


def series_panels(
    past: pd.DataFrame | None, ahead: pd.DataFrame | None, ids: Sequence[Any], names: Columns
) -> Iterator[Panel]:
    """Split observed rows and forecasts by series, in the order of ``ids``."""
    for name in ids:
        own, later = (
            None if frame is None else frame[frame[names.id] == name] for frame in (past, ahead)
        )
        yield Panel(name, own, later)


def grid_shape(count: int) -> tuple[int, int]:
    """Return the rows and columns of a grid of so many panels."""
    columns = min(count, PANELS_PER_ROW)
    return -(-count // columns), columns
