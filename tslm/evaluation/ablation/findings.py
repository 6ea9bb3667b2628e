"""Summary of an ablation, also from the file that ``tslm ablate`` wrote."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tslm.core.errors import DataError


class Row(NamedTuple):
    """Errors of one arm at one horizon.

    Attributes:
        horizon: forecast horizon, in steps.
        arm: name of the arm.
        mse: mean squared error, standardised.
        mae: mean absolute error, standardised.
        verdict: verdict on the model, compared with this arm.
    """

    horizon: int
    arm: str
    mse: float
    mae: float
    verdict: str


@dataclass(frozen=True)
class Findings:
    """Verdicts of an ablation and the errors of its arms, with the model first.

    Attributes:
        data: name of the data.
        model: alias of the ablated model.
        sentences: one verdict per claim and horizon, as sentences.
        rows: one row per arm and horizon.
    """

    data: str
    model: str
    sentences: Sequence[str]
    rows: Sequence[Row]

    @classmethod
    def read(cls, path: str | Path) -> "Findings":
        """Read the file that ``tslm ablate`` wrote.

        Raises:
            DataError: if the file is missing or is something else.
        """
        try:
            return cls.of(json.loads(Path(path).read_bytes()))
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}).") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} is not the result of an ablation. Make one with "
                f"tslm ablate ... out={path}."
            ) from error

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "Findings":
        """Summarise the dict of ``Ablation.to_dict``, or the same read from a file.

        Raises:
            ValueError: if a number is not finite.
            KeyError: if something is missing.
            TypeError: if something has another type.
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
        """Return lines of Markdown: the verdicts as a list, and the arms as a table."""
        cells = [
            f"| {row.horizon} | {row.arm} | {row.mse:.4f} | {row.mae:.4f} | {row.verdict} |"
            for row in self.rows
        ]
        return [
            f"Does the language model help? Every arm was scored on the same windows held out of "
            f"{self.data}:",
            "",
            *[f"- {sentence}" for sentence in self.sentences],
            "",
            "| horizon | in place of the language model | MSE | MAE | the language model |",
            "|---|---|---|---|---|",
            *cells,
        ]


def _plain(text: Any) -> str:
    """Return text as one line that is safe in a Markdown table."""
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is not text")
    line = " ".join(text.split())
    return "".join(f"&#{ord(c)};" if c in "|<>[]`" else c for c in line)


def _number(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a finite number")
    return number
