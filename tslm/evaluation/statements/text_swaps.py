"""Swaps of statements: controls that leave spans and bounds, and change what is said."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from tslm.core.errors import ConfigError
from tslm.core.messages import unknown_choice
from tslm.data.events.table import EventTable

CONSTANT = "Something will happen."
OTHER = (  # sentences about nothing that a series could measure
    "The museum shows paintings of the seventeenth century.",
    "Whales breathe air and feed their young with milk.",
    "The poem has four stanzas of unequal length.",
    "Granite is harder than limestone.",
    "The committee read the minutes of its last meeting.",
    "Her brother plays the cello in a quartet.",
    "The comet was first described by a monk.",
    "Basil grows well beside tomatoes.",
)
PARAPHRASE = "We were informed of the following. {}"


def swapped(table: EventTable, how: str, seed: int = 0) -> EventTable:
    """Return a table with other texts.

    Args:
        table: the statements.
        how: ``empty``; ``constant`` (one sentence for all); ``shuffled`` (texts of other rows);
            ``other`` (sentences of another domain); ``paraphrase`` (the same in other words, which
            should change little).
        seed: seed of ``shuffled``.

    Raises:
        ConfigError: if there is no such swap.
    """
    if how not in SWAPS:
        raise ConfigError(unknown_choice("text", how, list(SWAPS)))
    texts = SWAPS[how](table.text, np.random.default_rng(seed))
    return replace(
        table, text=tuple(new if old else "" for old, new in zip(table.text, texts, strict=True))
    )


def _shuffled(texts: tuple[str, ...], dice: np.random.Generator) -> list[str]:
    """Exchange texts, so that no row has its own, unless all rows have the same text."""
    order = dice.permutation(len(texts))
    place = np.empty_like(order)
    place[order] = np.roll(order, 1)
    return [texts[row] for row in place]


Swap = Callable[[tuple[str, ...], np.random.Generator], list[str]]
SWAPS: dict[str, Swap] = {
    "empty": lambda texts, _: [" "] * len(texts),
    "constant": lambda texts, _: [CONSTANT] * len(texts),
    "shuffled": _shuffled,
    "other": lambda texts, _: [OTHER[row % len(OTHER)] for row in range(len(texts))],
    "paraphrase": lambda texts, _: [PARAPHRASE.format(text) for text in texts],
}
