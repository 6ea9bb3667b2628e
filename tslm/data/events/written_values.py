"""Values with times, as a text states them, and the columns they make on a grid of steps."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

NUMBER = (  # a number, not a part of a word or of another number
    r"(?<![\w.,^{\u27e6-])[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?"
    r"(?![\w\u27e7]|[.,]\d)"
)
_EDGES = " \t:;,.-=|#'\"()[]{}"
_LEAD = re.compile(  # words before a name that are no part of it
    r"^(?:for reference,? )?(?:(?:here|these|this) (?:is|are) (?:how (?:much|many) )?)?"
    r"(?:(?:expect|assume|suppose|with|then|and|that|so|but) )*(?:(?:the|a|an|its|our) )?",
    re.IGNORECASE,
)
_TAIL = re.compile(r" (?:is|are|was|were|will be|as follows|over time)$", re.IGNORECASE)
EVEN = 0.15  # part by which distances of points may differ and count as equal
LONGEST_NAME = 60  # characters of the name of a column


class WrittenValue(NamedTuple):
    """A value and the time at which, or the span in which, a text says it holds.

    Attributes:
        name: name of the quantity; empty if the text gives none.
        start: first time; None for the beginning of the series.
        end: last time; None if it holds until the next value of the same quantity.
        value: a number, or the word for a state.
        point: True for one value of a list of points, between which values are interpolated.
    """

    name: str
    start: pd.Timestamp | None
    end: pd.Timestamp | None
    value: float | str
    point: bool = False


def number(written: str) -> float:
    """Return a number written with thousands separators or a typographic minus.

    One beyond the range of floating-point numbers is NaN.
    """
    found = float(written.replace(",", "").replace("\u2212", "-"))
    return found if math.isfinite(found) else math.nan


def tidy_name(words: str) -> str:
    """Return words as the name of a column, without articles and punctuation around them."""
    words = re.sub(r"\u27e6\d+\u27e7", " ", words)
    words = " ".join(words.replace("*", " ").split()).strip(_EDGES)
    words = _LEAD.sub("", words)
    return _cut(_TAIL.sub("", words).strip(_EDGES))


def _cut(words: str) -> str:
    """Return the first words of a long name."""
    if len(words) > LONGEST_NAME:
        words = words[:LONGEST_NAME].rpartition(" ")[0]
    return words


def columns_of(values: Sequence[WrittenValue], times: pd.DatetimeIndex) -> pd.DataFrame:
    """Return one column per quantity on a grid of steps; NaN where the text gives no value.

    A state becomes a column of 0 and 1 for each word but the first one in the alphabet, such as
    "weather: cloudy". Points that are written more than once take the last value.

    Args:
        values: values in the order of the text.
        times: the steps, in order.
    """
    columns: dict[str, pd.Series] = {}
    for name in dict.fromkeys(value.name for value in values):
        own = [value for value in values if value.name == name]
        words = sorted({value.value for value in own if isinstance(value.value, str)})
        label = name or "value"
        if words:
            states = [value for value in own if isinstance(value.value, str)]
            for word in words[1:]:
                column = [each._replace(value=float(each.value == word)) for each in states]
                columns[f"{label}: {word}"] = _filled(column, times)
        else:
            columns[label] = _filled(own, times)
    return pd.DataFrame(columns, index=times, dtype=float)


def _filled(values: Sequence[WrittenValue], times: pd.DatetimeIndex) -> pd.Series:
    """Return the steps of one quantity: points interpolated, then spans filled."""
    points = [value for value in values if value.point]
    spans = [value for value in values if not value.point]
    found = _interpolated(points, times) if points else pd.Series(np.nan, times)
    first = times[0] if len(times) else pd.Timestamp(0)
    starts = [first if value.start is None else value.start for value in spans]
    order = sorted(range(len(spans)), key=lambda i: starts[i])
    for place, i in enumerate(order):
        later = [starts[j] for j in order[place + 1 :] if starts[j] > starts[i]]
        end = spans[i].end
        inside = times >= starts[i]
        if end is None:
            inside &= times < later[0] if later else np.ones(len(times), dtype=bool)
        else:
            inside &= times <= end
        found[inside] = spans[i].value
    return found


def _interpolated(points: Sequence[WrittenValue], times: pd.DatetimeIndex) -> pd.Series:
    """Return points on the steps; a step with several has their mean.

    Points that are wider apart than steps are connected by a smooth monotone curve if their
    distances are equal, and the last one holds for as long. Otherwise each holds until the next.
    """
    known = pd.Series(
        [float(point.value) for point in points],
        pd.DatetimeIndex([point.start for point in points]),
    )
    known = known[~known.index.duplicated(keep="last")].sort_index()
    if not len(times):
        return pd.Series(dtype=float, index=times)
    step = np.searchsorted(times, known.index, side="right") - 1
    inside = step >= 0
    if len(times) > 1:  # points beyond the last step are not its values
        inside &= known.index < times[-1] + (times[-1] - times[-2])
    found = known[inside].groupby(step[inside]).mean()
    on_grid = pd.Series(np.nan, times)
    on_grid[times[found.index]] = found.to_numpy()
    if len(found) < 2:
        return on_grid
    gaps = np.diff(found.index)
    gap = int(np.median(gaps))
    if gap == 1:
        return on_grid
    if len(found) < 3 or (np.abs(gaps - gap) > EVEN * gap).any():
        return on_grid.ffill()
    return on_grid.interpolate(method="pchip", limit_area="inside").ffill(limit=gap - 1)
