"""Statements of a text: sentences with the spans and bounds that they name."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from tslm.data.events.sentences import sentences
from tslm.data.events.timeline import Timeline


@dataclass(frozen=True)
class Statement:
    """Statement of a text about one span.

    Attributes:
        text: the sentence, whole.
        start: first step concerned; None for the whole horizon.
        end: last step concerned.
        lower: lower bound in the units of the series; None if there is none.
        upper: upper bound.
        is_event: False for a sentence that describes and states nothing about the future.
    """

    text: str
    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None
    lower: float | None = None
    upper: float | None = None
    is_event: bool = True

    def facts(self) -> dict[str, Any]:
        """Return the columns of the event table that the statement fills."""
        return {"start": self.start, "end": self.end, "lower": self.lower, "upper": self.upper}


def read_statements(text: str, timeline: Timeline, target: str | None) -> list[Statement]:
    """Return the statements of a text in order, one per sentence and span."""
    return [Statement(each) for each in sentences(text)]
