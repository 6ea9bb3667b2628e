"""Numbers of size in a sentence: "40 percent", "a third", "three times", "fivefold", "double".

Only the first number of size is used. Times of day, dates and counts are not sizes: a number
counts if a percent sign, "times", "fold" or the like stands beside it, or if it is a fraction.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

MEANINGS = ("of", "up", "down")  # 40 % of normal, 40 % more, 40 % less
SMALLEST = 0.02  # least factor: 98 percent less
LARGEST = 20.0  # greatest factor
_SMALL = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "twenty": 20,
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
    "hundred": 100,
    "a hundred": 100,
    "one hundred": 100,
}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "tenth": 10}
_MULTIPLES = {
    "double": 2,
    "doubled": 2,
    "doubling": 2,
    "doubles": 2,
    "twice": 2,
    "twofold": 2,
    "triple": 3,
    "tripled": 3,
    "tripling": 3,
    "triples": 3,
    "quadruple": 4,
    "quadrupled": 4,
}
_NUMBER = r"\d+(?:[.,]\d+)?|" + "|".join(sorted(_SMALL, key=len, reverse=True))
_HALF = r"(?P<half>\s+and\s+a\s+half)?"
_PERCENT = re.compile(rf"(?P<n>\b(?:{_NUMBER})){_HALF}\s*(?:%|per\s?cent\b)", re.I)
_TIMES = re.compile(
    rf"(?P<n>\b(?:{_NUMBER})){_HALF}(?:\s*(?:times|-?fold)\b|x\b)"
    rf"|(?:factor\s+(?:of\s+)?|multiplied\s+by\s+)(?P<m>{_NUMBER})(?P<half2>\s+and\s+a\s+half)?",
    re.I,
)
_MULTIPLE = re.compile(rf"\b(?P<n>{'|'.join(_MULTIPLES)})\b", re.I)
_FRACTION = re.compile(
    rf"\b(?:(?P<n>a|one|two|three|four)[\s-]+)?(?P<d>half|{'|'.join(_PARTS)})s?\b", re.I
)
_AND_A_HALF = re.compile(r"\band\s+a\s+half\b", re.I)


class StatedNumber(NamedTuple):
    """Number of size in a sentence.

    Args:
        kind: ``percent``, ``times`` or ``fraction``.
        value: the number: 40 percent is 0.4, three times is 3, a third is 1/3.
    """

    kind: str
    value: float


def stated_number(sentence: str) -> StatedNumber | None:
    """Return the number of size in a sentence, or None."""
    if found := _PERCENT.search(sentence):
        half = 0.5 if found["half"] else 0.0
        return StatedNumber("percent", (_value(found["n"]) + half) / 100)
    if found := _TIMES.search(sentence):
        half = 0.5 if found["half"] or found["half2"] else 0.0
        return StatedNumber("times", _value(found["n"] or found["m"]) + half)
    if found := _MULTIPLE.search(sentence):
        return StatedNumber("times", float(_MULTIPLES[found["n"].lower()]))
    if found := _FRACTION.search(_AND_A_HALF.sub("", sentence)):
        count = _SMALL.get((found["n"] or "one").lower(), 1)
        return StatedNumber("fraction", count / _PARTS[found["d"].lower()])
    return None


def log_factors(sentences: Sequence[str]) -> Float[Tensor, "sentences meanings"]:
    """Return the log factor of each meaning that the number of a sentence can have.

    Returns:
        One column per meaning in ``MEANINGS``: the value is this share of normal, is higher by it,
        or lower by it. "Three times lower" is a third. NaN where a sentence has no number of size.
    """
    table = torch.full((len(sentences), len(MEANINGS)), torch.nan)
    for row, sentence in enumerate(sentences):
        found = stated_number(sentence)
        if found is not None and found.value > 0:
            down = 1 / found.value if found.kind == "times" else 1 - found.value
            factors = torch.tensor([found.value, 1 + found.value, down])
            table[row] = factors.clamp(SMALLEST, LARGEST).log()
    return table


def _value(written: str) -> float:
    """Read a number in digits or words."""
    known = _SMALL.get(written.lower())
    return float(written.replace(",", ".")) if known is None else float(known)
