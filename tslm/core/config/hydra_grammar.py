"""Values of the command line in Hydra's grammar, with Hydra's errors in plain English."""

import re
from collections.abc import Sequence
from itertools import product
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from tslm.core.config.words import LISTS, TEXTS, Word, pieces, split
from tslm.core.errors import ConfigError
from tslm.core.paths import is_group


def parsed_value(word: Word) -> Any:
    """Parse a value: a number, true, false, null, text, a list or a mapping.

    Raises:
        ConfigError: if it cannot be read, or is a sweep over several values.
    """
    if not word.value.isascii() and re.fullmatch(r"[\w ./-]+", word.value):
        return word.value  # letters that the grammar does not know
    try:
        (parsed,) = OverridesParser.create().parse_overrides([f"value={word.value}"])
        if not parsed.is_sweep_override():
            return parsed.value()
    except (HydraException, ValueError, RecursionError) as error:
        raise ConfigError(
            f"{word.shown} cannot be read. Write numbers and names as they are, "
            f"lists in brackets, and text with braces, commas or colons in quotes of its own: "
            f"{word.key}=\"'a, b'\"."
        ) from error
    raise ConfigError(
        f"{word.shown} names several values; -m runs each of them, and brackets "
        f"make a list: '{word.key}=[{word.value}]'."
    )


def sweep(words: Sequence[str]) -> list[list[str]]:
    """Return every combination of the values that words offer, in the order of Hydra's sweeper.

    Raises:
        ConfigError: if a word cannot be read.
    """
    return [list(job) for job in product(*map(_alternatives, split(words)))]


def _alternatives(word: Word) -> list[str]:
    """Return one word per value that a word of a sweep names."""
    if word.key in TEXTS | LISTS or is_group(word.key):
        return [f"{word.key}={value}" for value in pieces(word.value)]
    try:
        (parsed,) = OverridesParser.create().parse_overrides([f"value={word.value}"])
        values = parsed.sweep_string_iterator() if parsed.is_sweep_override() else [word.value]
        return [f"{word.key}={value}" for value in values]
    except (HydraException, ValueError, RecursionError) as error:
        raise ConfigError(f"{word.shown} cannot be read: {error}.") from error
