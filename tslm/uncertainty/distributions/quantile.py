"""Distributions given by some of their quantiles, trained by the pinball loss.

Source: Koenker & Bassett, "Regression Quantiles", Econometrica 46 (1978).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from tslm.core.distribution import Distribution
from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly
from tslm.uncertainty.distributions.base import DistributionFamily

DEFAULT = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
FINE = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
    *(0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 0.995),
)  # quantile levels of rules that give a distribution, and of a mix


@dataclass(frozen=True)
class Quantiles(Distribution):
    """Distributions given by their quantiles at some quantile levels.

    Between two levels, and beyond the outermost, the quantile is linear in the normal score
    ``ndtri(level)``. The tails are those of a normal distribution.

    Args:
        values: quantiles, in ascending order.
        scores: normal scores of the quantile levels, ascending; two or more, one of them 0.
    """

    values: Float[Tensor, "... Q"]
    scores: Float[Tensor, " Q"]

    @property
    def point(self) -> Float[Tensor, "..."]:
        return self.values[..., int(self.scores.abs().argmin())]

    def at(self, levels: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        values = exactly(self.values)
        score = torch.special.ndtri(levels.to(values))
        knots = self.scores.to(values).contiguous()
        right = torch.searchsorted(knots, score.contiguous()).clamp(1, len(knots) - 1)
        low, high = _picked(values, right - 1), _picked(values, right)
        weight = (score - knots[right - 1]) / (knots[right] - knots[right - 1])
        return (low + weight * (high - low)).to(self.values)

    def loss(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return twice the mean pinball loss; for the median alone this is the absolute error."""
        level = torch.special.ndtr(self.scores)
        gap = truth[..., None] - self.values
        return 2 * torch.maximum(level * gap, (level - 1) * gap).mean(-1)

    def moved(self, factor: Float[Tensor, "..."], shift: Float[Tensor, "..."]) -> "Quantiles":
        return Quantiles(self.values * factor[..., None] + shift[..., None], self.scores)

    def each(self, change: object) -> "Quantiles":
        values = change(self.values)  # type: ignore[operator]
        return Quantiles(values, self.scores.to(values.device))


def _picked(values: Float[Tensor, "... Q"], number: Tensor) -> Tensor:
    """Return the value with this index on the last axis."""
    shape = torch.broadcast_shapes(number.shape, values.shape[:-1])
    wide = values.expand(*shape, -1)
    return wide.gather(-1, number.expand(shape)[..., None])[..., 0]


def at_levels(values: Float[Tensor, "... Q"], levels: Sequence[float]) -> Quantiles:
    """Return the distributions that have these values at these quantile levels."""
    scores = torch.special.ndtri(torch.tensor(list(levels), dtype=torch.float64))
    return Quantiles(values, scores.to(values))


class QuantileFamily(DistributionFamily):
    """Distributions given by quantiles that cannot cross.

    The median is the first raw number. Each other quantile is a positive step (a softplus) away
    from its neighbour. Zeros as raw numbers give the quantiles of a standard normal distribution.

    Args:
        quantiles: quantile levels in (0, 1), ascending, one of them 0.5.

    Raises:
        ConfigError: if the levels are not like that.
    """

    def __init__(self, *, quantiles: Sequence[float] = DEFAULT) -> None:
        levels = list(quantiles)
        inside = all(isinstance(s, float) and 0 < s < 1 for s in levels)
        if not inside or levels != sorted(set(levels)) or 0.5 not in levels or len(levels) < 2:
            raise ConfigError(
                f"quantiles={levels} must be two or more ascending numbers between 0 and 1, one of "
                "them 0.5."
            )
        self.quantiles, self.size = tuple(levels), len(levels)
        self.middle = levels.index(0.5)
        self.start = (
            torch.special.ndtri(torch.tensor(levels, dtype=torch.float64)).diff().expm1().log()
        )

    def __call__(self, raw: Float[Tensor, "... R"]) -> Quantiles:
        median, steps = raw[..., :1], softplus(raw[..., 1:] + self.start.to(raw))
        below = steps[..., : self.middle].flip(-1).cumsum(-1).flip(-1)
        above = steps[..., self.middle :].cumsum(-1)
        values = torch.cat([median - below, median, median + above], -1)
        return at_levels(values, self.quantiles)
