"""Normalise a window by its own mean and standard deviation, and undo it.

Kim et al., "Reversible Instance Normalization", ICLR 2022, without the learnt affine map.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

Norm = Literal["window", "prefix", "first_segment"]
NORMS: tuple[str, ...] = get_args(Norm)
EPSILON = 1e-5  # as published: sigma = sqrt(variance + 1e-5)


@dataclass(frozen=True)
class Scale:
    """Level and spread of windows: one for all steps, or one for each step.

    A window whose spread is below ``floor`` is divided by ``floor`` instead. In units of the
    training data, where 1 is a typical spread, it then stays near 0 and cannot explode.

    Attributes:
        loc: mean, in the units of the window; [B, 1, C] or [B, L, C].
        spread: standard deviation, in the units of the window; of the same shape.
    """

    loc: Float[Tensor, "B one_or_L C"]
    spread: Float[Tensor, "B one_or_L C"]

    @classmethod
    def of(
        cls,
        past: Float[Tensor, "B L C"],
        norm: Norm = "window",
        segment: int = 1,
        floor: float = 0.0,
    ) -> "Scale":
        """Measure windows over their observed values.

        Args:
            past: windows; NaN where missing.
            norm: ``window`` uses all steps; ``first_segment`` the first ``segment`` observed
                steps; ``prefix`` gives each segment the statistics of itself and all earlier
                ones, so that no value is scaled by a later one.
            segment: steps of a segment.
            floor: smallest spread, in the units of the windows.
        """
        if norm == "window":
            loc, variance = _moments(past)
        elif norm == "prefix":
            loc, variance = _running_moments(past, segment)
        else:
            loc, variance = _moments(_first_observed(past, segment))
        return cls(loc, (variance + EPSILON).sqrt().clamp(min=floor))

    def apply(self, past: Float[Tensor, "B L C"]) -> Float[Tensor, "B L C"]:
        """Normalise; missing values stay NaN."""
        return (past - self.loc) / self.spread

    def undo(self, values: Float[Tensor, "B M C"]) -> Float[Tensor, "B M C"]:
        """Convert values that follow the window back to its units."""
        return values * self.spread[:, -1:] + self.loc[:, -1:]

    @property
    def last(self) -> "Scale":
        """Statistics of the last step, which apply to values that follow the window."""
        return Scale(self.loc[:, -1:], self.spread[:, -1:])

    def preceding(self, steps: int, step: int, ahead: int = 1) -> "Scale":
        """Return the statistics of M values that are forecast in groups from the values before.

        Args:
            steps: values in total, M, a multiple of ``step``.
            step: steps of a group.
            ahead: number of last groups that follow the window.
        """
        if self.loc.shape[1] == 1:
            return self
        groups = torch.arange(steps // step, device=self.loc.device).flip(0) - (ahead - 1)
        groups = groups.clamp(min=0)
        before = (self.loc.shape[1] - 1 - groups * step).repeat_interleave(step)
        return Scale(self.loc[:, before], self.spread[:, before])


def _moments(past: Float[Tensor, "B L C"]) -> tuple[Tensor, Tensor]:
    """Compute mean and variance of the observed values of each window."""
    observed = ~torch.isnan(past)
    n = observed.sum(1, keepdim=True).clamp(min=1)
    loc = torch.nan_to_num(past).sum(1, keepdim=True) / n
    centred = torch.where(observed, past - loc, 0)
    return loc, centred.square().sum(1, keepdim=True) / n


def _running_moments(past: Float[Tensor, "B L C"], segment: int) -> tuple[Tensor, Tensor]:
    """Compute the moments of segments 0 ... i for each i, repeated over the steps of segment i.

    Segments end with the window; the first is shorter if they do not fill it.
    """
    origin, _ = _moments(_first_observed(past, segment))  # keeps sums of squares small: precision
    short = -past.shape[1] % segment
    whole = pad(past - origin, (0, 0, short, 0), value=torch.nan)
    parts = rearrange(whole, "B (N P) C -> B N P C", P=segment)
    observed = ~torch.isnan(parts)
    parts = torch.nan_to_num(parts)
    n = observed.sum(2).cumsum(1).clamp(min=1)
    loc = parts.sum(2).cumsum(1) / n
    variance = (parts.square().sum(2).cumsum(1) / n - loc.square()).clamp(min=0)
    return (
        repeat(loc + origin, "B N C -> B (N P) C", P=segment)[:, short:],
        repeat(variance, "B N C -> B (N P) C", P=segment)[:, short:],
    )


def _first_observed(past: Float[Tensor, "B L C"], segment: int) -> Float[Tensor, "B L C"]:
    """Replace all but the first ``segment`` steps, from the first observed one on, by NaN."""
    started = (~torch.isnan(past)).cumsum(1) > 0
    return past.masked_fill(started.cumsum(1) > segment, torch.nan)
