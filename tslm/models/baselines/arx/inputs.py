"""Inputs of the regression: seasons of the series and of its covariates before some origins."""

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.float64 import exactly
from tslm.core.types import Batch
from tslm.models.baselines.arx.compression import compress
from tslm.models.baselines.arx.windows import rows_of

SERIES_AGO = (1, 2, 3, 7)  # earlier seasons of the series that are read, as in the paper
COVARIATES_AGO = (0, 1, 7)  # the same of covariates; 0 is the steps to forecast; as in the paper
MOST_STEPS = 168  # steps of a pass, and last values of the series that are read; by hand
MOST_VALUES = 600  # covariate values that a pass reads; it has fewer steps beyond; by hand


@dataclass(frozen=True)
class Inputs:
    """Layout of the inputs of a pass.

    Attributes:
        season_length: steps of a season.
        ago: earlier seasons of the series that are read.
    """

    season_length: int
    ago: tuple[int, ...]

    @classmethod
    def of(cls, season_length: int, context_length: int) -> "Inputs":
        """Return the layout for which a context has enough rows."""
        ago = tuple(number for number in SERIES_AGO if number * season_length <= context_length)
        return cls(season_length, ago or SERIES_AGO[:1])

    @property
    def rows(self) -> int:
        """Return the rows before an origin that are read."""
        return self.ago[-1] * self.season_length

    @property
    def recent(self) -> int:
        """Return the values before an origin that are all inputs: a season, unless it is long."""
        return min(self.season_length, MOST_STEPS)

    def steps(self, batch: Batch) -> int:
        """Return the steps of a pass: a season, or fewer if it is long or has many covariates."""
        columns = 0 if batch.known is None else batch.known.values.shape[2]
        most = MOST_VALUES // max(columns * len(COVARIATES_AGO), 1)
        return max(min(self.season_length, batch.future.shape[1], most, MOST_STEPS), 1)

    def number(self, columns: int, steps: int) -> int:
        """Return the number of inputs.

        Args:
            columns: number of covariates.
            steps: steps of a pass.
        """
        earlier = (len(self.ago) - 1) * steps
        return self.recent + 1 + earlier + columns * len(COVARIATES_AGO) * steps

    def columns(self, number: int, steps: int) -> int:
        """Return the number of covariates for which there are so many inputs; at least 0."""
        return max((number - self.number(0, steps)) // (len(COVARIATES_AGO) * steps), 0)

    def read(
        self, batch: Batch, origins: Int[Tensor, " n"], steps: int, compression: Float[Tensor, "2"]
    ) -> tuple[Float[Tensor, "S n K"], Float[Tensor, "S n 1"]]:
        """Return the inputs at some origins of each series, and the level outputs are counted from.

        Args:
            batch: contexts; a missing value counts as the level.
            origins: rows of the first steps to forecast.
            steps: steps of a pass, F.
            compression: center and scale of values.
        """
        season = self.season_length
        recent = origins[:, None] + torch.arange(-self.rows, 0, device=origins.device)
        series = compress(rows_of(batch.past), compression)
        rows = series[:, recent.clamp(min=0)].masked_fill(recent < 0, torch.nan)
        level = rows.nanmean(2, keepdim=True).nan_to_num(0.0)
        rows = (rows - level).nan_to_num(0.0)
        parts = [rows[:, :, self.rows - self.recent :], level]
        for ago in self.ago[1:]:
            first = self.rows - ago * season
            parts.append(rows[:, :, first : first + steps])
        if batch.known is not None:
            values = exactly(batch.known.values)
            values = values.asinh() if compression[1] > 0 else values
            values = repeat(values, "B T K -> (B C) T K", C=batch.past.shape[2])
            ahead = torch.arange(steps, device=origins.device)
            for ago in COVARIATES_AGO:
                index = origins[:, None] - ago * season + ahead
                found = values[:, index.clamp(0, values.shape[1] - 1)]
                parts.append(rearrange(found, "S n F K -> S n (F K)"))
        return torch.cat(parts, 2), level
