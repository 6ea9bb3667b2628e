"""Student's t distributions, whose tails may be heavy."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor
from torch.nn.functional import softplus

from tslm.core.distribution import LEAST, Distribution
from tslm.uncertainty.distributions.base import DistributionFamily


@dataclass(frozen=True)
class StudentT(Distribution):
    """Student's t distributions.

    Args:
        loc: mean and median.
        scale: scale parameter, above 0.
        df: degrees of freedom, above 2, so that the variance is finite.
    """

    loc: Float[Tensor, "..."]
    scale: Float[Tensor, "..."]
    df: Float[Tensor, "..."]

    @property
    def point(self) -> Float[Tensor, "..."]:
        return self.loc

    def at(self, levels: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        df, p = (part.detach().cpu().double().numpy() for part in (self.df, levels))
        score = torch.from_numpy(np.asarray(stdtrit(df, p)))
        return self.loc + self.scale * score.to(self.loc)

    def loss(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the negative log-likelihood."""
        z, df = (truth - self.loc) / self.scale, self.df
        shape = torch.lgamma(df / 2) - torch.lgamma((df + 1) / 2) + (math.pi * df).log() / 2
        return shape + self.scale.log() + (df + 1) / 2 * (z.square() / df).log1p()

    def moved(self, factor: Float[Tensor, "..."], shift: Float[Tensor, "..."]) -> "StudentT":
        loc = self.loc * factor + shift
        return StudentT(loc, (self.scale * factor).expand_as(loc), self.df.expand_as(loc))


class StudentTFamily(DistributionFamily):
    """Student's t distributions: location, scale and degrees of freedom."""

    size = 3

    def __call__(self, raw: Float[Tensor, "... R"]) -> StudentT:
        loc, scale, df = raw.unbind(-1)
        return StudentT(loc, softplus(scale) + LEAST, 2 + softplus(df) + LEAST)
