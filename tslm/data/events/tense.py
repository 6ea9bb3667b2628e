"""Tense of a sentence: about the past, about what is to come, or about neither."""

import re
from typing import Literal

Tense = Literal["past", "future", "none"]
_FUTURE = re.compile(
    r"\b(?:will|won't|shall|(?:is|are|be)\s(?:going|about|due|planned|scheduled|likely|set)\sto"
    r"|(?:is|are|was|were|been)?\s?(?:expected|planned|scheduled|forecast|predicted|anticipated)"
    r"|(?:we\s)?(?:expect|anticipate|plan|predict)s?|suppose|consider|assum(?:e|ing)|imagine|given\sthat"
    r"|upcoming|next|coming|tomorrow|in\sthe\s(?:future|forecast|prediction)|(?:is|are)\sto\sbe"
    r"|would|should|may|might|can|could)\b",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:was|were|had|did|didn't|wasn't|weren't|ago|yesterday|previously|in\sthe\spast|began|fell"
    r"|rose|went|broke|struck|saw|took|occurred|happened|experienced|suffered|(?:has|have)\sbeen"
    r"|(?:last|past|previous)\s(?:\w+\s)?(?:hour|day|week|month|year|D\d)s?)\b",
    re.IGNORECASE,
)


def tense_of(sentence: str) -> Tense:
    """Return the tense by the first word that tells it; what is to come prevails over the past.

    "The store was closed, and will open on Monday" is about what is to come. "A heat wave is
    expected, as there was one last year" is so as well.
    """
    if _FUTURE.search(sentence):
        return "future"
    return "past" if _PAST.search(sentence) else "none"
