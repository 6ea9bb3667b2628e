"""Past disturbances: rows of a history that a statement explains, so that forecasts ignore them."""

from typing import Any

import numpy as np
import pandas as pd

from tslm.data.columns import Columns
from tslm.data.events.rules import Rule, effect_of

LEAST_LEFT = 0.25  # share of the rows with values that must be left; by hand


def without_disturbances(
    df: pd.DataFrame, events: pd.DataFrame, columns: Columns | None = None
) -> pd.DataFrame:
    """Return a history without the effects of past statements.

    Rows during a past closure or a stated change of level are made missing. A closure also covers
    the zeros that adjoin it, and one without dates all zeros. A drift by a stated amount per unit
    of time is subtracted. A statement that would leave too few rows is ignored.

    Args:
        df: long frame of the history.
        events: table of statements, as ``read`` returns it.
        columns: column names of the frame.
    """
    columns = columns or Columns()
    table = df.copy()
    table[columns.target] = table[columns.target].astype(float)
    ids = table[columns.id] if columns.id in table else pd.Series([None] * len(table), dtype=object)
    for event in events.to_dict("records"):
        rule = effect_of(event["text"])
        if rule is None or not rule.certain or pd.isna(event["start"]):
            continue
        rows = np.flatnonzero(_concerned(ids, event["unique_id"]))
        times = table[columns.time].iloc[rows]
        inside = ((times >= event["start"]) & (times <= event["end"])).to_numpy()
        if inside.any():
            y = table[columns.target].to_numpy(copy=True)
            y[rows] = _undone(y[rows], times, inside, event["start"], rule)
            table[columns.target] = y
    return table


def _concerned(ids: pd.Series, name: Any) -> np.ndarray:
    """Return True for the rows of a series, or for all if it has no name."""
    return np.ones(len(ids), bool) if name is None or pd.isna(name) else (ids == name).to_numpy()


def _undone(
    y: np.ndarray,
    times: "pd.Series[pd.Timestamp]",
    inside: np.ndarray,
    start: pd.Timestamp,
    rule: Rule,
) -> np.ndarray:
    """Return the values of a series without one effect."""
    if rule.slope:
        drift = rule.slope * elapsed(pd.DatetimeIndex(times), start, rule.unit)
        return np.where(inside, y - drift, y)
    hidden = inside
    if rule.replaced:
        zero = y == 0
        hidden = inside & zero if inside.all() else _with_neighbours(inside, zero)
    left = (~np.isnan(y) & ~hidden).sum()
    enough = left >= max(LEAST_LEFT * (~np.isnan(y)).sum(), 2)
    return np.where(hidden, np.nan, y) if enough else y


def _with_neighbours(inside: np.ndarray, zero: np.ndarray) -> np.ndarray:
    """Return the rows inside, and the runs of zeros that adjoin them."""
    hidden = inside.copy()
    for places in (range(1, len(zero)), range(len(zero) - 2, -1, -1)):
        step = 1 if isinstance(places, range) and places.step > 0 else -1
        for place in places:
            hidden[place] |= hidden[place - step] and zero[place]
    return hidden


def elapsed(times: pd.DatetimeIndex, start: pd.Timestamp, unit: str) -> np.ndarray:
    """Return the number of units of time since ``start``; steps count the rows."""
    if unit == "step":
        return np.asarray(np.searchsorted(times, times) - times.searchsorted(start), dtype=float)
    days = {"week": 7.0, "month": 30.4375, "year": 365.25}
    length = pd.Timedelta(days=days[unit]) if unit in days else pd.Timedelta(1, unit)  # type: ignore[arg-type]
    return np.asarray((times - start) / length, dtype=float)
