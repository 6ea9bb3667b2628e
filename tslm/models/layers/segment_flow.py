"""Flow matching of segments: a small network carries noise to the errors of a forecast.

Lipman et al., "Flow Matching for Generative Modeling", ICLR 2023; a head on the hidden state of an
autoregressive model: Ren et al., "FlowAR", 2024, and Yuan et al., "E-CAR", 2024.

Departures: the network reads and returns the cosine transform of a segment, each coefficient
divided by its own standard deviation, which a linear map of the hidden state gives. Noise and truth
are joined by an arc, not by a straight line (Albergo & Vanden-Eijnden, "Building Normalizing Flows
with Stochastic Interpolants", ICLR 2023). If errors are normal with these deviations, nothing is
left to learn, and any number of steps is exact.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import silu

from tslm.core.distribution import LEAST
from tslm.core.messages import at_least
from tslm.uncertainty.distributions.path import SegmentLaw

_WAVES = 8  # frequencies by which the network reads the time of the flow; chosen by hand


class SegmentFlow(nn.Module):
    """Flow from noise to the errors of segments, given hidden states.

    Args:
        width: size of the hidden states, D.
        patch_len: steps of a segment, P.
        hidden: width of the network.
        steps: Euler steps of a draw.

    Raises:
        ConfigError: if ``hidden`` or ``steps`` is below 1.
    """

    def __init__(self, width: int, patch_len: int, *, hidden: int, steps: int) -> None:
        super().__init__()
        at_least(1, hidden=hidden, steps=steps)
        self.steps = steps
        self.spread = nn.Linear(width, patch_len)
        self.given = nn.Linear(width, hidden)
        self.noisy = nn.Linear(patch_len, hidden)
        self.time = nn.Linear(2 * _WAVES, hidden, bias=False)
        self.middle = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, patch_len)
        for last in (self.spread, self.out):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.cosines: Float[Tensor, "P P"]
        self.register_buffer("cosines", cosine_basis(patch_len), persistent=False)

    def deviations(self, hidden: Float[Tensor, "S D"]) -> Float[Tensor, "S P"]:
        """Return the standard deviation of each coefficient; 1 before training."""
        return self.spread(hidden).clamp(-6, 3).exp() + LEAST

    def noise(
        self, like: Float[Tensor, "S P"]
    ) -> tuple[Float[Tensor, "S P"], Float[Tensor, "S 1"]]:
        """Draw noise and a time for each segment; outside training they are always the same."""
        if self.training:
            return torch.randn_like(like), torch.rand_like(like[:, :1])
        dice = torch.Generator().manual_seed(0)
        return (
            torch.randn(like.shape, generator=dice).to(like),
            torch.rand(len(like), 1, generator=dice).to(like),
        )

    def velocity(
        self,
        noisy: Float[Tensor, "*n S P"],
        time: Float[Tensor, "*time 1"],
        given: Float[Tensor, "S W"],
    ) -> Float[Tensor, "*n S P"]:
        """Return the velocity of coefficients at a time from 0 (noise) to 1 (truth)."""
        angle = time * torch.arange(1, _WAVES + 1, device=time.device) * (math.pi / 2)
        clock = self.time(torch.cat([angle.sin(), angle.cos()], -1))
        first = silu(self.noisy(noisy) + given + clock)
        return self.out(first + silu(self.middle(first)))


@dataclass(frozen=True)
class FlowLaw(SegmentLaw):
    """Joint distributions of segments: a point forecast, and a flow of its errors.

    Args:
        mean: point forecasts, in normalised units.
        hidden: hidden state of each segment.
        flow: the network.
    """

    mean: Float[Tensor, "S P"]
    hidden: Float[Tensor, "S D"]
    flow: SegmentFlow

    @property
    def point(self) -> Float[Tensor, "S P"]:
        return self.mean

    @torch.no_grad()
    def draw(self, noise: Float[Tensor, "n S P"]) -> Float[Tensor, "n S P"]:
        given, steps, at = self.flow.given(self.hidden), self.flow.steps, noise
        for step in range(steps):
            time = noise.new_full((1,), step / steps)
            at = at + math.pi / 2 / steps * self.flow.velocity(at, time, given)
        return self.mean + (at * self.flow.deviations(self.hidden)) @ self.flow.cosines

    def loss(self, truth: Float[Tensor, "S P"]) -> Float[Tensor, "S P"]:
        """Return the likelihood of the deviations, and the squared error of the velocity."""
        deviations = self.flow.deviations(self.hidden)
        scaled = ((truth - self.mean).detach() @ self.flow.cosines.T) / deviations
        likelihood = scaled.square() / 2 + deviations.log()
        end = scaled.detach()
        start, time = self.flow.noise(end)
        angle = time * (math.pi / 2)
        noisy = angle.cos() * start + angle.sin() * end
        velocity = self.flow.velocity(noisy, time, self.flow.given(self.hidden))
        gap = velocity - (angle.cos() * end - angle.sin() * start)
        whole = (likelihood + gap.square()).mean(1, keepdim=True)
        return whole.expand_as(end)

    def some(self, segments: Int[Tensor, " s"]) -> "FlowLaw":
        return FlowLaw(self.mean[segments], self.hidden[segments], self.flow)


def cosine_basis(count: int) -> Float[Tensor, "P P"]:
    """Return the orthonormal cosine transform of ``count`` steps; each row is one frequency."""
    step = torch.arange(count, dtype=torch.float64)
    waves = torch.cos(math.pi / count * (step + 0.5) * step[:, None]) * math.sqrt(2 / count)
    waves[0] /= math.sqrt(2)
    return waves.float()
