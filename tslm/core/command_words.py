"""Words of the command line, ``key=value``, before Hydra's grammar sees any of them.

A file name is no expression: what takes a path, a name or a sentence is taken as it was typed.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tslm.core.errors import ConfigError

TEXTS = {
    "ablation",
    "alias",
    "backbone",
    "data",
    "decimal",
    "encoding",
    "examples",
    "fit_on",
    "forecasts",
    "futr",
    "holidays",
    "model",
    "out",
    "pretrained",
    "prompt",
    "repo",
    "resample",
    "revision",
    "sep",
    "series",
    "static",
    "target_col",
    "time_col",
    "time_format",
    "tz",
    "val_data",
}  # taken as typed; quotes around are taken off, ~/ is the home folder, null is nothing
LISTS = {
    "baselines",
    "futr_exog",
    "hist_exog",
    "id_col",
    "ids",
    "results",
    "static_exog",
}  # of such texts
SHOWN = 80  # letters of a word in a message
KEY = re.compile(r"[A-Za-z_][\w.+-]*")
MARKED = re.compile(r"(\+|~)budget\.arms\.[^\s=.]+")  # arms come and go, settings do not
QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.S)
PIECE = re.compile(rf"\s*({QUOTED.pattern}|\[[^\]]*\]|[^,]*?)\s*,", re.S)


@dataclass(frozen=True)
class Word:
    """One setting as it was typed.

    Args:
        key: dotted; ``~`` and ``+`` in front of it take an arm of a budget away, or add one.
        value: what stands after the first ``=``.
    """

    key: str
    value: str

    @classmethod
    def of(cls, word: str) -> "Word":
        """Split a word.

        Raises:
            ConfigError: if it is no setting.
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
        """The word in a message, not the whole of a long one."""
        word = f"{self.key}={self.value}"
        return word if len(word) <= SHOWN else f"{word[:SHOWN]}..."

    @property
    def text(self) -> str | None:
        """The value as text: without quotes around it, None if it is null.

        Raises:
            ConfigError: if it is empty.
        """
        if not self.value and self.key != "prompt":
            raise ConfigError(f"{self.key}= has no value. Write one, or leave {self.key} out.")
        return _text(self.value)

    @property
    def texts(self) -> list[str] | None:
        """The value as a list of texts, which brackets hold; one text is a list of one.

        Raises:
            ConfigError: if it is several texts without brackets.
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
    """The settings of a command.

    Raises:
        ConfigError: if a word is none, or a key stands there twice.
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
    """What was meant by a word that is no setting, as a sentence, if that can be told."""
    plain = word.lstrip("-")
    if "=" not in plain and plain.lower().endswith((".csv", ".tsv", ".parquet", ".xlsx")):
        return f" Did you mean data={plain}?"
    key, equals, value = plain.partition("=")
    if word.startswith("-") and KEY.fullmatch(key):
        return f" Did you mean {key}={value if equals else '...'}?"
    return ""


def pieces(value: str) -> list[str]:
    """What commas part, where no quotes hold it together."""
    return [match[1] for match in PIECE.finditer(f"{value},")]


def _text(value: str) -> str | None:
    if quoted := QUOTED.fullmatch(value):
        inner = quoted[1] if quoted[1] is not None else quoted[2]
        return re.sub(r"\\(['\"\\])", r"\1", inner)
    if value == "null":
        return None
    return os.path.expanduser(value) if value.startswith("~/") else value  # noqa: PTH111
