"""Climatology: the distribution of the past values at the same phase of the season.

Its quantiles are averages of three sets of quantiles: of the values at the same phase, of all
values, and of a normal distribution. A phase with n values counts n / (n + 4), and the rest is left
to all values, which are weighted against the normal distribution in the same way. The 4 is chosen
by hand. The point forecast is the median.
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.distribution import LEAST
from tslm.core.messages import whole_number
from tslm.core.types import Batch, Task
from tslm.models.baselines.classical.base import (
    Classical,
    error_spread,
    spread_without_errors,
)
from tslm.models.layers.seasonal import repeat_season
from tslm.uncertainty.distributions.quantile import Quantiles, at_levels

LEVELS = (0.005, 0.025, *(i / 20 for i in range(1, 20)), 0.975, 0.995)  # quantile levels
PRIOR = 4  # values that the wider set of values counts for; chosen by hand


class Climatology(Classical):
    """Distribution of the past values at the same phase, shrunk towards that of all values.

    Args:
        task: gives the steps of a season, m.
        rows: last rows of the context that are used; None uses all.

    Raises:
        ConfigError: if the season or ``rows`` is below 1.
    """

    def __init__(self, *, task: Task, rows: int | None = None) -> None:
        super().__init__(task=task)
        self.rows = None if rows is None else whole_number("rows", rows)

    def distribution(self, batch: Batch, horizon: int) -> Quantiles:
        """Return the distributions by their quantiles, ``[B, H, C]``."""
        found = [self._quantiles(rows, horizon) for rows, _ in self.chunks(batch, horizon)]
        values = rearrange(torch.cat(found), "(B C) H Q -> B H C Q", B=len(batch.past))
        return at_levels(torch.nan_to_num(values).to(batch.past), LEVELS)

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return self._quantiles(rows, horizon)[:, :, LEVELS.index(0.5)]

    def _quantiles(
        self, rows: Float[Tensor, "S L"], horizon: int
    ) -> Float[Tensor, "S H quantiles"]:
        """Return the quantiles of each step at ``LEVELS``; NaN for a row without a value."""
        rows = rows if self.rows is None else rows[:, -self.rows :]
        levels = rows.new_tensor(LEVELS)
        count = (~rows.isnan()).sum(1, keepdim=True)
        mean = rows.nanmean(1, keepdim=True)
        spread = error_spread(rows - mean, 1)
        spread = torch.where(
            spread.isnan(), spread_without_errors(rows, self.season_length, 1), spread
        )
        normal = mean + spread.clamp(min=LEAST) * torch.special.ndtri(levels)
        every = _shrunk(_sample_quantiles(rows, levels), count, normal)
        padded = pad(rows, (-rows.shape[1] % self.season_length, 0), value=torch.nan)
        phases = rearrange(padded, "S (K m) -> (S m) K", m=self.season_length)
        own = rearrange(_sample_quantiles(phases, levels), "(S m) Q -> S m Q", m=self.season_length)
        seen = rearrange((~phases.isnan()).sum(1), "(S m) -> S m 1", m=self.season_length)
        shrunk = _shrunk(own, seen, every[:, None])
        turned = rearrange(shrunk, "S m Q -> (S Q) m")
        return rearrange(repeat_season(turned, horizon), "(S Q) H -> S H Q", S=len(rows))


def _sample_quantiles(
    rows: Float[Tensor, "S L"], levels: Float[Tensor, " Q"]
) -> Float[Tensor, "S Q"]:
    """Return the quantiles of the values of each row, linear between neighbours; NaN without any.

    The lowest of n values has the level 0 and the highest 1 (Hyndman & Fan, "Sample quantiles in
    statistical packages", The American Statistician 50, 1996, type 7).
    """
    ordered = rows.sort(1).values  # NaN last
    count = (~rows.isnan()).sum(1, keepdim=True)
    place = levels * (count - 1).clamp(min=0)
    low = place.floor().long()
    high = torch.minimum(low + 1, (count - 1).clamp(min=0))
    lower, upper = ordered.gather(1, low), ordered.gather(1, high)
    return lower + (place - low) * (upper - lower)


def _shrunk(
    own: Float[Tensor, "... Q"], count: Int[Tensor, "... 1"], wide: Float[Tensor, "... Q"]
) -> Float[Tensor, "... Q"]:
    """Return quantiles weighted by their number of values against those of a wider set."""
    weight = count / (count + PRIOR)
    return torch.where(count > 0, weight * own + (1 - weight) * wide, wide)
