"""Bounds in words: "bounded below by .6", "at most 3000 rpm", "cannot be negative", "set to 2"."""

import re
from typing import Literal, NamedTuple

from tslm.data.events.subject import concerns, words
from tslm.data.events.words import DIGITS, number

Side = Literal["lower", "upper", "both", "level"]


def _value(name: str) -> str:
    """Return the pattern of a number, as a group of this name.

    Numbers that count something else ("4 times", "20 % of", "5 % more") are left out.
    """
    return (
        rf"(?P<{name}>[-+]?(?:{DIGITS}|zero|one|two|three|four|five|six|seven|eight|nine|ten|twelve)"
        r"(?:\s(?:thousand|million|billion))?)(?![\w.]*\d)(?!\s?(?:times|x\b|-?fold)"
        r"|\s?(?:%|percent)\s(?:of|more|less|higher|lower|above|below|increase|decrease))"
    )


_VALUE, _LOW, _HIGH = _value("n"), _value("low"), _value("high")
_NOT = r"(?:not|never|n't|no\slonger|cannot|nor)"
_BE = r"(?:is|are|be|stays?|remains?|lies?|goes?|gets?|becomes?|kept|held|keeps?)"
_CAN = r"(?:can|could|will|would|should|must|may|shall|do|does)"
_NEVER = (
    rf"(?:{_CAN}\s?)?{_NOT}\s(?:ever\s|to\s|be\sallowed\sto\s|allowed\sto\s|expected\sto\s)?"
    r"(?:(?:be|go|goes|rise|rises|climb|climbs|get|gets|fall|falls|drop|drops|dip|dips|sink|move|lie"
    r"|become|becomes|turn|reach|come|run|exist|take\svalues)\s)?"
)
_MORE = r"(?:above|over|beyond|(?:more|greater|higher|larger|bigger)\sthan|past)"
_LESS = r"(?:below|under|beneath|(?:less|lower|smaller|fewer)\sthan)"
_STAY = (
    rf"(?:(?:must|will|shall|should|always|to|has\sto|have\sto|expected\sto)\s(?:always\s)?{_BE}"
    r"|stays?|remains?|is\salways|are\salways|is\skept|are\skept|is\sguaranteed\sto\sbe)"
    r"(?:\sat\sall\stimes|\salways|\sstrictly|\sat\sor|\sequal\sto\sor)*\s"
)
_BOUND = r"(?:bounded|limited|capped|restricted|constrained|truncated|clipped|confined|cut\soff)"
_GREATEST = r"(?:max(?:imum|imal)?|highest|largest|greatest|upper)"
_LEAST = r"(?:min(?:imum|imal)?|lowest|smallest|least|lower)"
_OF = (
    r"\s?(?:is|are|of|=|:|at|equals?|will\sbe|must\sbe|being|to)\s?"
    r"(?:set\s(?:to|at)\s|equal\sto\s)?"
)
_NOUN = r"(?P<noun>(?:\s(?!is\b|are\b|was\b|were\b|had\b|of\b|at\b)[a-z_][\w/()-]*){0,5})"
_FROM = (
    r"(?:between|in\sthe\srange(?:\sof|\sfrom)?|rang(?:e|es|ing)\sfrom|var(?:y|ies)\sfrom"
    r"|within(?:\sthe\srange(?:\sof)?)?)"
)
_UNIT = r"(?:\s[\w%/]+)?"
_AT_MOST = (
    r"(?:at\s(?:the\s)?most|no\s(?:more|greater|higher|larger)\sthan|(?:up\sto\s)?a\smaximum\sof)"
)
_AT_LEAST = r"(?:at\s(?:the\s)?least|no\s(?:less|fewer|lower|smaller)\sthan|a\sminimum\sof)"
_FIXED = (
    r"(?:(?:set|fixed|held|pinned|kept|frozen|clamped)(?:\sconstant)?\s(?:to|at)"
    r"|(?:will|would|shall)\s(?:always\s|all\s|constantly\s)?"
    r"(?:be|read|equal|show|report|stay\sat|remain\sat)|constant\sat|stuck\sat)"
    r"(?:\sexactly|\sequal\sto|\sa\sconstant|\sthe\svalue|\sa\svalue\sof)?"
)
_PATTERNS: list[tuple[Side, str]] = [
    ("both", rf"\b{_FROM}\s?[\[(]?{_LOW}[^\w.]*?(?:and|to|-|\u2013|,)\s?{_HIGH}"),
    ("lower", rf"\blower[-\s]?{_BOUND}\s(?:by|at|to)\s{_VALUE}"),
    ("lower", rf"\b{_BOUND}\s(?:from\s)?below\s(?:by|at|to)\s{_VALUE}"),
    ("upper", rf"\b{_BOUND}\s(?:(?:from\s)?above\s)?(?:by|at|to)\s(?:{_AT_MOST}\s)?{_VALUE}"),
    ("upper", rf"\b{_AT_MOST}\s{_VALUE}"),
    ("lower", rf"\b{_AT_LEAST}\s{_VALUE}"),
    ("upper", rf"\b{_NEVER}(?:exceed(?:s|ed)?|surpass(?:es)?|pass(?:es)?|{_MORE})\s{_VALUE}"),
    ("lower", rf"\b{_NEVER}{_LESS}\s{_VALUE}"),
    ("upper", rf"\b{_STAY}{_LESS}\s{_VALUE}"),
    ("lower", rf"\b{_STAY}(?:{_MORE}|exceed)\s{_VALUE}"),
    ("upper", rf"\b{_GREATEST}{_NOUN}{_OF}{_VALUE}"),
    ("lower", rf"\b{_LEAST}{_NOUN}{_OF}{_VALUE}"),
    ("upper", rf"\bmax(?:imum|imal)?\s{_VALUE}"),
    ("lower", rf"\bmin(?:imum|imal)?\s{_VALUE}"),
    ("upper", rf"\b(?:ceiling|cap|capacity){_NOUN}\s?(?:is|of|at|=|:|equals)\s?{_VALUE}"),
    ("lower", rf"\bfloor{_NOUN}\s?(?:is|of|at|=|:|equals)\s?{_VALUE}"),
    ("upper", rf"{_VALUE}{_UNIT}\s(?:is|as|being)\s(?:the|its|their|an?)\s{_GREATEST}"),
    ("lower", rf"{_VALUE}{_UNIT}\s(?:is|as|being)\s(?:the|its|their|an?)\s{_LEAST}"),
    ("upper", rf"{_VALUE}{_UNIT}\sor\s(?:less|fewer|lower|below)\b"),
    ("lower", rf"{_VALUE}{_UNIT}\sor\s(?:more|higher|greater|above)\b"),
    ("upper", rf"(?:<=?|\u2264)\s?{_VALUE}"),
    ("lower", rf"(?:>=?|\u2265)\s?{_VALUE}"),
    ("level", rf"\b{_FIXED}\s{_VALUE}(?!\s?(?:%|percent)?\s?(?:higher|lower|more|less|above))"),
]
_RULES = [(side, re.compile(pattern)) for side, pattern in _PATTERNS]
_SIGNS: list[tuple[Side, "re.Pattern[str]"]] = [
    ("lower", re.compile(rf"\bnon-?negative\b|\b{_NEVER}negative\b|\balways\spositive\b")),
    ("upper", re.compile(rf"\bnon-?positive\b|\b{_NEVER}positive\b|\balways\snegative\b")),
]
_PAST = re.compile(
    r"\b(?:was|were|had|did|didn't|wasn't|weren't|has\sbeen|have\sbeen|historical(?:ly)?|in\sthe\spast"
    r"|previous(?:ly)?|so\sfar|ago)\b"
)
_PARTS = re.compile(
    r"[,;:](?!\d)|\s(?:and|but|while|whereas|which|that|corresponding|because|since|so)\s"
    r"|\.\s|[()]"
)


