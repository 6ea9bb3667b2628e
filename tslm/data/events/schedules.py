"""Schedules in free text: values over spans, such as "0.1 from 08:00 until 09:00", and changes."""

import re
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from tslm.data.events.schedule_patterns import (
    AT_FIRST,
    ONLY_END,
    SPAN_FIRST,
    STARTING,
    STATE_FIRST,
    SUBJECTS,
    VALUE_FIRST,
)
from tslm.data.events.sentences import sentences
from tslm.data.events.time_points import MARK, TimePoint
from tslm.data.events.timeline import Timeline
from tslm.data.events.written_values import WrittenValue, number, tidy_name

LONGEST_SUBJECT = 200  # characters before a value in which its quantity is looked for
_NO_STATE = {
    "it", "the", "this", "that", "open", "from", "to", "at", "on", "in", "of", "and", "or", "not",
    "located", "recorded", "available", "known", "expected", "series", "held", "heavily", "taken",
}  # words after a verb that are no state  # fmt: skip
_PRONOUNS = {"it", "they", "this", "that", "value", "which", "", "and", "then", "there"}


def read_schedules(
    text: str, points: Sequence[TimePoint], timeline: Timeline
) -> tuple[list[WrittenValue], str]:
    """Read values that a text states for spans, and changes of a value at a time.

    A clock time without a date means this time on every day of the series.

    Args:
        text: a marked text, see ``mark_times``.
        points: its points of time.
        timeline: steps of the series.

    Returns:
        The values, and the text without the sentences that state them. A quantity with a single
        value, or with none before the forecast begins, is no covariate, and stays in the text.
    """
    if not points:
        return [], text
    name = ""
    read: list[tuple[str, list[WrittenValue]]] = []
    for sentence in sentences(text):
        values = _sentence_values(sentence, points, timeline.times, name)
        name = values[-1].name if values else name
        read.append((sentence, values))
    every = [value for _, values in read for value in values]
    levels = Counter(name for name, _ in {(value.name, value.value) for value in every})
    early = {v.name for v in every if v.start is None or v.start < timeline.origin}
    series = [[v for v in values if levels[v.name] > 1 and v.name in early] for _, values in read]
    rest = [sentence for (sentence, _), values in zip(read, series, strict=True) if not values]
    return [value for values in series for value in values], "\n".join(rest)


def _sentence_values(
    sentence: str, points: Sequence[TimePoint], times: pd.DatetimeIndex, name: str
) -> list[WrittenValue]:
    """Return the values of one sentence, in order.

    Args:
        sentence: a marked sentence.
        points: points of time of the text.
        times: steps of the series.
        name: quantity of the sentence before, for "it".
    """
    found: list[WrittenValue] = []
    place = 0
    if opening := AT_FIRST.search(sentence) or STARTING.search(sentence):
        value = _value(opening)
        if value is not None:
            name = _named(opening["subject"], name)
            found.append(WrittenValue(name, None, None, value))
            place = opening.end()
    while match := _next(sentence, place):
        value_at = match.start("state") if match.re is STATE_FIRST else match.start()
        before = sentence[place:value_at][-LONGEST_SUBJECT:]
        if match.re is SPAN_FIRST:
            name = _named(match["subject"] or before, name)
        elif (subject := _subject(before)) is not None:
            name = _named(subject, name)
        value = _value(match)
        if value is not None:
            for start, end in _spans(match, points, times, found):
                found.append(WrittenValue(name, start, end, value))
        place = match.end()
    return found


def _next(sentence: str, place: int) -> "re.Match[str] | None":
    """Return the first match of any pattern from a place on."""
    patterns = (VALUE_FIRST, SPAN_FIRST, STATE_FIRST)
    matches = [match for each in patterns if (match := each.search(sentence, place))]
    return min(matches, key=lambda match: match.start(), default=None)


def _spans(
    match: "re.Match[str]",
    points: Sequence[TimePoint],
    times: pd.DatetimeIndex,
    before: Sequence[WrittenValue],
) -> list[tuple[pd.Timestamp | None, pd.Timestamp | None]]:
    """Return start and end of the span of a match, once for each day if it names no date."""
    span = match["span"]
    if span is None:  # afterwards
        last = before[-1].end if before else None
        step = pd.Timedelta(1, "s")
        return [] if last is None else [(last + step, None)]
    named = [points[int(each)] for each in re.findall(MARK, span)]
    days = list(dict.fromkeys(times.normalize())) if not named[0].dated else [pd.Timestamp(0)]
    only_end = ONLY_END.match(span)
    found: list[tuple[pd.Timestamp | None, pd.Timestamp | None]] = []
    for day in days:
        first = named[0].on(day)
        last_day = first.normalize() if named[0].dated else day
        end = None
        if len(named) > 1:
            end = named[1].on(last_day)
            if not named[1].dated and end < first:
                end += pd.Timedelta(days=1)
            if not named[1].timed:  # a whole day
                end += pd.Timedelta(1, "D") - pd.Timedelta(1, "s")
        if only_end:
            begin = before[-1].end if before else None  # "then at 80 until"
            found.append((begin if day == days[0] else day, first))
        elif end is None or end >= first:
            found.append((first, end))
    return found


def _subject(before: str) -> str | None:
    """Return the quantity named right before a value, such as "the load" before "is set to"."""
    for pattern in SUBJECTS:
        if match := pattern.search(before):
            return match["subject"]
    return None


def _named(words: str, known: str) -> str:
    """Return the name of a quantity; the one known before if the words name none."""
    name = tidy_name(re.sub(r"\b(?:we expect that|covariate|variable)\b", " ", words, flags=re.I))
    return known if name.lower() in _PRONOUNS else name


def _value(match: "re.Match[str]") -> float | str | None:
    """Return the number of a match, or its word for a state; None for words that are none."""
    groups = match.groupdict()
    if groups.get("number"):
        return number(groups["number"])
    words = (groups.get("state") or "").strip().lower()
    return None if not words or any(part in _NO_STATE for part in words.split()) else words
