"""Reading of the tables of many requests in one go, where that cannot change what is read.

Most of the time to read a short table is spent once per table, not once per row. So tables that are
written alike are read as one, with an id of their own for each series of each request. Any error or
warning makes them be read in halves, so that a table that has one is read alone, with its own ids
in the message.
"""

import re
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from tslm.core.errors import TslmError, collected_warnings
from tslm.data.columns import parse_ids
from tslm.data.panel import Panel
from tslm.estimators.panel_reader import PanelReader

TIMES = (  # ways to write times that mean the same beside any others of their kind
    re.compile(r"(?:\d{4}-\d\d-\d\d\n)+"),
    re.compile(r"(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d\n)+"),
    re.compile(r"(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\n)+"),
)


@dataclass(frozen=True)
class PlainTable:
    """Table of complete series without covariates.

    Attributes:
        codes: number of the series of each row, in the order of their ids.
        ids: the ids, in their order.
        time: the times.
        y: the values; none is missing.
        alike: tables that are equal in it can be read as one.
    """

    codes: Any
    ids: pd.Index
    time: pd.Series
    y: Any
    alike: Hashable

    @classmethod
    def of(cls, df: pd.DataFrame | None, panels: PanelReader) -> "PlainTable | None":
        """Return a table that can be read together with others; None if it cannot.

        Args:
            df: a table.
            panels: the reader of panels of the model.
        """
        reader = panels.reader
        names, writing = reader.columns, reader.columns.writing
        special = (
            reader.covariates or reader.prompt.names or reader.titles.names or names.parts
        ) or (reader.resample, writing.time_format, writing.dayfirst) != (None, None, None)
        wanted = [names.id, names.time, names.target]
        if df is None or special or panels.effects is not None or panels.forecaster.multivariate:
            return None
        if list(df.columns) != wanted or df.empty:
            return None
        y, manner = df[names.target].to_numpy(), _manner_of_times(df[names.time])
        if y.dtype.kind not in "fi" or not np.isfinite(y).all() or manner is None:
            return None
        try:
            codes, ids = parse_ids(df[names.id], names.id)
        except TslmError:
            return None
        numeric = is_numeric_dtype(ids)
        if len(panels.contexts) and numeric != is_numeric_dtype(panels.contexts.ids):
            return None
        return cls(codes, ids, df[names.time], y, (manner, numeric, str(ids.dtype)))


def _manner_of_times(time: pd.Series) -> Hashable:
    """Return how times are written; None if other rows could change how they are read."""
    if time.dtype.kind in "iM":
        return str(time.dtype)
    cells = time.tolist()
    if not all(type(cell) is str for cell in cells):
        return None
    text = "\n".join(cells) + "\n"
    return next((place for place, way in enumerate(TIMES) if way.fullmatch(text)), None)


def read_together(tables: Sequence[PlainTable], panels: PanelReader) -> Panel | None:
    """Return the series of several tables, one table after the other.

    Args:
        tables: tables that are alike.
        panels: the reader of panels of the model.

    Returns:
        A panel with the ids of the tables, of which two may be the same; None if there was an
        error or a warning.
    """
    columns = panels.reader.columns
    starts = np.cumsum([0, *(len(table.ids) for table in tables)])
    frame = pd.DataFrame(
        {
            columns.id: np.concatenate(
                [table.codes + start for table, start in zip(tables, starts, strict=False)]
            ),
            columns.time: pd.concat([table.time for table in tables], ignore_index=True),
            columns.target: np.concatenate([table.y for table in tables]),
        }
    )
    ids = tables[0].ids.append([table.ids for table in tables[1:]])
    known = panels.contexts.stats if len(panels.contexts) else {}
    stats = {number: known[name] for number, name in enumerate(ids.tolist()) if name in known}
    try:
        with collected_warnings() as warnings:
            read = panels.reader.read(frame, calendar=panels.calendar)
            panel = Panel.from_frame(read, stats=stats)
    except TslmError:
        return None
    if warnings or len(panel) != len(ids):
        return None
    return replace(panel, ids=ids)
