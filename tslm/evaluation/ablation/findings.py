"""What an ablation found, in short, also for whoever has only its file."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tslm.core.errors import DataError


class Row(NamedTuple):
    """Errors of one arm at one horizon, and what the comparison with it says of the model."""

    horizon: int
    arm: str
    mse: float
    mae: float
    verdict: str


@dataclass(frozen=True)
class Findings:
    """The answers of an ablation and the errors of its arms, the model's own first.

    Args:
        data: what it was made on.
        model: the alias of the model in question.
        sentences: the answers.
        rows: one an arm and horizon.
    """

    data: str
    model: str
    sentences: Sequence[str]
    rows: Sequence[Row]

    @classmethod
    def read(cls, path: str | Path) -> "Findings":
        """Those of a file that ``tslm ablate`` has written.

        Raises:
            DataError: if it is missing or no such file.
        """
        try:
            return cls.of(json.loads(Path(path).read_bytes()))
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}).") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} is no result of an ablation. Make one with tslm ablate ... out={path}."
            ) from error

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Findings":
        """Those of ``Ablation.to_dict``, or of the same read from a file.

        Raises:
            ValueError: if a number is none; ``KeyError`` or ``TypeError`` if something is missing.
        """
        rows = [
            Row(
                int(arm["horizon"]),
                _plain(arm["arm"]),
                _number(arm["mse"]),
                _number(arm["mae"]),
                _plain(arm["verdict"]),
            )
            for arm in content["arms"]
        ]
        sentences = [_plain(answer["sentence"]) for answer in content["answers"]]
        return cls(_plain(content["data"]), _plain(content["model"]), sentences, rows)

    def to_markdown(self) -> list[str]:
        """The answers as a list, and the arms as a table."""
        cells = [
            f"| {row.horizon} | {row.arm} | {row.mse:.4f} | {row.mae:.4f} | {row.verdict} |"
            for row in self.rows
        ]
        return [
            f"Does the language model help? On windows held out of {self.data}, every arm on the "
            "same ones:",
            "",
            *[f"- {sentence}" for sentence in self.sentences],
            "",
            "| horizon | in place of the language model | MSE | MAE | the language model |",
            "|---|---|---|---|---|",
            *cells,
        ]


def _plain(text: Any) -> str:
    """Text that is one line of a table, whatever a file holds."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no text")
    line = " ".join(text.split())
    return "".join(f"&#{ord(c)};" if c in "|<>[]`" else c for c in line)


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no number")
    return number
