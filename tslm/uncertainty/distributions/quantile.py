"""Some quantiles of each value, trained by their pinball loss; all others lie between them.

Koenker & Bassett, "Regression Quantiles", Econometrica 46 (1978).
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


@dataclass(frozen=True)
class Quantiles(Distribution):
    """Distributions by their quantiles at given shares.

    Between two of them, and beyond the outermost, the value is linear in the normal score
    ``ndtri(share)``: with all of them on a line it is a normal distribution, and its tails always
    are those of one.

    Args:
        values: of the shares, not falling.
        scores: normal scores of the shares, rising; two or more, one of which is 0.
    """

    values: Float[Tensor, "... Q"]
    scores: Float[Tensor, " Q"]

    @property
    def point(self) -> Float[Tensor, "..."]:
        return self.values[..., int(self.scores.abs().argmin())]

    def at(self, shares: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        values = exactly(self.values)
        score = torch.special.ndtri(shares.to(values))
        knots = self.scores.to(values).contiguous()
        right = torch.searchsorted(knots, score.contiguous()).clamp(1, len(knots) - 1)
        low, high = _picked(values, right - 1), _picked(values, right)
        weight = (score - knots[right - 1]) / (knots[right] - knots[right - 1])
        return (low + weight * (high - low)).to(self.values)

    def loss(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Twice the mean pinball loss: of a point forecast, its absolute error."""
        share = torch.special.ndtr(self.scores)
        gap = truth[..., None] - self.values
        return 2 * torch.maximum(share * gap, (share - 1) * gap).mean(-1)

    def moved(self, factor: Float[Tensor, "..."], shift: Float[Tensor, "..."]) -> "Quantiles":
        return Quantiles(self.values * factor[..., None] + shift[..., None], self.scores)

    def each(self, change: object) -> "Quantiles":
        values = change(self.values)  # type: ignore[operator]
        return Quantiles(values, self.scores.to(values.device))


def _picked(values: Float[Tensor, "... Q"], number: Tensor) -> Tensor:
    """The value of this number at each place."""
    shape = torch.broadcast_shapes(number.shape, values.shape[:-1])
    wide = values.expand(*shape, -1)
    return wide.gather(-1, number.expand(shape)[..., None])[..., 0]


def at_shares(values: Float[Tensor, "... Q"], shares: Sequence[float]) -> Quantiles:
    """Distributions with these values at these shares."""
    scores = torch.special.ndtri(torch.tensor(list(shares), dtype=torch.float64))
    return Quantiles(values, scores.to(values))


class QuantileFamily(DistributionFamily):
    """The median, and the others a positive step (a softplus) further each: they never cross.

    Where raw numbers are 0 they are those of a standard normal distribution.

    Args:
        quantiles: shares within (0, 1), rising, one of them 0.5.

    Raises:
        ConfigError: if they are something else.
    """

    def __init__(self, *, quantiles: Sequence[float] = DEFAULT) -> None:
        shares = list(quantiles)
        inside = all(isinstance(s, float) and 0 < s < 1 for s in shares)
        if not inside or shares != sorted(set(shares)) or 0.5 not in shares or len(shares) < 2:
            raise ConfigError(
                f"quantiles={shares} must be two or more rising numbers between 0 and 1, one of "
                "them 0.5."
            )
        self.quantiles, self.size = tuple(shares), len(shares)
        self.middle = shares.index(0.5)
        self.start = (
            torch.special.ndtri(torch.tensor(shares, dtype=torch.float64)).diff().expm1().log()
        )

    def __call__(self, raw: Float[Tensor, "... R"]) -> Quantiles:
        median, steps = raw[..., :1], softplus(raw[..., 1:] + self.start.to(raw))
        below = steps[..., : self.middle].flip(-1).cumsum(-1).flip(-1)
        above = steps[..., self.middle :].cumsum(-1)
        values = torch.cat([median - below, median, median + above], -1)
        return at_shares(values, self.quantiles)
