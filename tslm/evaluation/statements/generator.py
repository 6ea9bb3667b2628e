"""Generated statements about what is coming, with the effect that each of them means.

A statement is a sentence, and the effect is known: by which factor, by which shift in standard
deviations, with which shape over the span, or replaced by zero.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tslm.evaluation.statements.sizes import Split, draw_size
from tslm.evaluation.statements.wordings import wordings

Kind = Literal["factor", "replacement", "shift", "trend", "spike", "none", "calendar", "capacity"]
Shape = Literal["flat", "ramp", "first", "middle", "last"]
SEEN_KINDS: tuple[Kind, ...] = ("factor", "replacement", "shift", "trend", "spike", "none")
UNSEEN_KINDS: tuple[Kind, ...] = ("calendar", "capacity")
CAPACITIES = {
    "half": 1 / 2,
    "a third": 1 / 3,
    "a quarter": 1 / 4,
    "three quarters": 3 / 4,
    "two thirds": 2 / 3,
}
SHARES: dict[Kind, float] = {  # of the seen kinds, by hand
    "factor": 0.4,
    "replacement": 0.12,
    "shift": 0.12,
    "trend": 0.12,
    "spike": 0.08,
    "none": 0.16,
}
PLACES: dict[float, Shape] = {0.0: "first", 0.5: "middle", 1.0: "last"}
SMALLEST = 0.02  # least factor


@dataclass(frozen=True)
class Statement:
    """One sentence and the effect that it means.

    Args:
        text: the sentence.
        kind: kind of the effect.
        split: split of its wording.
        frame: sentence with gaps that was filled.
        log_factor: logarithm of the factor where the effect is largest.
        shift: shift in standard deviations.
        replaced: 1 if the value is replaced by 0.
        shape: course of the effect over the span.
    """

    text: str
    kind: Kind
    split: Split
    frame: str = ""
    log_factor: float = 0.0
    shift: float = 0.0
    replaced: float = 0.0
    shape: Shape = "flat"


def generate(
    count: int, split: Split, seed: int = 0, kinds: tuple[Kind, ...] = SEEN_KINDS
) -> list[Statement]:
    """Generate distinct statements.

    Args:
        count: number of statements.
        split: wordings to use.
        seed: the same seed gives the same statements.
        kinds: kinds of effect; unseen kinds exist in the split "test" only.
    """
    rng = np.random.default_rng([seed, ("train", "val", "test").index(split)])
    shares = np.array([SHARES.get(kind, 0.5) for kind in kinds])
    found: dict[str, Statement] = {}
    while len(found) < count:
        kind = kinds[rng.choice(len(kinds), p=shares / shares.sum())]
        statement = _statement(rng, kind, split)
        found.setdefault(statement.text, statement)
    return list(found.values())


def _statement(rng: np.random.Generator, kind: Kind, split: Split) -> Statement:
    """Draw one statement of a kind."""
    known = wordings()
    frame = str(rng.choice(known.frames[kind][split]))
    words = {
        "cause": str(rng.choice(known.causes[split])),
        "noun": str(rng.choice(known.nouns[split])),
        "k": str(rng.integers(2, 13)),
        "year": str(rng.integers(1985, 2020)),
    }
    log_factor, shift = 0.0, 0.0
    shape: Shape = "flat"
    for form in ("P", "V", "N"):
        if "{" + form + "}" in frame:
            size = draw_size(rng, split, form)
            words[form], log_factor = size.text, float(np.log(max(size.factor, SMALLEST)))
    if kind == "shift":
        level = str(rng.choice(list(known.levels[split])))
        words["level"], shift = level, known.levels[split][level]
    if kind == "trend":
        shape = "ramp"
    if kind == "spike":
        place = str(rng.choice(list(known.places[split])))
        words["place"] = place
        shape = PLACES[known.places[split][place]]
    if kind == "capacity":
        log_factor = _share(rng, frame, words)
    text = frame.format(**words)
    when = ""
    if rng.random() < 0.2:
        when = str(rng.choice(known.when[split])).format(**words)
    text = when + text if when else text[0].upper() + text[1:]
    if kind == "none":
        log_factor = 0.0
    return Statement(
        text=text,
        kind=kind,
        split=split,
        frame=frame,
        log_factor=log_factor,
        shift=shift,
        replaced=float(kind == "replacement"),
        shape=shape,
    )


def _share(rng: np.random.Generator, frame: str, words: dict[str, str]) -> float:
    """Draw a share of the capacity, in a word or in percent; return its logarithm."""
    if "{share}" in frame:
        words["share"] = str(rng.choice(list(CAPACITIES)))
        return float(np.log(CAPACITIES[words["share"]]))
    percent = int(rng.integers(2, 19)) * 5
    words["percent"] = f"{percent}%"
    return float(np.log(percent / 100))


def curve(shape: Shape, position: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the course of an effect over a span, 1 where it is largest.

    Args:
        shape: name of the course.
        position: 0 at the first step of the span to 1 at the last.
    """
    if shape == "flat":
        return np.ones_like(position)
    if shape == "ramp":
        return position
    centre = {"first": 0.0, "middle": 0.5, "last": 1.0}[shape]
    return np.exp(-0.5 * ((position - centre) / 0.15) ** 2)
