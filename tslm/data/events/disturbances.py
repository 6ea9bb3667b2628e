"""Past disturbances: rows of a history that a statement explains, so that forecasts ignore them."""

import re
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from tslm.data.columns import Columns
from tslm.data.events.rules import Rule, effect_of
from tslm.data.id_columns import complete_columns

_FAULT = re.compile(
    r"\b(?:glitch|outlier|anomal|artefact|artifact|malfunction|erroneous|fault|defect|mistak|spurious"
    r"|(?:measurement|calibration|recording|data|sensor)\s(?:error|problem|issue|failure))",
    re.IGNORECASE,
)
NEAR_ZERO = 0.05  # share of the upper quartile up to which a value counts as zero; by hand
LEAST_LEFT = 0.25  # share of the rows with values that must be left; by hand


def without_disturbances(
    df: pd.DataFrame, events: pd.DataFrame, columns: Columns | None = None
) -> pd.DataFrame:
    """Return a history without the effects of past statements.

    Rows during a past closure or a stated change of level are made missing. A closure also covers
    the zeros that adjoin it, and one without dates covers all zeros; values near zero count as
    such. Rows of a stated fault of measurement are made missing too. A drift by a stated amount
    per unit of time is subtracted. A statement that would leave too few rows is ignored.

    Args:
        df: long frame of the history.
        events: table of statements, as ``read`` returns it.
        columns: column names of the frame.
    """
    columns = columns or Columns()
    table = df.copy()
    table[columns.target] = table[columns.target].astype(float)
    whole = complete_columns(table, columns)
    ids, stamps = whole[columns.id], columns.times(whole)
    y = table[columns.target].to_numpy(copy=True)
    for event in events.to_dict("records"):
        rule = _disturbance(event)
        if rule is None:
            continue
        name = event["unique_id"]
        for series in [name] if name is not None and not pd.isna(name) else ids.unique():
            rows = np.flatnonzero(ids == series)
            times = stamps.iloc[rows]
            inside = ((times >= event["start"]) & (times <= event["end"])).to_numpy()
            if inside.any():
                y[rows] = _undone(y[rows], times, inside, event["start"], rule)
    table[columns.target] = y
    return table


def _disturbance(event: Mapping[Hashable, Any]) -> Rule | None:
    """Return the effect that a statement had on rows of the past; None if it told none."""
    bounded = not (pd.isna(event["lower"]) and pd.isna(event["upper"]))
    if bounded or pd.isna(event["start"]):
        return None
    rule = effect_of(event["text"])
    if rule is not None and rule.certain:
        return rule
    return Rule() if _FAULT.search(event["text"]) else None


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
    hidden = _closed(y, inside) if rule.replaced else inside
    known = ~np.isnan(y)
    enough = (known & ~hidden).sum() >= max(LEAST_LEFT * known.sum(), 2)
    return np.where(hidden, np.nan, y) if enough else y


def _closed(y: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return the rows of a closure: those near zero inside, and those that adjoin them.

    If most rows inside are not near zero, they are all of the closure: it did not end in zeros.
    """
    size = np.abs(y)
    near = size <= NEAR_ZERO * np.nanquantile(size, 0.75)
    if inside.all():  # the statement names no dates
        return near
    if near[inside].mean() < 0.5:
        return inside
    hidden = inside & near
    for ordered, run in ((hidden, near), (hidden[::-1], near[::-1])):  # views: both change hidden
        for place in range(1, len(ordered)):
            ordered[place] |= ordered[place - 1] and run[place]
    return hidden


def elapsed(times: pd.DatetimeIndex, start: pd.Timestamp, unit: str) -> np.ndarray:
    """Return the number of units of time since ``start``; steps count the rows."""
    if unit == "step":
        return np.asarray(np.searchsorted(times, times) - times.searchsorted(start), dtype=float)
    days = {"week": 7.0, "month": 30.4375, "year": 365.25}
    length = pd.Timedelta(days=days[unit]) if unit in days else pd.Timedelta(1, unit)  # type: ignore[arg-type]
    return np.asarray((times - start) / length, dtype=float)
