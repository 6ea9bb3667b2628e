"""Marked sentences: times and durations replaced by short marks, so that patterns stay readable."""

import re
from dataclasses import dataclass

import pandas as pd

from tslm.data.events.moments import MONTHS, Moment, find_moments
from tslm.data.events.timeline import Timeline
from tslm.data.events.words import NUMBER, UNITS, number, plural

_DURATION = re.compile(
    rf"(?<![\w.$-])(?P<amount>{NUMBER})(?:\s(?:more|full|whole|consecutive))?[\s-]?"
    rf"(?P<unit>{UNITS})\b(?!\s?\d)|(?P<half>\bhalf\s(?:an?\s)?)(?P<halved>hour|day|year)\b",
    re.IGNORECASE,
)
_NEXT = re.compile(
    rf"\b(?:next|following|coming|first|last|past|previous|final)\s(?P<unit>{UNITS})\b",
    re.IGNORECASE,
)
_TO = r"(\s?(?:to|and|until|till|through|-|\u2013)\s?(?:the\s)?)"
_FIRST_DAY = re.compile(  # "from 3 to 5 May": the month belongs to both days
    rf"\b(\d{{1,2}}(?:st|nd|rd|th)?){_TO}(\d{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?({MONTHS})\b)",
    re.IGNORECASE,
)
_SECOND_DAY = re.compile(  # "May 3 to 5"
    rf"\b({MONTHS})\s(\d{{1,2}}(?:st|nd|rd|th)?){_TO}(\d{{1,2}}(?:st|nd|rd|th)?)\b(?![:.]\d|\s?[ap]m)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Duration:
    """Length of time that a sentence names.

    Attributes:
        amount: number of units.
        unit: "seconds" to "years", or "steps".
    """

    amount: float
    unit: str

    def after(self, start: pd.Timestamp, timeline: Timeline) -> pd.Timestamp:
        """Return the time that lies this length after ``start``."""
        return start + self.offset(timeline)

    def before(self, end: pd.Timestamp, timeline: Timeline) -> pd.Timestamp:
        """Return the time that lies this length before ``end``."""
        return end - self.offset(timeline)

    def offset(self, timeline: Timeline) -> pd.DateOffset | pd.Timedelta:
        """Return the length as an offset; parts of a month or year count days.

        Raises:
            OverflowError: if it is far longer than the calendar.
        """
        if self.unit == "steps":
            return timeline.step * self.amount
        if self.amount > 1e6:
            raise OverflowError(f"{self.amount} {self.unit}")
        if self.amount == int(self.amount):
            months = int(self.amount) * 3 if self.unit == "quarters" else int(self.amount)
            unit = "months" if self.unit == "quarters" else self.unit
            return pd.DateOffset(**{unit: months})  # type: ignore[arg-type]
        days = {"weeks": 7.0, "months": 30.4, "quarters": 91.3, "years": 365.25}
        if self.unit in days:
            return pd.Timedelta(days=self.amount * days[self.unit])
        return pd.Timedelta(self.amount, self.unit)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Marked:
    """Sentence whose times read "T0_", "T1_" and whose durations read "D0_", in lower case.

    Attributes:
        text: the sentence with marks.
        moments: times, in the order of their marks.
        durations: durations, in the order of their marks.
    """

    text: str
    moments: list[Moment]
    durations: list[Duration]


def mark(sentence: str, timeline: Timeline, past: bool = False) -> Marked:
    """Mark the times and durations of a sentence.

    Args:
        sentence: the sentence.
        timeline: steps of the series.
        past: True if the sentence is about the past.
    """
    sentence = _FIRST_DAY.sub(r"\1 \4\2\3", _SECOND_DAY.sub(r"\1 \2\3\1 \4", sentence))
    moments = find_moments(sentence, timeline, past)
    pieces, place = [], 0
    for count, moment in enumerate(moments):
        pieces += [sentence[place : moment.first].lower(), f"T{count}_"]
        place = moment.last
    durations: list[Duration] = []

    def found(match: "re.Match[str]") -> str:
        if match["half"]:
            durations.append(Duration(0.5, plural(match["halved"])))
        else:
            durations.append(Duration(number(match["amount"]), plural(match["unit"])))
        return f"D{len(durations) - 1}_"

    def one(match: "re.Match[str]") -> str:
        durations.append(Duration(1.0, plural(match["unit"])))
        return match[0].replace(match["unit"], f"D{len(durations) - 1}_")

    text = "".join([*pieces, sentence[place:].lower()])
    text = _NEXT.sub(one, _DURATION.sub(found, text))
    return Marked(text, moments, durations)
