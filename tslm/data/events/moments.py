"""Times written in a sentence: dates, times of day, days of the week, holidays, "2 weeks ago"."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pandas as pd
from dateutil import easter, parser
from dateutil.relativedelta import MO, SU, TH, relativedelta

from tslm.data.events.timeline import Timeline
from tslm.data.events.words import NUMBER, UNITS, number, plural

Unit = Literal["instant", "day", "weekend", "week", "month", "year", "clock", "weekday"]
MONTHS = (
    r"jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = (
    r"mon(?:day)?|tue(?:s(?:day)?)?|wed(?:nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?"
    r"|sat(?:urday)?|sun(?:day)?"
)
_CLOCK = (
    r"(?:[01]?\d|2[0-4]):[0-5]\d(?::[0-5]\d(?:\.\d+)?)?(?:\s?[ap]\.?m\b\.?)?"
    r"|(?:1[0-2]|0?[1-9])\s?[ap]\.?m\b\.?|(?:[01]?\d|2[0-3])\s?o'clock|noon\b|midday\b|midnight\b"
)
_DATE = (
    r"\d{4}[-/]\d{1,2}[-/]\d{1,2}(?!\d)|\d{1,2}[/.]\d{1,2}[/.](?:\d{4}|\d{2})(?!\d)"
    rf"|(?:the\s)?\d{{1,2}}(?:st|nd|rd|th)?(?:\sof|\s?-)?\s?\b(?:{MONTHS})\b\.?(?:,?\s\d{{4}}\b)?"
    rf"|\b(?:{MONTHS})\b\.?\s\d{{1,2}}(?:st|nd|rd|th)?(?![\d:])(?:,?\s\d{{4}}\b)?"
)
_MONTH = rf"\b(?:{MONTHS})\b\.?,?\s\d{{4}}\b|\b\d{{4}}-\d{{2}}\b(?![-\d])" + "".join(
    rf"|(?<=\b{word}\s)(?:{MONTHS})\b"
    for word in (
        *("in", "of", "to", "by", "from", "and", "until", "till", "since", "after", "before"),
        *("early", "mid", "late", "during", "between", "through", "throughout", "entire"),
    )
)
_HOLIDAYS: dict[str, Callable[[int], datetime]] = {
    r"new year'?s(?: day)?": lambda year: datetime(year, 1, 1),
    r"new year'?s eve": lambda year: datetime(year, 12, 31),
    r"valentine'?s day": lambda year: datetime(year, 2, 14),
    r"good friday": lambda year: _easter(year, -2),
    r"easter(?: sunday| day)?(?! monday)": lambda year: _easter(year, 0),
    r"easter monday": lambda year: _easter(year, 1),
    r"memorial day": lambda year: datetime(year, 5, 31) + relativedelta(weekday=MO(-1)),
    r"independence day": lambda year: datetime(year, 7, 4),
    r"labou?r day": lambda year: datetime(year, 9, 1) + relativedelta(weekday=MO(1)),
    r"mother'?s day": lambda year: datetime(year, 5, 1) + relativedelta(weekday=SU(2)),
    r"hallowe'?en": lambda year: datetime(year, 10, 31),
    r"thanksgiving(?: day)?": lambda year: datetime(year, 11, 1) + relativedelta(weekday=TH(4)),
    r"christmas eve": lambda year: datetime(year, 12, 24),
    r"christmas(?: day)?": lambda year: datetime(year, 12, 25),
    r"boxing day": lambda year: datetime(year, 12, 26),
}
_RELATIVE_DAY = {
    "day before yesterday": -2, "yesterday": -1, "last night": -1, "today": 0, "tonight": 0,
    "this morning": 0, "this afternoon": 0, "this evening": 0, "day after tomorrow": 2,
    "tomorrow": 1,
}  # fmt: skip
FARTHEST = 150  # years from the origin beyond which digits are no date
_PATTERN = re.compile(
    "|".join(
        [
            rf"(?P<stamp>(?:{_DATE})(?:T|,?\s(?:at\s)?)(?:{_CLOCK}))",
            rf"(?P<turned>(?:{_CLOCK}),?\s(?:on\s)?(?:(?:{_DAY}),?\s)?(?:{_DATE}))",
            rf"(?P<date>(?:\b(?:{_DAY}),?\s)?(?:{_DATE}))",
            rf"(?P<month>{_MONTH})",
            r"(?P<year>(?<=\b(?:in|of)\s)(?:1[89]|20)\d{2}\b(?![.,]?\d)"
            r"|(?<=\bsince\s)(?:1[89]|20)\d{2}\b(?![.,]?\d)"
            r"|(?<=\bduring\s)(?:1[89]|20)\d{2}\b(?![.,]?\d))",
            rf"(?P<ago>\b{NUMBER}\s(?:{UNITS})\s(?:ago|earlier|before now)\b)",
            rf"(?P<ahead>\b(?:in|within)\s{NUMBER}\s(?:{UNITS})(?:'s?\stime)?\b(?!\s(?:ago|of)))",
            r"(?P<relative>\b(?:the\s)?(?:" + "|".join(_RELATIVE_DAY) + r")\b)",
            r"(?P<period>\b(?:next|this|coming|last|past|previous)\s(?:week(?:end)?|month|year)\b)",
            r"(?P<holiday>\b(?:" + "|".join(sorted(_HOLIDAYS, key=len, reverse=True)) + r")\b)",
            rf"(?P<weekday>\b(?:(?:next|this|coming|last|past)\s)?(?:{'|'.join(_DAYS)})\b)",
            rf"(?P<clock>\b(?:{_CLOCK}))",
        ]
    ),
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Moment:
    """Time that a sentence names.

    Attributes:
        first: place of its first letter.
        last: place after its last letter.
        unit: "instant" for a date with a time, "clock" for a time of day without a date,
            "weekday" for a day of the week, or the calendar unit that it covers.
        at: its first instant; for a clock, 1970-01-01 at that time; for a weekday, the nearest one.
    """

    first: int
    last: int
    unit: Unit
    at: pd.Timestamp

    @property
    def stop(self) -> pd.Timestamp:
        """Return the first instant after the unit; the instant itself if it has no length."""
        if self.unit in ("instant", "clock"):
            return self.at
        lengths = {"day": 1, "weekday": 1, "weekend": 2, "week": 7}
        if self.unit in lengths:
            return self.at + pd.Timedelta(days=lengths[self.unit])
        return self.at + pd.DateOffset(**{f"{self.unit}s": 1})  # type: ignore[arg-type]

    @property
    def clock(self) -> pd.Timedelta:
        """Return the time since midnight."""
        return self.at - self.at.normalize()


def find_moments(sentence: str, timeline: Timeline, past: bool = False) -> list[Moment]:
    """Return the times that a sentence names, in order.

    A date without a year, a day of the week and a holiday are taken from the steps to forecast, or
    from the history if the sentence is about the past; else the one nearest to the origin is taken.

    Args:
        sentence: the sentence.
        timeline: steps of the series.
        past: True if the sentence is about the past.
    """
    found = []
    for match in _PATTERN.finditer(sentence):
        assert match.lastgroup is not None
        try:
            moment = _read(match.lastgroup, match, timeline, past)
        except (ValueError, OverflowError):  # no date of the calendar, such as 2024-13-45
            continue
        near = moment is not None and abs(moment.at.year - timeline.today.year) <= FARTHEST
        if moment is not None and (near or moment.unit == "clock"):
            found.append(moment)
    return found


def _read(kind: str, match: "re.Match[str]", timeline: Timeline, past: bool) -> Moment | None:
    """Return the moment of one match, or None if the words only look like one.

    Raises:
        ValueError: if there is no such date.
        OverflowError: if the date is far outside the calendar.
    """
    text, (first, last) = match[0], match.span()
    low = text.lower()

    def moment(unit: Unit, at: datetime | pd.Timestamp) -> Moment:
        return Moment(first, last, unit, pd.Timestamp(at))

    if kind == "clock":
        return moment("clock", _clock(low))
    if kind in ("stamp", "turned"):
        time = re.search(_CLOCK, low[11:] if re.match(r"\d{4}-", low) else low) or re.search(
            _CLOCK, low
        )
        assert time is not None
        rest = low.replace(time[0], " ", 1)
        day = _date(rest, timeline, past)
        return moment("instant", day + (_clock(time[0]) - pd.Timestamp(0)))
    if kind == "date":
        return moment("day", _date(low, timeline, past))
    if kind == "month":
        if low == "may" and not text[0].isupper():
            return None
        return moment("month", _month(low, timeline, past))
    if kind == "year":
        return moment("year", datetime(int(low), 1, 1))
    if kind in ("ago", "ahead"):
        return _from_origin(kind, low, first, last, timeline)
    if kind == "relative":
        days = next(days for words, days in _RELATIVE_DAY.items() if words in low)
        return moment("day", timeline.today + pd.Timedelta(days=days))
    if kind == "period":
        return _period(low, first, last, timeline)
    if kind == "holiday":
        return moment("day", _holiday(low, timeline, past))
    return moment("weekday", _weekday(low, timeline, past))


def _clock(text: str) -> pd.Timestamp:
    """Read a time of day, as 1970-01-01 at that time; 24:00 is midnight of the next day."""
    if text.startswith(("noon", "midday")):
        return pd.Timestamp("1970-01-01 12:00")
    if text.startswith("midnight"):
        return pd.Timestamp("1970-01-01")
    if text.startswith("24:"):
        return pd.Timestamp("1970-01-02")
    plain = text.replace("o'clock", ":00").replace(" :00", ":00").replace(".m", "m").rstrip(". ")
    return pd.Timestamp(parser.parse(plain, default=datetime(1970, 1, 1)))


def _date(text: str, timeline: Timeline, past: bool) -> pd.Timestamp:
    """Read a date, in the year that the text names or that suits the timeline."""
    plain = re.sub(r"\b(?:the|of|on|at)\b|(?<=\d)t$|,", " ", text).replace("-", "-").strip(" -")
    dotted = re.match(r"\d{1,2}\.\d", plain)
    if re.search(r"\d{4}|\d[/.]\d{1,2}[/.]", plain):
        slashed = re.match(r"\d{1,2}/\d{1,2}/", plain)
        read = [pd.Timestamp(parser.parse(plain, dayfirst=bool(dotted)))]
        if slashed:
            read.append(pd.Timestamp(parser.parse(plain, dayfirst=True)))
        return _best(read, timeline, past)
    return _in_some_year(
        lambda year: parser.parse(plain, default=datetime(year, 1, 1)), timeline, past
    )


def _month(text: str, timeline: Timeline, past: bool) -> pd.Timestamp:
    if re.search(r"\d{4}", text):
        return pd.Timestamp(parser.parse(text.replace(",", " "), default=datetime(2000, 1, 1)))
    return _in_some_year(
        lambda year: parser.parse(text, default=datetime(year, 1, 1)), timeline, past
    )


def _holiday(text: str, timeline: Timeline, past: bool) -> pd.Timestamp:
    date = next(date for words, date in _HOLIDAYS.items() if re.fullmatch(words, text))
    return _in_some_year(date, timeline, past)


def _weekday(text: str, timeline: Timeline, past: bool) -> pd.Timestamp:
    """Return the nearest day of this name: from the origin on, or before it."""
    place = next(i for i, name in enumerate(_DAYS) if text.endswith(name))
    today = timeline.today
    if past or text.startswith(("last", "past")):
        return today - pd.Timedelta(days=(today.weekday() - place - 1) % 7 + 1)
    return today + pd.Timedelta(days=(place - today.weekday()) % 7)


def _from_origin(kind: str, text: str, first: int, last: int, timeline: Timeline) -> Moment:
    """Return the moment of "2 weeks ago" or "in 3 days"."""
    match = re.search(rf"({NUMBER})\s({UNITS})", text)
    assert match is not None
    amount, unit = number(match[1]), plural(match[2])
    sign = -1 if kind == "ago" else 1
    if unit == "steps":
        return Moment(first, last, "instant", timeline.origin + sign * amount * timeline.step)
    fine = unit in ("seconds", "minutes", "hours")
    length = pd.DateOffset(**{unit: sign * int(amount)})  # type: ignore[arg-type]
    at = (timeline.origin if fine else timeline.today) + length
    units: dict[str, Unit] = {"weeks": "week", "months": "month", "years": "year", "days": "day"}
    if unit == "months":
        at = at.replace(day=1)
    return Moment(first, last, units.get(unit, "instant"), at)


def _period(text: str, first: int, last: int, timeline: Timeline) -> Moment:
    """Return the moment of "next week", "this weekend" or "last month"."""
    word, name = text.split()
    shift = {"next": 1, "coming": 1, "this": 0}.get(word, -1)
    today = timeline.today
    monday = today - pd.Timedelta(days=today.weekday())
    if name == "weekend":
        week = 0 if word == "coming" else shift
        saturday = monday + pd.Timedelta(days=5 + 7 * week)
        return Moment(first, last, "weekend", saturday)
    if name == "week":
        return Moment(first, last, "week", monday + pd.Timedelta(days=7 * shift))
    start = today.replace(day=1) if name == "month" else today.replace(month=1, day=1)
    unit: Unit = "month" if name == "month" else "year"
    return Moment(first, last, unit, start + pd.DateOffset(**{f"{name}s": shift}))  # type: ignore[arg-type]


def _easter(year: int, days: int) -> datetime:
    date = easter.easter(year)
    return datetime(date.year, date.month, date.day) + relativedelta(days=days)


def _in_some_year(date: Callable[[int], datetime], timeline: Timeline, past: bool) -> pd.Timestamp:
    """Return a date in the year that suits the timeline best."""
    found, error = [], None
    for year in range(timeline.past[0].year - 1, timeline.times[-1].year + 2):
        try:
            found.append(pd.Timestamp(date(year)))
        except ValueError as this:  # 29 February
            error = this
    if not found:
        raise error or ValueError("no year has this date")
    return _best(found, timeline, past)


def _best(dates: list[pd.Timestamp], timeline: Timeline, past: bool) -> pd.Timestamp:
    """Return the date in the part of the timeline that is meant, else the one nearest to it."""
    today = timeline.today
    end = timeline.times[-1]

    def distance(date: pd.Timestamp) -> tuple[bool, pd.Timedelta]:
        meant = (timeline.past[0].normalize() <= date < today) if past else (today <= date <= end)
        return not meant, abs(date - today)

    return min(dates, key=distance)
