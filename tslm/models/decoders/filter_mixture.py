"""Distribution of the next values: a mixture of filters driven by noise.

Each member continues a series by its filter's zero-input response; what it does not foresee adds
up through its impulse response: h steps after the last value that was observed the variance is
``power * sum_{j<h} psi_j^2``.
"""

from dataclasses import dataclass, replace
from math import exp

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor

from tslm.uncertainty.distributions.mixture import LEAST, Mixture

_REACH = 5.0  # logarithm of the largest factor of deviations that is looked for
_ROUNDS = 20  # of looking for it


@dataclass(frozen=True)
class FilterMixture:
    """A mixture of linear processes, for each of S series.

    Args:
        weights: of its K members; their sum is 1.
        means: what each member expects.
        pulses: impulse response of each, from the step of the pulse on; H steps, and as many more
            as the longest gap has.
        power: of the noise that drives each.
        gap: steps before the forecast at which noise drove the series unseen.
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
        """The same mixture, the deviation of each member ``factor`` times as large."""
        return replace(self, power=self.power * factor**2)

    def cdf(self, values: Float[Tensor, "S H"]) -> Float[Tensor, "S H"]:
        """The share of the mixture below values."""
        return self.marginals.cdf(values)

    def quantile(self, share: float) -> Float[Tensor, "S H"]:
        """The value below which a share of the mixture lies, at each step.

        Args:
            share: within (0, 1).
        """
        marginals = self.marginals
        return marginals.at(torch.full_like(marginals.point, share))

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Paths that move together over all steps: a member is drawn, then its noise.

        Args:
            count: paths of each series, n.
            generator: of the draws.

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


def calibrated(mixture: FilterMixture, truth: Float[Tensor, "S H"], share: float = 0.8) -> float:
    """The factor of all deviations with which the middle of a mixture holds its share of the truth.

    One number for all series and steps, by bisection; to be fitted on windows that are not scored.

    Args:
        mixture: forecasts.
        truth: what happened; NaN where unknown.
        share: that the middle should hold, within (0, 1).
    """
    low, high = -_REACH, _REACH  # of the logarithm
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        wide = coverage(mixture.widened(exp(middle)), truth, share) >= share
        low, high = (low, middle) if wide else (middle, high)
    return exp((low + high) / 2)


def coverage(mixture: FilterMixture, truth: Float[Tensor, "S H"], share: float = 0.8) -> float:
    """Return how often the truth lies in the middle ``share`` of a mixture; NaN is left out."""
    below = mixture.cdf(truth)
    inside = (below - 0.5).abs() <= share / 2
    return float(inside[~torch.isnan(truth)].cpu().double().mean())
