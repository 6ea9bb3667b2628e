"""Frames of whole series, which can be taken apart by series."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SeriesFrames:
    """Rows of series, and the rows of the same series in further tables.

    Attributes:
        ids: the id columns.
        rows: one row per series and time.
        futr: covariates of the steps ahead; None without any.
        static: one row per series; None without any.
    """

    ids: Sequence[str]
    rows: pd.DataFrame
    futr: pd.DataFrame | None = None
    static: pd.DataFrame | None = None

    @classmethod
    def of(
        cls,
        ids: Sequence[str],
        table: pa.Table,
        futr: pa.Table | None = None,
        static: pa.Table | None = None,
    ) -> "SeriesFrames":
        """Convert Arrow tables."""
        further = (None if part is None else part.to_pandas() for part in (futr, static))
        return cls(ids, table.to_pandas(), *further)

    def __len__(self) -> int:
        return int(self._codes[0].max(initial=-1)) + 1

    def halves(self) -> tuple["SeriesFrames", "SeriesFrames"]:
        """Return the first and the second half of the series."""
        middle = len(self) // 2
        return self._where(0, middle), self._where(middle, len(self))

    def _where(self, first: int, end: int) -> "SeriesFrames":
        """Return the series of some numbers."""
        rows, *further = ((codes >= first) & (codes < end) for codes in self._codes)
        futr, static = (
            None if part is None else part[own]
            for part, own in zip((self.futr, self.static), further, strict=True)
        )
        return SeriesFrames(self.ids, self.rows[rows], futr, static)

    @cached_property
    def _codes(self) -> list[Ints]:
        """Return the number of the series of each row, in each frame; the first rows have 0."""
        parts = (self.rows, self.futr, self.static)
        known = [self.rows.head(0) if part is None else part for part in parts]
        every = pd.concat([part[list(self.ids)] for part in known], ignore_index=True)
        codes = every.groupby(list(self.ids), dropna=False, sort=False).ngroup().to_numpy()
        ends = np.cumsum([len(part) for part in known])
        return [np.asarray(part, np.int64) for part in np.split(codes, ends[:-1])]
