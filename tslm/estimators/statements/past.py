"""Effects of the statements of fit, as a fitted and a saved model have them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tslm.core.errors import DataError
from tslm.models.text.statement_memory import StatementMemory


@dataclass(frozen=True)
class PastStatements:
    """Effects of the statements of ``fit``.

    Attributes:
        memory: the statements and the effects they had.
        as_factors: True if effects are logarithms of factors; False if they are shifts in standard
            deviations, as for series with negative values.
        reader: identity of the reader of their sentences; empty without any.
    """

    memory: StatementMemory = field(default_factory=StatementMemory.empty)
    as_factors: bool = True
    reader: str = ""

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for ``from_state``."""
        facts = {"as_factors": self.as_factors, "reader": self.reader}
        return {**facts, **self.memory.state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "PastStatements":
        """Make past statements from their ``state``.

        Raises:
            DataError: if its values do not fit together.
        """
        factors, reader = state["as_factors"], state["reader"]
        if not isinstance(factors, bool) or not isinstance(reader, str):
            raise DataError("The saved past statements do not fit together.")
        return cls(StatementMemory.from_state(state), factors, reader)
