"""Rows of series as recursions read them: values, gaps, and where short rows begin."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Step = tuple[Tensor, Tensor | None, Tensor | None]  # values, observed, begun of all rows


class Course(NamedTuple):
    """Rows to smooth.

    Args:
        values: 0 where missing.
        observed: 1 where a value is observed, else 0.
        begun: False before the first value of a row; None if no row is short.
    """

    values: Float[Tensor, "n L"]
    observed: Float[Tensor, "n L"]
    begun: Bool[Tensor, "n L"] | None

    @property
    def whole(self) -> bool:
        """Return True if no value is missing."""
        return bool(self.observed.all())

    @classmethod
    def of(cls, rows: Float[Tensor, "n L"]) -> "Course":
        """Return the course of rows with NaN where a value is missing."""
        observed = ~rows.isnan()
        begun = observed.long().cumsum(1) > 0
        return cls(torch.nan_to_num(rows), observed.to(rows), None if bool(begun.all()) else begun)

    def take(self, rows: Int[Tensor, " n"]) -> "Course":
        """Return some rows."""
        begun = None if self.begun is None else self.begun[rows]
        return Course(self.values[rows], self.observed[rows], begun)

    def steps(self) -> list[Step]:
        """Return each step: its values ``[n]``, and where they are observed and have begun.

        Each of the last two is None where it is true of all rows.
        """
        values = self.values.T.contiguous().unbind()
        observed = _unless_all(self.observed)
        begun = [None] * len(values) if self.begun is None else _unless_all(self.begun)
        return list(zip(values, observed, begun, strict=True))


def _unless_all(flags: Tensor) -> list[Tensor | None]:
    """Return the flags ``[n]`` of each step; None where all are set."""
    every = flags.bool().all(0).tolist()
    steps = flags.T.contiguous().unbind()
    return [None if all_set else step for all_set, step in zip(every, steps, strict=True)]
