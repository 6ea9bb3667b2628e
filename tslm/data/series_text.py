"""A prompt that names columns: one sentence a series, filled in with what holds for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Any

import numpy as np
import pandas as pd

from tslm.core.errors import ConfigError, DataError
from tslm.core.messages import naming
from tslm.data.columns import Columns
from tslm.data.covariates.static import static_values
from tslm.data.frame import Frame

ID = "unique_id"


@dataclass(frozen=True)
class PromptTemplate:
    """Words, and the names of columns between them.

    Args:
        pieces: words, and the column whose value follows them; None after the last ones.
    """

    pieces: tuple[tuple[str, str | None], ...] = ()

    @classmethod
    def parse(cls, prompt: str | None) -> "PromptTemplate":
        """Read a prompt such as ``"{store}, {city}: daily sales"``; ``{{`` is a brace.

        Raises:
            ConfigError: if a brace holds anything but a name. Nothing in it is looked up or run.
        """
        if prompt is None or "{" not in prompt:
            return cls()
        try:
            parts = list(Formatter().parse(prompt))
        except ValueError as error:
            raise ConfigError(f"prompt={prompt!r} cannot be read: {error}. {_HOW}") from error
        for _, name, spec, conversion in parts:
            if spec or conversion or (name is not None and not _is_name(name)):
                raise ConfigError(f"prompt={prompt!r} has more than names in braces. {_HOW}")
        return cls(tuple((words, name) for words, name, *_ in parts))

    @property
    def names(self) -> list[str]:
        """What it names, each once."""
        return list(dict.fromkeys(name for _, name in self.pieces if name is not None))

    def columns(self, own: Columns) -> list[str]:
        """The columns it needs besides the id."""
        return [name for name in self.names if name not in (ID, own.id)]

    def check(self, here: Iterable[Any], own: Columns) -> None:
        """Refuse names that no column has, and columns that differ from row to row.

        Raises:
            ConfigError: naming the columns that exist.
        """
        taken = {own.time, own.target, "ds", "y"}
        known = [str(name) for name in here if name not in taken]
        for name in self.columns(own):
            if name not in known:
                raise ConfigError(
                    f"The prompt names {{{name}}}, and there is no such column that holds for a "
                    f"whole series. There is {naming(dict.fromkeys([*known, ID]), 30)}. Add it to "
                    "the frame or to static_df; {{ is a brace."
                )

    def fill(self, frame: Frame, own: Columns) -> Sequence[str] | None:
        """What it says of each series of a frame; None if it has no braces.

        Raises:
            DataError: if a value is missing, or is not one a series.
        """
        if not self.pieces:
            return None
        columns = self.columns(own)
        values = static_values(frame.table, columns).reindex(frame.ids)
        for name in columns:
            if (absent := values[name].isna().to_numpy()).any():
                raise DataError(
                    f"The prompt names {{{name}}}, which is missing in series "
                    f"{naming(frame.ids[absent])}. Fill it in, or leave it out of the prompt."
                )
        said = {name: [format_value(value) for value in values[name]] for name in columns}
        said |= {name: [format_value(value) for value in frame.ids] for name in (ID, own.id)}
        return [
            "".join(
                words + ("" if name is None else said[name][row]) for words, name in self.pieces
            )
            for row in range(len(frame.ids))
        ]


def format_value(value: Any) -> str:
    """A value in words: whole numbers without a point, days without a time."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return str(value.date())
    return str(value)


def check_series_texts(stored: Any, series: int) -> Sequence[str] | None:
    """What a saved model says of each of its series.

    Raises:
        DataError: if it is no sentence a series.
    """
    if stored is None:
        return None
    whole = isinstance(stored, list) and len(stored) == series
    if not whole or not all(isinstance(text, str) for text in stored):
        raise DataError(f"The saved model must say one sentence of each of {series} series.")
    return list(stored)


_HOW = "Write names of columns, as in '{store}, {city}: daily sales', and {{ for a brace."


def _is_name(name: str) -> bool:
    return bool(name) and not set(name) & set(".[]") and not name.isdigit()
