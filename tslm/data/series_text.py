"""Text per series: a prompt template filled with the values of columns."""

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
    """Template of a prompt, with names of columns in braces.

    Attributes:
        pieces: pairs of text and the column whose value follows it; None after the last text.
        setting: name of the setting, for messages.
    """

    pieces: tuple[tuple[str, str | None], ...] = ()
    setting: str = "prompt"

    @classmethod
    def parse(cls, prompt: str | None, setting: str = "prompt") -> "PromptTemplate":
        """Parse a prompt such as ``"{store}, {city}: daily sales"``; ``{{`` is a literal brace.

        ``setting`` is the name of the setting. Names are never evaluated as code, attributes or
        indices.

        Raises:
            ConfigError: if braces hold anything but a name.
        """
        if prompt is None or "{" not in prompt:
            return cls(setting=setting)
        try:
            parts = list(Formatter().parse(prompt))
        except ValueError as error:
            raise ConfigError(f"{setting}={prompt!r} cannot be read: {error}. {_HOW}") from error
        for _, name, spec, conversion in parts:
            if spec or conversion or (name is not None and not _is_name(name)):
                raise ConfigError(f"{setting}={prompt!r} has more than names in braces. {_HOW}")
        return cls(tuple((words, name) for words, name, *_ in parts), setting)

    @property
    def names(self) -> list[str]:
        """Return the names in braces, each once."""
        return list(dict.fromkeys(name for _, name in self.pieces if name is not None))

    def columns(self, own: Columns) -> list[str]:
        """Return the columns it needs besides the id."""
        return [name for name in self.names if name not in (ID, own.id)]

    def check(self, here: Iterable[Any], own: Columns) -> None:
        """Refuse names without a column, and those of the time and target column.

        Args:
            here: names of the columns that exist.
            own: id, time and target columns.

        Raises:
            ConfigError: if there are such; names the columns that exist.
        """
        taken = {own.time, own.target, "ds", "y"}
        known = [str(name) for name in here if name not in taken]
        for name in self.columns(own):
            if name not in known:
                raise ConfigError(
                    f"The {self.setting} names {{{name}}}, and there is no such column with one "
                    f"value per series. There is {naming(dict.fromkeys([*known, ID]), 30)}. Add "
                    "it to the frame or to static_df; write {{ for a brace."
                )

    def fill(self, frame: Frame, own: Columns) -> Sequence[str] | None:
        """Return the prompt of each series of a frame; None if the template has no braces.

        Raises:
            DataError: if a value is missing, or a column has several values in one series.
        """
        if not self.pieces:
            return None
        columns = self.columns(own)
        values = static_values(frame.table, columns).reindex(frame.ids)
        for name in columns:
            if (absent := values[name].isna().to_numpy()).any():
                raise DataError(
                    f"The {self.setting} names {{{name}}}, which is missing in series "
                    f"{naming(frame.ids[absent])}. Fill it in, or leave it out of {self.setting}."
                )
        texts = {name: [format_value(value) for value in values[name]] for name in columns}
        texts |= {name: [format_value(value) for value in frame.ids] for name in (ID, own.id)}
        return [
            "".join(
                words + ("" if name is None else texts[name][row]) for words, name in self.pieces
            )
            for row in range(len(frame.ids))
        ]


def format_value(value: Any) -> str:
    """Format a value as text: whole numbers without a point, midnights as a date."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, pd.Timestamp) and value == value.normalize():
        return str(value.date())
    return str(value)


_HOW = "Write names of columns, as in '{store}, {city}: daily sales', and {{ for a brace."


def _is_name(name: str) -> bool:
    return bool(name) and not set(name) & set(".[]") and not name.isdigit()