class Bound(NamedTuple):
    """Bound that a sentence states.

    Attributes:
        lower: least value; None if there is none.
        upper: largest value; equal to ``lower`` if the sentence states the value itself.
    """

    lower: float | None = None
    upper: float | None = None


def find_bound(marked: str, subject: str | None) -> Bound | None:
    """Return the bound of the subject that a sentence states, or None.

    Bounds of other quantities, and facts about the past, are left out. Of several bounds of one
    side the narrowest holds.

    Args:
        marked: the sentence in lower case, with marks in place of times and durations.
        subject: the quantity that is forecast, or None if it is unknown.
    """
    lower, upper = list[float](), list[float]()
    text = marked.replace("\u2212", "-")
    for side, pattern in _RULES:
        for match in pattern.finditer(text):
            if not _speaks_of(match, text, subject):
                continue
            low, high = _numbers(match, side)
            text = text[: match.start()] + " " * len(match[0]) + text[match.end() :]
            lower += [] if low is None else [low]
            upper += [] if high is None else [high]
    for side, pattern in _SIGNS:
        for match in pattern.finditer(text):
            if _speaks_of(match, text, subject):
                (lower if side == "lower" else upper).append(0.0)
    if not lower and not upper:
        return None
    found = Bound(max(lower, default=None), min(upper, default=None))
    if found.lower is not None and found.upper is not None and found.lower > found.upper:
        return None
    return found


def _numbers(match: "re.Match[str]", side: Side) -> tuple[float | None, float | None]:
    """Return the lower and the upper bound of a match."""
    if side == "both":
        low, high = number(match["low"].lstrip("+")), number(match["high"].lstrip("+"))
        return (low, high) if low <= high else (None, None)
    value = number(match["n"].lstrip("+"))
    return (
        value if side in ("lower", "level") else None,
        value if side in ("upper", "level") else None,
    )


def _speaks_of(match: "re.Match[str]", text: str, subject: str | None) -> bool:
    """Return whether a match is about the subject, and not about the past."""
    before = _PARTS.split(text[: match.start()])[-1]
    after = _PARTS.split(text[match.end() :])[0]
    if _PAST.search(f"{before} {match[0]} {after}"):
        return False
    noun = match.groupdict().get("noun") or ""
    if noun.strip():
        return concerns(noun if words(noun) else before, subject)
    return concerns(before if words(before) else after, subject)
