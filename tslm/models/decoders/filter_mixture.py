"""Distribution of the next values: a mixture of linear filters driven by noise.

The mean of a member is its filter's zero-input response. Its prediction errors add up through the
impulse response psi: h steps after the last observed value the variance is
``power * sum_{j<h} psi_j^2``.
"""

from dataclasses import dataclass, replace
from math import exp

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor

from tslm.uncertainty.distributions.mixture import LEAST, Mixture

_LARGEST = 5.0  # logarithm of the largest factor that ``calibrated`` considers
_ROUNDS = 20  # steps of its bisection


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
        """Variance of each member at each step."""
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

    @property
    def mean(self) -> Float[Tensor, "S H"]:
        """Expectation of the mixture."""
        return self.marginals.point

    @property
    def variance(self) -> Float[Tensor, "S H"]:
        """Variance of the mixture: within its members, and between them."""
        spread = self.variances + (self.means - self.mean[:, None]).square()
        return (self.weights[:, :, None] * spread).sum(1)

    def widened(self, factor: float) -> "FilterMixture":
        """Multiply the standard deviation of each member by ``factor``."""
        return replace(self, power=self.power * factor**2)

    def cdf(self, values: Float[Tensor, "S H"]) -> Float[Tensor, "S H"]:
        """Return the probability of a value below the given ones."""
        return self.marginals.cdf(values)

    def quantile(self, level: float) -> Float[Tensor, "S H"]:
        """Return a quantile of each step.

        Args:
            level: quantile level, within (0, 1).
        """
        marginals = self.marginals
        return marginals.at(torch.full_like(marginals.point, level))

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Draw sample paths: a member for each path, then its noise.

        Args:
            count: number of paths per series, n.
            generator: source of the random numbers; None is the global one.

        Returns:
            Paths ``[n, S, H]``.
        """
        members = torch.multinomial(self.weights, count, replacement=True, generator=generator).T
        rows = torch.arange(self.weights.shape[0], device=members.device)
        horizon, steps = self.means.shape[2], self.pulses.shape[2]
        shape = (count, len(rows), steps)
        noise = torch.randn(shape, generator=generator, dtype=self.means.dtype).to(self.means)
        unseen = torch.arange(steps, device=self.gap.device) >= steps - horizon - self.gap[:, None]
        noise = noise * self.power[rows, members].sqrt()[:, :, None] * unseen
        spectra = torch.fft.rfft(self.pulses[rows, members], 2 * steps)
        driven = torch.fft.irfft(torch.fft.rfft(noise, 2 * steps) * spectra, 2 * steps)
        return self.means[rows, members] + driven[:, :, steps - horizon : steps]


def calibrated(mixture: FilterMixture, truth: Float[Tensor, "S H"], level: float = 0.8) -> float:
    """Return the factor of all standard deviations with which a central interval has its coverage.

    It is one number for all series and steps, found by bisection.

    Args:
        mixture: forecasts of windows that are not scored.
        truth: true values of these windows; NaN where missing.
        level: nominal coverage of the interval, within (0, 1).
    """
    low, high = -_LARGEST, _LARGEST  # logarithms of the factor
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        wide = coverage(mixture.widened(exp(middle)), truth, level) >= level
        low, high = (low, middle) if wide else (middle, high)
    return exp((low + high) / 2)


def coverage(mixture: FilterMixture, truth: Float[Tensor, "S H"], level: float = 0.8) -> float:
    """Return the fraction of true values inside the central interval of a level, without NaN."""
    below = mixture.cdf(truth)
    inside = (below - 0.5).abs() <= level / 2
    return float(inside[~torch.isnan(truth)].cpu().double().mean())
