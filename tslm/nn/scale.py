"""Normalise a window by its own level and spread, and undo it.

Kim et al., "Reversible Instance Normalization", ICLR 2022, without the learnt affine map.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor

Norm = Literal["window", "prefix", "first_segment"]
NORMS: tuple[str, ...] = get_args(Norm)
EPSILON = 1e-5  # as published: sigma = sqrt(variance + 1e-5)


@dataclass(frozen=True)
class Scale:
    """Level and spread of windows: one for all steps (K = 1) or one a step (K = L).

    A window that hardly moves is divided by ``floor`` and not by its own spread: in units of the
    training data, where 1 is an ordinary spread, it stays near 0 and cannot explode.
    """

    loc: Float[Tensor, "B K C"]
    spread: Float[Tensor, "B K C"]

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
            norm: ``window`` uses all of it; ``first_segment`` the first ``segment`` observed
                steps; ``prefix`` gives each segment the statistics of itself and all before it,
                so that no value is scaled by what comes later.
            segment: steps of a segment.
            floor: least spread.
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
        """Back to the units of the window; values beyond it take its last statistics."""
        return self.stretch(values) + self.level(values.shape[1])

    def stretch(self, values: Float[Tensor, "B M C"]) -> Float[Tensor, "B M C"]:
        """Back to the spread of the window, but not to its level."""
        return values * _last(self.spread, values.shape[1])

    def level(self, steps: int) -> Float[Tensor, "B J C"]:
        """The level of M values that end with the window or follow it: one each, or one for all."""
        return _last(self.loc, steps)

    @property
    def last(self) -> "Scale":
        """The last statistics alone: for what follows the window."""
        return Scale(self.loc[:, -1:], self.spread[:, -1:])


def _last(statistic: Float[Tensor, "B K C"], steps: int) -> Float[Tensor, "B J C"]:
    """The statistics of the last ``steps`` steps; one for all of them if the window has fewer."""
    return statistic[:, -steps:] if statistic.shape[1] >= steps else statistic[:, -1:]


def _moments(past: Float[Tensor, "B L C"]) -> tuple[Tensor, Tensor]:
    observed = ~torch.isnan(past)
    n = observed.sum(1, keepdim=True).clamp(min=1)
    loc = torch.nan_to_num(past).sum(1, keepdim=True) / n
    centred = torch.where(observed, past - loc, 0)
    return loc, centred.square().sum(1, keepdim=True) / n


def _running_moments(past: Float[Tensor, "B L C"], segment: int) -> tuple[Tensor, Tensor]:
    """Moments of segments 0..i for each i, repeated over the steps of segment i."""
    origin, _ = _moments(_first_observed(past, segment))  # sums of squares about a near value
    parts = rearrange(past - origin, "B (N P) C -> B N P C", P=segment)
    observed = ~torch.isnan(parts)
    parts = torch.nan_to_num(parts)
    n = observed.sum(2).cumsum(1).clamp(min=1)
    loc = parts.sum(2).cumsum(1) / n
    variance = (parts.square().sum(2).cumsum(1) / n - loc.square()).clamp(min=0)
    return (
        repeat(loc + origin, "B N C -> B (N P) C", P=segment),
        repeat(variance, "B N C -> B (N P) C", P=segment),
    )


def _first_observed(past: Float[Tensor, "B L C"], segment: int) -> Float[Tensor, "B L C"]:
    """Windows with all but their first ``segment`` steps, from the first observed one, hidden."""
    begun = (~torch.isnan(past)).cumsum(1) > 0
    return past.masked_fill(begun.cumsum(1) > segment, torch.nan)
