"""Limits of single steps: a list of times and values that a text calls the largest possible."""

import re

import pandas as pd

from tslm.data.events.bounds import Bound
from tslm.data.events.moments import find_moments
from tslm.data.events.subject import concerns, find_subject
from tslm.data.events.timeline import Timeline
from tslm.data.events.words import DIGITS, number

_LIST = re.compile(
    r"(?P<intro>[^\n]+)\n(?P<rows>(?:\s*[-*(\[]?\s*\d[^\n]*?[,:;|]\s*[-+]?[\d.,]+\s*[)\]]?;?\s*(?:\n|$)){2,})"
)
_ROW = re.compile(
    rf"[-*(\[]?\s*(?P<time>\d[^\n]*?)\s*[,:;|]\s*(?P<value>[-+]?{DIGITS})\s*[)\]]?;?\s*$"
)
_LARGEST = re.compile(
    r"\b(?:max(?:imum|imal)?|at\smost|limits?|capacit(?:y|ies)|caps?|ceilings?|upper\sbounds?|highest"
    r"|cloudless|clear[-\s]sky|no\sclouds|without\sclouds|(?:ideal|perfect)\sconditions)\b",
    re.IGNORECASE,
)
_SMALLEST = re.compile(
    r"\b(?:min(?:imum|imal)?|at\sleast|floors?|lower\sbounds?|lowest|guaranteed)\b", re.IGNORECASE
)


def find_limits(
    text: str, timeline: Timeline, target: str | None
) -> list[tuple[str, pd.Timestamp, Bound]]:
    """Return text, step and bound of each limit of a step to forecast.

    The line before the list tells what its values are. A list of another quantity than the one to
    forecast gives no limits.

    Args:
        text: any text.
        timeline: steps of the series.
        target: the quantity in words; found in the text if None.
    """
    subject = target or find_subject(text)
    found = []
    future = set(timeline.future)
    for match in _LIST.finditer(text):
        intro = " ".join(match["intro"].split())
        largest, smallest = _LARGEST.search(intro), _SMALLEST.search(intro)
        if bool(largest) == bool(smallest) or not concerns(intro, subject):
            continue
        for line in match["rows"].splitlines():
            row = _ROW.match(line.strip())
            moments = [] if row is None else find_moments(row["time"], timeline)
            if row is None or len(moments) != 1 or moments[0].at not in future:
                continue
            value = number(row["value"].lstrip("+"))
            bound = Bound(upper=value) if largest else Bound(lower=value)
            found.append((f"{intro} {line.strip()}", moments[0].at, bound))
    return found
