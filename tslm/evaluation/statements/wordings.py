"""Wordings of generated statements, from ``wordings.yaml``."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml


class Wordings(NamedTuple):
    """Sentences with gaps, and the words that fill the gaps, by split.

    Args:
        frames: sentences by kind and split.
        causes: events.
        nouns: names of series.
        when: beginnings with a time.
        levels: shifts in standard deviations, by their wording.
        places: places in a span from 0 to 1, by their wording.
    """

    frames: dict[str, dict[str, list[str]]]
    causes: dict[str, list[str]]
    nouns: dict[str, list[str]]
    when: dict[str, list[str]]
    levels: dict[str, dict[str, float]]
    places: dict[str, dict[str, float]]


@cache
def wordings() -> Wordings:
    """Return all wordings; the file is read once."""
    read: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("wordings.yaml").read_text())
    return Wordings(**read)
