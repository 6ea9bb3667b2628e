"""Expressions of size in English: "triple the normal level", "40 percent below normal", "soar".

An expression fits one grammatical place: P after "will be", V after "will", N as a noun phrase.
Its words belong to one split (see ``vocabulary``), and its pattern too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tslm.evaluation.statements import vocabulary as words

Split = Literal["train", "val", "test"]
Form = Literal["P", "V", "N"]

NUMBERS = {
    1.5: "one and a half",
    2: "two",
    2.5: "two and a half",
    3: "three",
    4: "four",
    5: "five",
}
TENS = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
FRACTIONS = {
    "half": 1 / 2,
    "a third": 1 / 3,
    "one third": 1 / 3,
    "a quarter": 1 / 4,
    "one quarter": 1 / 4,
    "a fifth": 1 / 5,
    "two thirds": 2 / 3,
    "three quarters": 3 / 4,
    "a tenth": 1 / 10,
    "two fifths": 2 / 5,
}
# patterns by way of stating a size and grammatical place; further ones by split
_PATTERNS: Mapping[str, Mapping[str, str]] = {
    "times": {
        "P": "{n} times {normal}|at {n} times {normal}|{n} times {higher} {normal}",
        "V": "{rise} to {n} times {normal}|{rise} by a factor of {n}",
        "N": "{n} times {normal}|a {a_rise} to {n} times {normal}|a {a_rise} by a factor of {n}",
    },
    "up": {
        "P": "{x} {higher} {normal}",
        "V": "{rise} by {x}|be {x} {higher} {normal}",
        "N": "a {a_rise} of {x}|a {x} {a_rise}|{x} {higher} {normal}",
    },
    "down": {
        "P": "{x} {lower} {normal}",
        "V": "{fall} by {x}|be {x} {lower} {normal}",
        "N": "a {a_fall} of {x}|a {x} {a_fall}|{x} {lower} {normal}",
    },
    "of": {
        "P": "{x} of {normal}|at {x} of {normal}",
        "V": "be at {x} of {normal}|come to {x} of {normal}",
        "N": "{x} of {normal}|values at {x} of {normal}",
    },
    "fall to": {
        "P": "only {x} of {normal}|down to {x} of {normal}",
        "V": "{fall} to {x} of {normal}|{fall} to {x}",
        "N": "a {a_fall} to {x} of {normal}",
    },
    "vague up": {
        "P": "{adverb} {higher} {normal}",
        "V": "{rise} {adverb}",
        "N": "a {adjective} {a_rise}",
    },
    "vague down": {
        "P": "{adverb} {lower} {normal}",
        "V": "{fall} {adverb}",
        "N": "a {adjective} {a_fall}",
    },
}
_FURTHER: Mapping[Split, Mapping[str, Mapping[str, str]]] = {
    "train": {
        "times": {"P": "{n}x {normal}|{n} times as high as {normal}", "V": "be {n} times as large"},
        "up": {"P": "increased by {x}|up {x}", "N": "+{x}"},
        "down": {"P": "decreased by {x}|reduced by {x}", "N": "-{x}"},
        "of": {"V": "reach {x} of {normal}|amount to {x} of {normal}"},
    },
    "val": {"times": {"P": "{n} times as much as on other days"}},
    "test": {
        "times": {"V": "be multiplied by {n}", "N": "a {n}-fold surge"},
        "up": {"P": "boosted by {x}", "N": "plus {x}"},
        "down": {"P": "slashed by {x}", "N": "minus {x}"},
        "of": {"V": "run at {x} of {normal}"},
    },
}
# share of each way, by hand
_SHARES = {
    "times": 0.17,
    "up": 0.17,
    "down": 0.18,
    "of": 0.07,
    "fall to": 0.09,
    "vague up": 0.1,
    "vague down": 0.1,
    "fixed": 0.12,
}


@dataclass(frozen=True)
class Size:
    """One expression of size.

    Args:
        text: the expression.
        factor: the factor that it means.
    """

    text: str
    factor: float


def draw_size(rng: np.random.Generator, split: Split, form: Form) -> Size:
    """Draw an expression of size for a grammatical place."""
    way = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
    if way == "fixed":
        fixed = [(f, t) for f, s, place, t in words.FIXED if s == split and place == form]
        factor, texts = fixed[rng.integers(len(fixed))]
        return Size(_pick(rng, texts), float(factor))
    patterns = _PATTERNS[way][form]
    if further := _FURTHER[split].get(way, {}).get(form):
        patterns += "|" + further
    number, value = _number(rng, way)
    gaps = {
        "n": number,
        "x": number,
        "rise": _pick(rng, words.RISE[split]),
        "fall": _pick(rng, words.FALL[split]),
        "a_rise": _pick(rng, words.A_RISE[split]),
        "a_fall": _pick(rng, words.A_FALL[split]),
        "higher": _pick(rng, words.HIGHER[split]),
        "lower": _pick(rng, words.LOWER[split]),
        "normal": _pick(rng, words.NORMAL[split]),
    }
    factor = {"up": 1 + value, "down": 1 - value}.get(way, value)
    if way.startswith("vague"):
        sizes = words.SIZES_UP if way.endswith("up") else words.SIZES_DOWN
        degree = str(rng.choice(list(sizes)))
        gaps["adverb"] = _pick(rng, words.ADVERBS[degree][split])
        gaps["adjective"] = _pick(rng, words.ADJECTIVES[degree][split])
        factor = sizes[degree]
    text = _pick(rng, patterns).format(**gaps)
    for vowel in "aeiou":
        text = text.replace(f" a {vowel}", f" an {vowel}")
        text = f"an {text[2:]}" if text.startswith(f"a {vowel}") else text
    return Size(text, factor)


def _number(rng: np.random.Generator, way: str) -> tuple[str, float]:
    """Draw a number that fits the way of stating a size, as text and as value."""
    if way == "times":
        value = float(rng.choice(list(NUMBERS)))
        return (NUMBERS[value] if rng.random() < 0.5 else f"{value:g}"), value
    if rng.random() < (0.2 if way == "up" else 0.4):
        name = str(rng.choice(list(FRACTIONS)))
        return name, FRACTIONS[name]
    highest = {"up": 150, "of": 200}.get(way, 90)
    percent = int(rng.integers(1, highest // 5 + 1)) * 5
    if rng.random() < 0.3:
        percent = int(rng.integers(5, highest))
    ways = [f"{percent}%", f"{percent} percent", f"{percent} %"]
    if percent % 10 == 0 and percent < 100:
        ways.append(f"{TENS[percent // 10]} percent")
    return str(rng.choice(ways)), percent / 100


def _pick(rng: np.random.Generator, texts: str) -> str:
    """Pick one of the texts between bars."""
    return str(rng.choice(texts.split("|")))
