"""Spans of a sentence: the time that it is about, from the times and durations it names."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from tslm.data.events.marked import Marked, mark
from tslm.data.events.moments import Moment
from tslm.data.events.recurrences import recurring
from tslm.data.events.tense import tense_of
from tslm.data.events.timeline import Span, Timeline

_T, _D = r"T(\d+)_", r"D(\d+)_"  # a time and a duration in a marked sentence
_WORDS = r"(?:(?!T\d+_|D\d+_|[;.]\s).){0,80}?"  # up to 80 letters without a mark
_DAYS = r"(?:\b(?:on|of|the|in|at)\s)*"
_BEGIN = r"(?:start(?:s|ed|ing)?|begin(?:s|ning)?|began|commenc(?:es|ed|ing)|effective)"
_LASTING = r"(?:for|over|last(?:s|ed|ing)?(?:\sfor)?|with\sa\sduration\sof|tak(?:es?|ing)|took)"
_ABOUT = (
    r"(?:\s(?:about|approximately|approx\.?|around|roughly|nearly|almost|some|the|a|total|of|next"
    r"|following|subsequent|at\sleast|up\sto|only|just|an?\sadditional))*\s"
)
_TO = r",?\s?(?:to|until|till|through|thru|up\sto|-|\u2013|\u2014)\s?(?:the\s)?"
_UNTIL = r"(?:until|till|up\sto|before|prior\sto|by|through|end(?:s|ed|ing)?(?:\s(?:on|at|in|by))?)"
_FROM = rf"(?:from|since|after|as\sof|effective(?:\sfrom)?|{_BEGIN}(?:\s(?:on|at|from|in))*)"
_AFTER = r"\s(?:on(?:wards?)?|and\s(?:after|later|onwards?|beyond))\b(?!\sthe|\sa\b)"

INSTANT = pd.Timedelta(seconds=1)  # shorter than any step

Build = Callable[["_Reader", "re.Match[str]"], Span | None]


@dataclass(frozen=True)
class _Reader:
    """Reader of one marked sentence."""

    marked: Marked
    timeline: Timeline
    past: bool

    def moment(self, match: "re.Match[str]", group: int = 1) -> Moment:
        return self.marked.moments[int(match[group])]

    def range(self, match: "re.Match[str]") -> Span | None:
        """Return the span from one time to another."""
        begin, end = self.moment(match), self.moment(match, 2)
        if begin.unit == "clock" and end.unit != "clock":
            begin = Moment(0, 0, "instant", end.at.normalize() + begin.clock)
        if begin.unit == "clock":
            day = self.day_of(begin, end)
            start, stop = day + begin.clock, day + end.clock
            return Span(start, stop if stop > start else stop + pd.Timedelta(days=1))
        if end.unit == "clock":
            stop = begin.at.normalize() + end.clock
            return Span(begin.at, stop if stop > begin.at else stop + pd.Timedelta(days=1))
        stop = end.stop
        if end.unit == "instant" and self.timeline.daily and end.at == end.at.normalize():
            stop = end.at + pd.Timedelta(days=1)
        if end.unit == "weekday" and stop <= begin.at:
            stop += pd.Timedelta(days=7)
        return Span(begin.at, stop) if stop > begin.at else None

    def length(self, match: "re.Match[str]") -> Span:
        """Return the span that begins at a time and has a length."""
        duration = self.marked.durations[int(match["d"])]
        start = self.start(self.marked.moments[int(match["t"])])
        return Span(start, duration.after(start, self.timeline))

    def before(self, match: "re.Match[str]") -> Span:
        """Return the span of some length before a time."""
        end = self.start(self.marked.moments[int(match["t"])])
        return Span(self.marked.durations[int(match["d"])].before(end, self.timeline), end)

    def until(self, match: "re.Match[str]") -> Span:
        """Return the span from the first step up to a time."""
        end = self.moment(match)
        exclusive = match[0].startswith(("before", "prior"))
        stop = self.start(end) if exclusive or end.unit == "clock" else end.stop
        first = self.timeline.past[0] if self.past else self.timeline.origin
        return Span(first if first < stop else self.timeline.past[0], stop)

    def since(self, match: "re.Match[str]") -> Span:
        """Return the span from a time to the last step."""
        begin = self.moment(match)
        start = begin.stop if match[0].startswith("after ") else self.start(begin)
        over = self.past and start < self.timeline.origin  # what began and is told as past is over
        return Span(start, self.timeline.origin if over else self.timeline.stop)

    def unit(self, match: "re.Match[str]") -> Span:
        """Return the span of a time alone: a day, a month, or the step of an instant."""
        moment = self.moment(match)
        start = self.start(moment)
        stop = moment.stop if moment.unit != "clock" else start
        return Span(start, stop if stop > start else start + INSTANT)

    def ahead(self, match: "re.Match[str]") -> Span:
        """Return the first steps to forecast."""
        origin = self.timeline.origin
        return Span(origin, self.marked.durations[int(match["d"])].after(origin, self.timeline))

    def behind(self, match: "re.Match[str]") -> Span:
        """Return the last steps of the history."""
        origin = self.timeline.origin
        return Span(self.marked.durations[int(match["d"])].before(origin, self.timeline), origin)

    def start(self, moment: Moment) -> pd.Timestamp:
        """Return the first instant of a time; a clock time is given its day."""
        return self.day_of(moment, moment) + moment.clock if moment.unit == "clock" else moment.at

    def day_of(self, begin: Moment, end: Moment) -> pd.Timestamp:
        """Return the day of clock times: the one that the sentence names, or a near one."""
        named = [each for each in self.marked.moments if each.unit in ("day", "weekday")]
        if named:
            near = min(
                named,
                key=lambda day: min(abs(day.last - begin.first), abs(day.first - end.last)),
            )
            return near.at
        days = self.timeline.times.normalize().unique()
        at = self.timeline.times[0].normalize() if len(days) == 1 else None
        if at is not None:
            return at
        today, one = self.timeline.today, pd.Timedelta(days=1)
        if self.past:
            return today if today + begin.clock < self.timeline.origin else today - one
        return today if today + end.clock >= self.timeline.origin else today + one


_RULES: list[tuple["re.Pattern[str]", Build]] = [
    (re.compile(rf"\b(?:from|between)\s{_DAYS}{_T}(?:{_TO}|\sand\s){_DAYS}{_T}"), _Reader.range),
    (re.compile(rf"{_T}{_TO}{_DAYS}{_T}"), _Reader.range),
    (
        re.compile(rf"\b{_BEGIN}\s{_DAYS}{_T}\sand\send(?:s|ed|ing)?\s{_DAYS}{_T}"),
        _Reader.range,
    ),
    (re.compile(rf"T(?P<t>\d+)_{_WORDS}\b{_LASTING}{_ABOUT}D(?P<d>\d+)_"), _Reader.length),
    (
        re.compile(
            rf"D(?P<d>\d+)_{_WORDS}\b(?:from|on|at|{_BEGIN}(?:\s\w+)?)\s{_DAYS}T(?P<t>\d+)_"
        ),
        _Reader.length,
    ),
    (re.compile(r"D(?P<d>\d+)_\s(?:before|prior\sto)\s(?:the\s)?T(?P<t>\d+)_"), _Reader.before),
    (re.compile(rf"\b{_UNTIL}\s(?:the\send\sof\s)?{_DAYS}{_T}"), _Reader.until),
    (re.compile(rf"\b{_FROM}\s{_DAYS}{_T}"), _Reader.since),
    (re.compile(rf"{_T}{_AFTER}"), _Reader.since),
    (re.compile(_T), _Reader.unit),
    (re.compile(r"\b(?:next|coming|following|first)\sD(?P<d>\d+)_"), _Reader.ahead),
    (re.compile(r"\b(?:last|past|previous)\sD(?P<d>\d+)_"), _Reader.behind),
]


def find_spans(sentence: str, timeline: Timeline) -> list[Span]:
    """Return the spans that a sentence names, in the order of time; empty if it names none.

    Args:
        sentence: one sentence.
        timeline: steps of the series; one of counted steps has no dates, and so no spans.
    """
    if not timeline.dated:
        return []
    tense = tense_of(sentence)
    marked = mark(sentence, timeline, tense == "past")
    try:
        repeated = recurring(marked, timeline, tense)
        found = _single(marked, timeline, tense == "past") if repeated is None else repeated
    except (OverflowError, ValueError):  # a time that pandas cannot hold
        return []
    return sorted(set(found))


def _single(marked: Marked, timeline: Timeline, past: bool) -> list[Span]:
    """Return the spans that do not recur; each mark is used once."""
    reader, text, found = _Reader(marked, timeline, past), marked.text, list[Span]()
    clocks = [moment for moment in marked.moments if moment.unit == "clock"]
    if clocks:  # a day beside a time of day says when that time is
        for count, moment in enumerate(marked.moments):
            if moment.unit in ("day", "weekday"):
                text = text.replace(f"T{count}_", "_" * len(f"T{count}_"))
    for pattern, build in _RULES:
        for match in pattern.finditer(text):
            span = build(reader, match)
            if span is not None:
                found.append(span)
            text = text[: match.start()] + "_" * len(match[0]) + text[match.end() :]
    return found
