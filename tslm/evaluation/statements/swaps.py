"""Other sentences in place of the true ones: only a paraphrase should change little."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from tslm.evaluation.statements.generator import UNSEEN_KINDS, Kind, Statement, generate
from tslm.evaluation.statements.text_swaps import CONSTANT, OTHER

SWAPS = ("empty", "constant", "shuffled", "other", "paraphrase")
POOL = 3000  # statements among which a paraphrase is looked for


def swapped(swap: str, statements: Sequence[Statement], part: str) -> list[str] | None:
    """Return another sentence for each statement, or None if there is none.

    Args:
        swap: ``empty``, ``constant``, ``shuffled`` (the sentence of another statement), ``other``
            (of another domain) or ``paraphrase`` (another frame with the same effect).
        statements: the statements.
        part: ``unseen kinds`` has its own kinds.
    """
    count = len(statements)
    if swap == "empty":
        return [""] * count
    if swap == "constant":
        return [CONSTANT] * count
    if swap == "other":
        return [OTHER[number % len(OTHER)] for number in range(count)]
    if swap == "shuffled":
        order = np.random.default_rng(0).permutation(count)
        return [statements[number].text for number in np.roll(order, 1)[np.argsort(order)]]
    kinds = UNSEEN_KINDS if part == "unseen kinds" else None
    split = statements[0].split
    return [_paraphrase(one, _pool(split, kinds)) for one in statements]


@cache
def _pool(split: str, kinds: tuple[Kind, ...] | None) -> tuple[Statement, ...]:
    """Generate statements among which paraphrases are looked for."""
    count = POOL if kinds is None else POOL // 3
    more = {} if kinds is None else {"kinds": kinds}
    return tuple(generate(count, split, seed=2, **more))  # type: ignore[arg-type]


def _paraphrase(statement: Statement, pool: Sequence[Statement]) -> str:
    """Return the sentence of another frame whose effect is the nearest of the same kind."""

    def distance(other: Statement) -> float:
        return abs(other.log_factor - statement.log_factor) + abs(other.shift - statement.shift)

    same = [
        other
        for other in pool
        if (other.kind, other.shape) == (statement.kind, statement.shape)
        and other.frame != statement.frame
    ]
    return min(same, key=distance).text if same else statement.text
