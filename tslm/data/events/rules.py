"""Effects of statements by rules: numbers, and a short list of words for up, down and none.

It is the control that reads without a language model.
"""

import re
from typing import NamedTuple

from tslm.data.events.words import DIGITS, number

_N = rf"(?P<n>{DIGITS}|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty)"
_UP = (
    r"(?:increas|ris(?:e|es|ing)|rose|grow|grew|jump|surg|soar|climb|boost|spik|gain|up\b|higher|more\b"
    r"|above|excess|additional|elevat|uptick)"
)
_DOWN = (
    r"(?:decreas|declin|drop|fall|fell|reduc|dip|lower|less\b|fewer|cut\b|down\b|below|slump|plung"
    r"|shrink|shrank|weaken|diminish|los[es])"
)
_USUAL = r"(?:usual|normal|typical|average|regular|ordinary|standard|expected)"
_NONE = re.compile(
    r"\bno\s(?:\w+\s)?(?:withdrawals?|readings?|sales|traffic|visitors?|production|output|activit(?:y|ies)"
    r"|orders|customers|records?|recordings?|data|service|trips|power|consumption|demand|use|usage)\b"
    r"|\b(?:zero|nothing|none)\b|\boffline\b|\bout\sof\s(?:service|order|operation)\b"
    r"|\b(?:is|are|be|was|were|been|stays?|remains?)\s(?:temporarily\s|fully\s|completely\s)?(?:closed|shut"
    r"|suspended|halted|unavailable|inoperative|switched\soff|turned\soff|stopped|depleted)\b"
    r"|\b(?:blackout|outage|shutdown|shut\sdown|closure)\b|\bunder\smaintenance\b",
    re.IGNORECASE,
)
_FACTORS = [
    re.compile(rf"\b{_N}(?:\s|-)?(?:times|x|fold)\b", re.IGNORECASE),
    re.compile(rf"\bby\sa\sfactor\sof\s{_N}", re.IGNORECASE),
]
_WORDS = [
    (re.compile(r"\b(?:doubl\w+|twice|twofold|double)\b", re.IGNORECASE), 2.0),
    (re.compile(r"\b(?:tripl\w+|threefold|thrice)\b", re.IGNORECASE), 3.0),
    (re.compile(r"\b(?:quadrupl\w+|fourfold)\b", re.IGNORECASE), 4.0),
    (re.compile(r"\bfivefold\b", re.IGNORECASE), 5.0),
    (re.compile(r"\btenfold\b", re.IGNORECASE), 10.0),
    (re.compile(r"\b(?:halv\w+|half)\b", re.IGNORECASE), 0.5),
]
_PERCENT = rf"{_N}\s?(?:%|percent\b|per\scent\b)"
_LESS_PERCENT = [
    re.compile(
        rf"\b{_DOWN}\w*(?:\s\w+){{0,5}}?\s(?:by|of)\s(?:about\s|around\s|approximately\s)?{_PERCENT}",
        re.IGNORECASE,
    ),
    re.compile(rf"{_PERCENT}\s(?:\w+\s)?{_DOWN}", re.IGNORECASE),
]
_MORE_PERCENT = [
    re.compile(
        rf"\b{_UP}\w*(?:\s\w+){{0,5}}?\s(?:by|of)\s(?:about\s|around\s|approximately\s)?{_PERCENT}",
        re.IGNORECASE,
    ),
    re.compile(rf"{_PERCENT}\s(?:\w+\s)?{_UP}", re.IGNORECASE),
]
_TO_PERCENT = re.compile(rf"{_PERCENT}\s(?:of\s(?:\w+\s){{0,3}}?{_USUAL}|capacity)", re.IGNORECASE)
_SLOPE = re.compile(
    rf"\b(?P<way>increas\w*|ris\w*|grow\w*|decreas\w*|fall\w*|declin\w*|drops?)\sby\s{_N}\s"
    r"(?:at\s|in\s)?(?:every|each|per|an?)\s(?P<unit>second|minute|hour|day|week|month|year|step)\b",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"\b(?:sharp|strong|massive|dramatic|significant|huge|heav|severe|surg|soar|plung)\w*",
    re.IGNORECASE,
)
_WEAK = re.compile(r"\b(?:slight|small|minor|mild|little|modest)\w*", re.IGNORECASE)
UP, DOWN, STRONG, WEAK = 1.3, 0.75, 2.0, 0.4  # factors of words without a number; by hand


class Rule(NamedTuple):
    """Effect that rules find in a statement.

    Attributes:
        factor: factor on the usual level.
        replaced: share by which the value is replaced by zero, 0 or 1.
        slope: what the value gains at every ``unit``, beginning with the span.
        unit: unit of time of the slope.
        certain: True if a number or a word for none was found, not only a word for up or down.
    """

    factor: float = 1.0
    replaced: float = 0.0
    slope: float = 0.0
    unit: str = "step"
    certain: bool = True


def effect_of(statement: str) -> Rule | None:
    """Return the effect of a statement by rules; None if they find none.

    Of several numbers the last one holds: "10 times the usual, but in this case only 4 times".
    """
    slope = _SLOPE.search(statement)
    if slope is not None:
        sign = -1 if re.match("dec|fal|drop", slope["way"].lower()) else 1
        return Rule(slope=sign * number(slope["n"]), unit=slope["unit"].lower())
    found = _numbers(statement)
    if found:
        return Rule(factor=max(found)[1])
    if _NONE.search(statement):
        return Rule(replaced=1.0)
    return _direction(statement)


def _numbers(statement: str) -> list[tuple[int, float]]:
    """Return place and factor of each number that tells how much."""
    found = list[tuple[int, float]]()
    for pattern in _FACTORS:
        found += [(each.end(), number(each["n"])) for each in pattern.finditer(statement)]
    for pattern, factor in _WORDS:
        found += [(each.end(), factor) for each in pattern.finditer(statement)]
    found += [(m.end(), number(m["n"]) / 100) for m in _TO_PERCENT.finditer(statement)]
    for patterns, sign in ((_LESS_PERCENT, -1), (_MORE_PERCENT, 1)):
        for pattern in patterns:
            for match in pattern.finditer(statement):
                share = 1 + sign * number(match["n"]) / 100
                found.append((match.end(), max(share, 0.0)))
    return found


def _direction(statement: str) -> Rule | None:
    """Return the effect of a word for up or down, the last one of a statement."""
    ways = [
        (match.start(), size)
        for pattern, size in ((_UP, UP), (_DOWN, DOWN))
        for match in re.finditer(rf"\b{pattern}", statement, re.IGNORECASE)
    ]
    if not ways:
        return None
    size = max(ways)[1]
    power = STRONG if _STRONG.search(statement) else WEAK if _WEAK.search(statement) else 1.0
    return Rule(factor=size**power, certain=False)
