"""One number a value, and nothing of how sure it is."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.uncertainty.distributions.base import DistributionFamily


@dataclass(frozen=True)
class Points(Distribution):
    """Values that are certain: every quantile of one is the value itself."""

    value: Float[Tensor, "..."]

    @property
    def point(self) -> Float[Tensor, "..."]:
        return self.value

    def at(self, shares: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return self.value + torch.zeros_like(shares).to(self.value)

    def loss(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return (self.value - truth).abs()

    def moved(self, factor: Float[Tensor, "..."], shift: Float[Tensor, "..."]) -> "Points":
        return Points(self.value * factor + shift)


class PointFamily(DistributionFamily):
    """Values as they are; the recipe of training says how far from the truth is how bad."""

    size = 1

    def __call__(self, raw: Float[Tensor, "... R"]) -> Points:
        return Points(raw[..., 0])


POINT = PointFamily()
