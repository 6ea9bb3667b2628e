"""Joint distributions of whole segments: their steps are drawn together."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.uncertainty.distributions.quantile import at_levels

DRAWS = 101  # draws from which quantiles are read; chosen by hand


class SegmentLaw(ABC):
    """Joint distributions of S segments of P steps, in normalised units."""

    @property
    @abstractmethod
    def point(self) -> Float[Tensor, "S P"]:
        """Return the point forecast of each step."""

    @abstractmethod
    def draw(self, noise: Float[Tensor, "n S P"]) -> Float[Tensor, "n S P"]:
        """Turn standard normal numbers into draws of whole segments."""

    @abstractmethod
    def loss(self, truth: Float[Tensor, "S P"]) -> Float[Tensor, "S P"]:
        """Return the training loss of the law, shared out among the steps."""

    @abstractmethod
    def some(self, segments: Int[Tensor, " s"]) -> "SegmentLaw":
        """Return the law of some of the segments."""


@dataclass(frozen=True)
class Paths(Distribution):
    """Distributions of the steps of segments, which are drawn together.

    The loss is the squared error of the point forecast, in the units of the values, and the loss
    of the law. Quantiles are those of ``DRAWS`` draws, made from the same noise for every segment,
    so they depend on nothing else. In the loss of the law a missing value, or one that is not
    among the values, is taken to be the point forecast.

    Args:
        law: the law of the segments, in normalised units.
        place: number of each value among all steps of all segments.
        factor: unit of each value.
        shift: added to each value.
    """

    law: SegmentLaw
    place: Int[Tensor, "..."]
    factor: Float[Tensor, "..."]
    shift: Float[Tensor, "..."]

    @classmethod
    def of(cls, law: SegmentLaw) -> "Paths":
        """Return the distributions of all steps in normalised units, ``[S, P]``."""
        point = law.point
        place = torch.arange(point.numel(), device=point.device).view_as(point)
        return cls(law, place, torch.ones_like(point), torch.zeros_like(point))

    @property
    def point(self) -> Float[Tensor, "..."]:
        point = self.law.point.flatten()
        return point[self.place.to(point.device)].to(self.factor) * self.factor + self.shift

    def at(self, levels: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        law, where = self._used()
        steps = law.point.shape[1]
        noise = _noise(DRAWS, steps).to(law.point)
        drawn = law.draw(noise[:, None].expand(-1, len(law.point), -1))
        ordered = drawn.detach().flatten(1).sort(0).values[:, where]
        evenly = (torch.arange(DRAWS) + 0.5) / DRAWS
        found = at_levels(ordered.movedim(0, -1).to(self.factor), evenly.tolist()).at(levels)
        return found * self.factor + self.shift

    def draw(self, uniform: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return draws in which the steps of a segment belong together.

        Args:
            uniform: numbers in (0, 1), of the shape of the values or with further axes before it.
                The values must be whole segments.
        """
        law, where = self._used()
        shape, count = uniform.shape, self.place.numel()
        assert count == law.point.numel(), "only whole segments can be drawn"
        normal = torch.special.ndtri(uniform.double()).to(law.point).reshape(-1, count)
        noise = torch.empty_like(normal)
        noise[:, where.flatten()] = normal
        drawn = law.draw(noise.view(-1, *law.point.shape)).detach().flatten(1)
        values = drawn[:, where.flatten()].view(shape).to(self.factor)
        return values * self.factor + self.shift

    def loss(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        law, where = self._used()
        gap = truth - self.point
        rest = torch.zeros_like(law.point).flatten()
        rest[where.flatten()] = torch.nan_to_num(gap / self.factor).detach().flatten()
        shared = law.loss(law.point.detach() + rest.view_as(law.point)).flatten()
        return gap.square() + shared[where]

    def moved(self, factor: Float[Tensor, "..."], shift: Float[Tensor, "..."]) -> "Paths":
        return replace(self, factor=self.factor * factor, shift=self.shift * factor + shift)

    def each(self, change: Callable[[Tensor], Tensor]) -> "Paths":
        parts = (self.place, self.factor, self.shift)
        return Paths(self.law, *(change(part) for part in parts))

    def _used(self) -> tuple[SegmentLaw, Int[Tensor, "..."]]:
        """Return the law of the segments of these values, and the number of each value in it."""
        steps = self.law.point.shape[1]
        place = self.place.to(self.law.point.device)
        segments, number = (place // steps).unique(return_inverse=True)
        return self.law.some(segments), number * steps + place % steps


@cache
def _noise(count: int, steps: int) -> Float[Tensor, "n P"]:
    """Return fixed standard normal numbers whose mean is 0 and variance 1 at each step."""
    drawn = torch.randn(count, steps, generator=torch.Generator().manual_seed(0))
    centred = drawn - drawn.mean(0)
    return centred / centred.square().mean(0).sqrt()
