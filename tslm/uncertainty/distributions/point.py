"""Point forecasts as distributions without width."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.uncertainty.distributions.base import DistributionFamily


@dataclass(frozen=True)
class Points(Distribution):
    """Distributions without width: every quantile is the value itself."""

    value: Float[Tensor, "..."]

    @property
    def point(self) -> Float[Tensor, "..."]:
        return self.value

    def at(self, levels: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return self.value + torch.zeros_like(levels).to(self.value)

    def loss(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        return (self.value - truth).abs()

    def moved(self, factor: Float[Tensor, "..."], shift: Float[Tensor, "..."]) -> "Points":
        return Points(self.value * factor + shift)


class PointFamily(DistributionFamily):
    """Point forecasts; the trainer's ``loss`` option sets the training loss."""

    size = 1

    def __call__(self, raw: Float[Tensor, "... R"]) -> Points:
        return Points(raw[..., 0])


POINT = PointFamily()
