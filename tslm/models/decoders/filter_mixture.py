"""Distribution of the next values: a mixture of linear filters driven by noise.

The mean of a member is its filter's zero-input response. Its prediction errors add up through the
impulse response psi: h steps after the last observed value the variance is
``power * sum_{j<h} psi_j^2``.
"""

from dataclasses import dataclass

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.distribution import LEAST
from tslm.uncertainty.distributions.mixture import Mixture


@dataclass(frozen=True)
class FilterMixture:
    """Mixture of K linear processes, for each of S series.

    Args:
        weights: weight of each member; their sum is 1.
        means: mean of each member at each of H steps.
        pulses: impulse response of each member, of H steps plus the longest gap.
        power: variance of the noise that drives each member.
        gap: number of missing steps at the end of the context.
    """

    weights: Float[Tensor, "S K"]
    means: Float[Tensor, "S K H"]
    pulses: Float[Tensor, "S K T"]
    power: Float[Tensor, "S K"]
    gap: Int[Tensor, " S"]

    @property
    def variances(self) -> Float[Tensor, "S K H"]:
        """Return the variance of each member at each step."""
        ahead = self.gap[:, None] + torch.arange(self.means.shape[2], device=self.gap.device)
        gains = self.pulses.square().cumsum(2)
        return self.power[:, :, None] * gains.gather(2, ahead[:, None].expand_as(self.means))

    @property
    def marginals(self) -> Mixture:
        """Return the marginal distribution of each step: ``[S, H]`` mixtures."""
        return Mixture(
            repeat(self.weights, "S K -> S H K", H=self.means.shape[2]),
            rearrange(self.means, "S K H -> S H K"),
            rearrange(self.variances, "S K H -> S H K").sqrt() + LEAST,
        )
