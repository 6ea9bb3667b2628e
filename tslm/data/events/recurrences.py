"""Spans that recur: "every day between 08:00 and 14:00", "for 7 days, every 15 days"."""

import re

import pandas as pd

from tslm.data.events.marked import Duration, Marked
from tslm.data.events.tense import Tense
from tslm.data.events.timeline import Span, Timeline

_DAILY = re.compile(
    r"\b(?:(?:every|each)\s(?:single\s)?(?:day|night|morning|afternoon|evening)|daily|nightly"
    r"|per\sday)\b"
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_PLURAL = re.compile(rf"\b(?P<day>{'|'.join(_DAYS)})s\b|\b(?P<group>weekends?|weekdays?)\b")
_MONTHLY = re.compile(
    r"\b(?:on\s)?the\s(?P<number>\d{1,2})(?:st|nd|rd|th)\s(?:day\s)?of\s(?:every|each|the)\smonth"
    r"|\b(?P<first>first|last)\sday\sof\s(?:every|each|the)\smonth"
)
_EVERY = re.compile(
    r"\b(?:every|each)\sD(?P<d>\d+)_|\bevery\s(?:other|second)\s(?P<two>day|week|month)\b"
)
_FOR = re.compile(
    r"\b(?:for|lasting|lasts?|lasted(?:\sfor)?)(?:\s\w+)?\sD(?P<d>\d+)_|D(?P<e>\d+)_-?\s?long"
)
_FROM = re.compile(
    r"\b(?:from|since|after|start\w*|begin\w*|began)(?:\s(?:on|from|at|in))*\sT(\d+)_"
)
_UNTIL = re.compile(r"\b(?:until|till|through|end\w*(?:\s(?:on|at|in))?|before|to)\sT(\d+)_")
_IN = re.compile(r"\b(?:in|during|of|throughout)\s(?:the\s)?T(\d+)_")
_CLOCKS = re.compile(r"T(\d+)_\s?(?:to|until|till|and|through|-|\u2013)\s?T(\d+)_")
_LIMIT = 100_000  # spans of one sentence


def recurring(marked: Marked, timeline: Timeline, tense: Tense) -> list[Span] | None:
    """Return the spans of a sentence that recur, or None if it names none that do.

    A sentence in the past tense recurs up to the origin, one about what is to come from it on, and
    another over the whole timeline, unless the sentence says from when or until when.

    Args:
        marked: the sentence.
        timeline: steps of the series.
        tense: tense of the sentence.

    Raises:
        OverflowError: if a length is far longer than the calendar.
    """
    window = _window(marked, timeline, tense)
    every = _EVERY.search(marked.text)
    if every is not None:
        return _periods(every, marked, timeline, window)
    days = _days(marked, window)
    if days is None or not timeline.step <= pd.Timedelta(days=1):
        return None
    clocks = _clocks(marked, timeline)
    if clocks is None:
        whole = [Span(day, day + pd.Timedelta(days=1)).within(window) for day in days]
        return [span for span in whole if span.stop > span.start]
    begin, end = clocks
    length = end - begin if end > begin else end - begin + pd.Timedelta(days=1)
    found = [Span(day + begin, day + begin + length).within(window) for day in days]
    return [span for span in found if span.stop > span.start]


def _window(marked: Marked, timeline: Timeline, tense: Tense) -> Span:
    """Return the time in which the spans recur."""
    start = timeline.origin if tense == "future" else timeline.past[0]
    stop = timeline.origin if tense == "past" else timeline.stop
    for pattern, is_start in ((_FROM, True), (_UNTIL, False)):
        for match in pattern.finditer(marked.text):
            moment = marked.moments[int(match[1])]
            if moment.unit in ("clock", "weekday"):
                continue
            start, stop = (moment.at, stop) if is_start else (start, moment.stop)
    for match in _IN.finditer(marked.text):
        moment = marked.moments[int(match[1])]
        if moment.unit in ("week", "month", "year"):
            start, stop = moment.at, moment.stop
    return Span(start, stop)


def _periods(
    every: "re.Match[str]", marked: Marked, timeline: Timeline, window: Span
) -> list[Span] | None:
    """Return spans of one length that follow each other in one period."""
    two = every["two"]
    period = Duration(2.0, f"{two}s") if two else marked.durations[int(every["d"])]
    lengths = [match["d"] or match["e"] for match in _FOR.finditer(marked.text)]
    length = marked.durations[int(lengths[0])] if lengths else None
    start, found = window.start, list[Span]()
    if period.after(start, timeline) - start < timeline.step:
        return None
    while start < window.stop and len(found) < _LIMIT:
        end = start + timeline.step if length is None else length.after(start, timeline)
        found.append(Span(start, end))
        start = period.after(start, timeline)
    return found


def _days(marked: Marked, window: Span) -> list[pd.Timestamp] | None:
    """Return the days that a sentence names by a rule, or None if it names no rule."""
    before = window.start.normalize() - pd.Timedelta(days=1)  # a night may have begun then
    all_days = pd.date_range(before, window.stop, freq="D")
    if _DAILY.search(marked.text):
        return list(all_days)
    wanted = set[int]()
    for match in _PLURAL.finditer(marked.text):
        group = match["group"]
        if group is None:
            wanted.add(_DAYS.index(match["day"]))
        elif not re.search(r"\b(?:this|next|last|the)\s$", marked.text[: match.start()]):
            wanted |= {5, 6} if group.startswith("weekend") else set(range(5))
    for count, moment in enumerate(marked.moments):
        if moment.unit == "weekday" and re.search(
            rf"\b(?:every|each)\s(?:T\d+_(?:,\s|\sand\s|,\sand\s))*T{count}_", marked.text
        ):
            wanted.add(moment.at.weekday())
    if wanted:
        return [day for day in all_days if day.weekday() in wanted]
    monthly = _MONTHLY.search(marked.text)
    if monthly is None:
        return None
    if monthly["first"] == "last":
        return [day for day in all_days if day.is_month_end]
    return [day for day in all_days if day.day == int(monthly["number"] or 1)]


def _clocks(marked: Marked, timeline: Timeline) -> tuple[pd.Timedelta, pd.Timedelta] | None:
    """Return the time of day at which each span begins and ends, or None for whole days."""
    for match in _CLOCKS.finditer(marked.text):
        one, two = (marked.moments[int(match[group])] for group in (1, 2))
        if one.unit == two.unit == "clock":
            return one.clock, two.clock if two.clock else pd.Timedelta(days=1)
    alone = [moment for moment in marked.moments if moment.unit == "clock"]
    if not alone:
        return None
    lengths = [match["d"] or match["e"] for match in _FOR.finditer(marked.text)]
    begin = alone[0].clock
    if not lengths:
        return begin, begin + pd.Timedelta(seconds=1)
    length = marked.durations[int(lengths[0])]
    return begin, begin + (length.after(timeline.today, timeline) - timeline.today)
