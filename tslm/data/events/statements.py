"""Statements of a text: sentences with the spans and bounds that they name.

A sentence that only describes the series, or the task, is no event. A sentence that follows one
with a span, names no span itself, and speaks of an effect belongs to it: "A heat wave is expected
on Friday. Consumption will double."
"""

import re
from dataclasses import dataclass, replace

import pandas as pd

from tslm.data.events.bounds import Bound, find_bound
from tslm.data.events.marked import mark
from tslm.data.events.rules import effect_of
from tslm.data.events.sentences import sentences
from tslm.data.events.spans import find_spans
from tslm.data.events.subject import concerns, find_subject
from tslm.data.events.tense import tense_of
from tslm.data.events.timeline import Span, Timeline

_TASK = re.compile(
    r"\b(?:task|goal|aim)\sis\b|\bforecasts?\s(?:is|are)\s(?:required|needed|wanted)"
    r"|\b(?:can|should)\sbe\s(?:treated|seen|regarded)\sas\b|\bfor\sreference\b|\bas\s(?:a\s)?reference\b"
    r"|\b(?:seek|want|need|ask)s?\s(?:for\s)?an?\s(?:estimate|forecast|prediction)\b"
    r"|\byour\stask\b|\bplease\s(?:forecast|predict)\b",
    re.IGNORECASE,
)
_NO_EFFECT = re.compile(
    r"\b(?:did|does|do|will|would|has|have|had|should)(?:\s?not|n't)\s(?:been\s)?(?:affect|impact"
    r"|influence|change|disturb|alter)(?:s|ed)?\b"
    r"|\b(?:no|without(?:\sany)?|little)\s(?:effect|impact|influence|consequences?)\b"
    r"|\bunaffected\b|\bspared\b"
    r"|\b(?:but|though|although|and)\snot\s(?:in\s|at\s|on\s|to\s)?(?:this|our|ours|here|the)\b"
    r"|\bonly\s(?:elsewhere|in\sother)\b",
    re.IGNORECASE,
)
_NOT_AGAIN = re.compile(  # an event of the past stays one, an event ahead is none
    r"\b(?:not|never|n't)\s(?:be\s)?(?:expected|likely|going|anticipated|planned|scheduled)\sto\s"
    r"(?:happen|occur|recur|return|repeat|affect|be\srepeated)\b",
    re.IGNORECASE,
)
_ENDS = re.compile(
    r"\b(?:will|would)\s(?:not|no\slonger)\s(?:be\s)?(?:in|under|undergo|happen|occur|recur|repeat)"
    r"|\bno\s(?:further|more|longer)\b",
    re.IGNORECASE,
)


_GENERAL = re.compile(  # words of a rule that holds in general, and of conditions
    r"\b(?:typically|usually|generally|normally|tends?\sto|often|always|in\sgeneral|therefore|when"
    r"|whenever|if|conditions)\b",
    re.IGNORECASE,
)
_USUAL = re.compile(r"\b(?:usual|normal|typical|average|regular)\b", re.IGNORECASE)
_CANCELS = re.compile(r"(?:but|however|this|it|that|the)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Statement:
    """Statement of a text about one span.

    Attributes:
        text: the sentence, whole, with those that belong to it.
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


@dataclass(frozen=True)
class _Read:
    """Sentence with what was found in it."""

    text: str
    spans: tuple[Span, ...] = ()
    bound: Bound | None = None
    is_event: bool = True

    def statements(self) -> list[Statement]:
        """Return one statement per span."""
        lower, upper = self.bound or (None, None)
        spans = self.spans if self.is_event else ()
        return [
            Statement(self.text, start, end, lower, upper, self.is_event)
            for start, end in spans or [(None, None)]
        ]


def read_statements(text: str, timeline: Timeline, target: str | None) -> list[Statement]:
    """Return the statements of a text in order, one per sentence and span.

    Args:
        text: any text.
        timeline: steps of the series.
        target: the quantity in words; found in the text if None.
    """
    subject = target or find_subject(text)
    found = list[_Read]()
    anchor = None  # place of the last event with a span, which later sentences may speak of
    for sentence in sentences(text):
        one = _read(sentence, timeline, subject)
        if anchor is None or one.spans or one.bound is not None:
            anchor = len(found) if one.spans and one.bound is None else anchor
            found.append(one)
            continue
        event = found[anchor]
        near = anchor == len(found) - 1
        ahead = any(span.stop >= timeline.origin for span in event.spans)
        denied = _NO_EFFECT.search(sentence) or (ahead and _NOT_AGAIN.search(sentence))
        if near and denied and _CANCELS.match(sentence):
            found[anchor] = replace(event, is_event=False, text=f"{event.text} {sentence}")
            anchor = None
        elif _continues(sentence, near, subject):
            found[anchor] = replace(event, text=f"{event.text} {sentence}")
        else:
            found.append(one)
    return [statement for one in found for statement in one.statements()]


def _read(sentence: str, timeline: Timeline, subject: str | None) -> _Read:
    """Read one sentence by itself."""
    if any(each.search(sentence) for each in (_TASK, _NO_EFFECT, _NOT_AGAIN)):
        return _Read(sentence, is_event=False)
    spans = tuple(timeline.steps(span) for span in find_spans(sentence, timeline))
    bound = find_bound(mark(sentence, timeline).text, subject)
    if bound is not None or spans:
        return _Read(sentence, spans, bound)
    tense, effect = tense_of(sentence), effect_of(sentence)
    other = not concerns(sentence, subject) and not _USUAL.search(sentence)
    plain = _ENDS.search(sentence) or _GENERAL.search(sentence) or tense == "none" or other
    if effect is None or plain:
        return _Read(sentence, is_event=False)
    if tense == "past":
        whole = Span(timeline.past[0], timeline.past[-1])
        return _Read(sentence, (whole,)) if effect.replaced else _Read(sentence, is_event=False)
    return _Read(sentence)


def _continues(sentence: str, near: bool, subject: str | None) -> bool:
    """Return whether a sentence without a span tells the effect of an event before it.

    It has to speak of the quantity that is forecast, or of what is usual.

    Args:
        sentence: the sentence.
        near: True if it follows the event directly; else only a sentence with a number does.
        subject: the quantity, or None if it is unknown.
    """
    effect = effect_of(sentence)
    if effect is None or not (near or (effect.certain and not effect.replaced)):
        return False
    if any(each.search(sentence) for each in (_ENDS, _NOT_AGAIN, _TASK)):
        return False
    return concerns(sentence, subject) or bool(_USUAL.search(sentence))
