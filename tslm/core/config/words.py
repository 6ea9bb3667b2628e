"""Words of the command line, ``key=value``.

Paths, names and sentences are read here as they were typed; all other values are read by Hydra's
grammar.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tslm.core.config.command_schema import TEXT, command_fields
from tslm.core.config.schema import value_fields
from tslm.core.errors import ConfigError
from tslm.core.plain_values import fits

_FIELDS = [*value_fields(), *command_fields(TEXT)]
LISTS = {field.name for field in _FIELDS if fits(["text"], field.type)}  # lists of texts
TEXTS = {  # texts, read as typed: outer quotes are removed, ~/ is the home folder, null is None
    field.name for field in _FIELDS if TEXT in field.metadata["tags"] and field.name not in LISTS
}
SHOWN = 80  # letters of a word in a message
KEY = re.compile(r"[A-Za-z_][\w.+-]*")
MARKED = re.compile(r"(\+|~)budget\.arms\.[^\s=.]+")  # only arms of a budget are added and removed
QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.S)
PIECE = re.compile(rf"\s*({QUOTED.pattern}|\[[^\]]*\]|[^,]*?)\s*,", re.S)


@dataclass(frozen=True)
class Word:
    """Setting as it was typed.

    Args:
        key: dotted name; ``~`` before it removes an arm of a budget, and ``+`` adds one.
        value: the text after the first ``=``.
    """

    key: str
    value: str

    @classmethod
    def of(cls, word: str) -> "Word":
        """Split a word at its first ``=``.

        Raises:
            ConfigError: if it is not a setting.
        """
        key, equals, value = word.partition("=")
        if MARKED.fullmatch(key) and (equals or key.startswith("~")):
            return cls(key, value)
        if not equals or not KEY.fullmatch(key.lstrip("+~")):
            raise ConfigError(
                f"{word} is not a setting.{_meant(word)} Settings are key=value, such as h=28, "
                "without dashes and without spaces around =."
            )
        return cls(key, value)

    @property
    def shown(self) -> str:
        """Shorten the word for a message."""
        word = f"{self.key}={self.value}"
        return word if len(word) <= SHOWN else f"{word[:SHOWN]}..."

    @property
    def text(self) -> str | None:
        """Return the value as text without quotes around it; null is None.

        Raises:
            ConfigError: if it is empty.
        """
        if not self.value and self.key != "prompt":
            raise ConfigError(f"{self.key}= has no value. Write one, or leave {self.key} out.")
        return _text(self.value)

    @property
    def texts(self) -> list[str] | None:
        """Return the texts in brackets as a list; one text without brackets is a list of one.

        Raises:
            ConfigError: if there are several texts without brackets.
        """
        value = self.value.strip()
        if value.startswith("[") and value.endswith("]"):
            inner = value[1:-1].strip()
            return [_text(piece) or piece for piece in pieces(inner)] if inner else []
        if len(pieces(value)) > 1:
            raise ConfigError(
                f"{self.key}={value} names several. Put them in brackets: {self.key}=[{value}]."
            )
        one = self.text
        return None if one is None else [one]


def split(words: Sequence[str]) -> list[Word]:
    """Split the words of a command into settings.

    Raises:
        ConfigError: if a word is not a setting, or a key is given twice.
    """
    found: dict[str, Word] = {}
    for word in map(Word.of, words):
        if word.key in found:
            raise ConfigError(
                f"{word.key} is given twice: {word.key}={found[word.key].value} and "
                f"{word.key}={word.value}. Give one of them."
            )
        found[word.key] = word
    return list(found.values())


def _meant(word: str) -> str:
    """Return a sentence with the likely meaning of a word that is not a setting, or no text."""
    plain = word.lstrip("-")
    if "=" not in plain and plain.lower().endswith((".csv", ".tsv", ".parquet", ".xlsx")):
        return f" Did you mean data={plain}?"
    key, equals, value = plain.partition("=")
    if word.startswith("-") and KEY.fullmatch(key):
        return f" Did you mean {key}={value if equals else '...'}?"
    return ""


def pieces(value: str) -> list[str]:
    """Split at commas outside of quotes and brackets."""
    return [match[1] for match in PIECE.finditer(f"{value},")]


def _text(value: str) -> str | None:
    """Remove outer quotes and expand ``~/``; null is None."""
    if quoted := QUOTED.fullmatch(value):
        inner = quoted[1] if quoted[1] is not None else quoted[2]
        return re.sub(r"\\(['\"\\])", r"\1", inner)
    if value == "null":
        return None
    return os.path.expanduser(value) if value.startswith("~/") else value  # noqa: PTH111
