"""Points of time in free text: dates, months and clock times, with their place in the text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd
from dateutil import parser as dates

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sep(?:t(?:ember)?)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_CLOCK = r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:\s?[ap]\.?m\b\.?)?"
_HOUR = r"(?:1[0-2]|0?[1-9])\s?[ap]\.?m\b\.?"
_DAY = r"(?:[0-3]?\d)(?:st|nd|rd|th)?"
_DATE = "|".join(
    [
        r"[12]\d{3}-[01]?\d(?:-[0-3]?\d)?(?!\d)",
        r"[12]\d{3}/[01]?\d/[0-3]?\d(?!\d)",
        r"[0-3]?\d[./][0-3]?\d[./][12]\d{3}",
        rf"\b{_DAY} (?:of )?{_MONTH}\b\.?,? [12]\d{{3}}\b",
        rf"\b{_MONTH}\b\.? {_DAY}\b(?:,? [12]\d{{3}}\b)?",
        rf"\b{_DAY} (?:of )?{_MONTH}\b",
        rf"\b{_MONTH}\b\.?,? [12]\d{{3}}\b",
    ]
)
_POINT = re.compile(
    rf"(?<![\w.:-])(?:(?P<date>{_DATE})(?:(?:,? at |, |[T ])(?P<clock>{_CLOCK}|{_HOUR}))?"
    rf"|(?P<alone>{_CLOCK}|{_HOUR}))(?!\w|:\d)",
    re.IGNORECASE,
)
_MARK = "\u27e6{}\u27e7"  # stands for a point of time in a marked text
MARK = "\u27e6(\\d+)\u27e7"  # pattern of the mark


@dataclass(frozen=True)
class TimePoint:
    """A point of time that a text names.

    Attributes:
        written: the words.
        moment: the time; parts that the text leaves out are those of ``default`` below.
        dated: False for a clock time without a date.
        timed: False for a date without a clock time.
    """

    written: str
    moment: datetime
    dated: bool
    timed: bool

    def on(self, day: pd.Timestamp) -> pd.Timestamp:
        """Return the point itself, or, for a clock time without a date, that time of ``day``."""
        return pd.Timestamp(
            self.moment if self.dated else datetime.combine(day, self.moment.time())
        )


def mark_times(text: str, default: datetime) -> tuple[str, Sequence[TimePoint]]:
    """Replace the points of time in a text by marks with their numbers.

    Args:
        text: any text.
        default: gives the year of a date without a year.

    Returns:
        The text with a mark (see ``MARK``) in place of each point, and the points.
    """
    points: list[TimePoint] = []

    def mark(match: re.Match[str]) -> str:
        point = _read(match, default)
        if point is None:
            return match[0]
        points.append(point)
        return _MARK.format(len(points) - 1)

    free = text.translate({0x27E6: "[", 0x27E7: "]"})  # of characters that look like marks
    free = re.sub(r"(\s)\1{2,}", r"\1\1", free)  # long runs of blanks would take long to read
    return _POINT.sub(mark, free), points


def _read(match: re.Match[str], default: datetime) -> TimePoint | None:
    """Return the point of a match; None if there is no such date."""
    start = default.replace(day=1, hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    written = match[0].replace("24:", "00:") if match[0].startswith("24:") else match[0]
    day_first = bool(re.match(r"(1[3-9]|2\d|3[01])[./]|\d+\.", written))
    try:
        moment = dates.parse(written.rstrip("."), default=start, dayfirst=day_first)
    except (ValueError, OverflowError):
        return None
    timed = bool(match["clock"] or match["alone"])
    return TimePoint(match[0], moment.replace(tzinfo=None), match["date"] is not None, timed)
