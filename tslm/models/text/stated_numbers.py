"""Numbers of size in a sentence: "40 percent", "a third", "three times", "fivefold", "double".

Only the first number of size is used. Times of day, dates and counts are not sizes: a number
counts if a percent sign, "times", "fold" or the like stands beside it, or if it is a fraction.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
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
_DEVIATIONS = re.compile(
    rf"(?:\b(?:(?P<part>half\s+an?)|(?P<n>{_NUMBER}|an?)){_HALF}\s+)"
    r"(?:standard\s+deviations?|std|sds?|sigmas?|deviations?)\b",
    re.I,
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


class Stated(NamedTuple):
    """Sizes that the numbers of sentences can mean; NaN where a sentence has no such number.

    Args:
        log_factors: log factor by each meaning in ``MEANINGS``: the value is this share of normal,
            is higher by it, or lower by it. "Three times lower" is a third.
        deviations: number of standard deviations, without a sign.
    """

    log_factors: Float[Tensor, "K meanings"]
    deviations: Float[Tensor, " K"]

    def take(self, rows: Int[Tensor, " n"]) -> "Stated":
        """Return the sizes of some sentences."""
        return Stated(self.log_factors[rows], self.deviations[rows])


def stated_sizes(sentences: Sequence[str]) -> Stated:
    """Return the sizes that the numbers of sentences can mean."""
    table = torch.full((len(sentences), len(MEANINGS)), torch.nan)
    deviations = torch.full((len(sentences),), torch.nan)
    for row, sentence in enumerate(sentences):
        if found := _DEVIATIONS.search(sentence):
            half = 0.5 if found["half"] else 0.0
            deviations[row] = 0.5 if found["part"] else _value(found["n"] or "one") + half
            continue
        number = stated_number(sentence)
        if number is not None and number.value > 0:
            table[row] = _meanings(number).clamp(SMALLEST, LARGEST).log()
    return Stated(table, deviations)


def _meanings(number: StatedNumber) -> Float[Tensor, " meanings"]:
    """Return the factor of each meaning; NaN for those that a number cannot have."""
    value = number.value
    if number.kind == "times":  # "three times higher" is used for "three times as high"
        return torch.tensor([value, torch.nan, 1 / value])
    return torch.tensor([value, 1 + value, 1 - value if value < 1 else torch.nan])


def _value(written: str) -> float:
    """Read a number in digits or words."""
    known = 1 if written.lower() in ("a", "an") else _SMALL.get(written.lower())
    return float(written.replace(",", ".")) if known is None else float(known)
