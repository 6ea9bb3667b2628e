"""Mixtures of normal distributions.

Source: Bishop, "Mixture Density Networks", Aston University 1994.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from tslm.core.distribution import LEAST, Distribution
from tslm.core.float64 import exactly
from tslm.core.messages import at_least
from tslm.uncertainty.distributions.base import DistributionFamily

RAREST = 1e-12  # smallest weight in the loss, so that its logarithm is finite
_STEPS = 60  # bisection steps: the interval shrinks by 2**60


@dataclass(frozen=True)
class Mixture(Distribution):
    """Mixtures of normal distributions.

    Args:
        weights: weight of each member; they sum to 1.
        means: mean of each member.
        deviations: standard deviation of each member, above 0.
    """

    weights: Float[Tensor, "... K"]
    means: Float[Tensor, "... K"]
    deviations: Float[Tensor, "... K"]

    @property
    def point(self) -> Float[Tensor, "..."]:
        return (self.weights * self.means).sum(-1)

    def cdf(self, values: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the probability of a value below ``values``."""
        z = (values[..., None] - self.means) / self.deviations
        return (self.weights * torch.special.ndtr(z)).sum(-1)

    def at(self, levels: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return quantiles by bisection between the smallest and largest one of the members."""
        exact = Mixture(exactly(self.weights), exactly(self.means), exactly(self.deviations))
        levels = levels.to(exact.means)
        ends = exact.means + exact.deviations * torch.special.ndtri(levels)[..., None]
        low, high = ends.amin(-1), ends.amax(-1)
        if exact.means.shape[-1] > 1:
            for _ in range(_STEPS):
                middle = (low + high) / 2
                below = exact.cdf(middle) < levels
                low, high = torch.where(below, middle, low), torch.where(below, high, middle)
        return ((low + high) / 2).to(self.means)

    def loss(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the negative log-likelihood."""
        z = (truth[..., None] - self.means) / self.deviations
        logs = self.weights.clamp(min=RAREST).log() - self.deviations.log() - z.square() / 2
        return math.log(2 * math.pi) / 2 - torch.logsumexp(logs, -1)

    def moved(self, factor: Float[Tensor, "..."], shift: Float[Tensor, "..."]) -> "Mixture":
        means = self.means * factor[..., None] + shift[..., None]
        deviations = (self.deviations * factor[..., None]).expand_as(means)
        return Mixture(self.weights.expand_as(means), means, deviations)


class MixtureFamily(DistributionFamily):
    """Mixtures of normal distributions: weights, means and standard deviations.

    Zeros as raw numbers give means from -1 to 1. Equal members would have equal gradients and
    stay equal.

    Args:
        members: number of normal distributions, K.

    Raises:
        ConfigError: if there are none.
    """

    def __init__(self, *, members: int = 3) -> None:
        at_least(1, members=members)
        self.members, self.size = members, 3 * members

    def __call__(self, raw: Float[Tensor, "... R"]) -> Mixture:
        weights, means, deviations = raw.chunk(3, -1)
        apart = torch.linspace(-1, 1, self.members) if self.members > 1 else torch.zeros(1)
        return Mixture(
            weights.softmax(-1),
            means + apart.to(raw),
            softplus(deviations) + LEAST,
        )
