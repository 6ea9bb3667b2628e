"""Ridge regression: from sums of products over windows, and of a few windows of each series.

Hoerl & Kennard, "Ridge regression", Technometrics 12, 1970.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

TINY = 1e-9  # standard deviation of an input that counts as constant


class Regression(NamedTuple):
    """Linear regression on standardised inputs.

    Args:
        center: mean of each input.
        gain: 1 divided by its standard deviation; 0 for a constant input.
        weight: the map from standardised inputs to targets.
        offset: mean of each target.
    """

    center: Float[Tensor, " K"]
    gain: Float[Tensor, " K"]
    weight: Float[Tensor, "K F"]
    offset: Float[Tensor, " F"]


class Moments(NamedTuple):
    """Sums of products over windows: all that ridge regression needs.

    Args:
        gram: products of 1 and the inputs; the first one is the number of windows.
        cross: products of 1 and the inputs with the targets.
        farthest: largest absolute target.
    """

    gram: Float[Tensor, "K K"]
    cross: Float[Tensor, "K F"]
    farthest: Float[Tensor, ""]

    @classmethod
    def of(cls, inputs: Float[Tensor, "n K"], targets: Float[Tensor, "n F"]) -> "Moments":
        """Return the sums over some windows, at least one."""
        with_one = torch.cat([torch.ones_like(inputs[:, :1]), inputs], 1)
        return cls(with_one.T @ with_one, with_one.T @ targets, targets.abs().max())

    def plus(self, other: "Moments") -> "Moments":
        """Return the sums over the windows of both."""
        farthest = torch.maximum(self.farthest, other.farthest)
        return Moments(self.gram + other.gram, self.cross + other.cross, farthest)

    def solve(self, penalty: float) -> Regression:
        """Return the regression; the penalty is for each window and inputs of variance 1."""
        gram, cross = self.gram / self.gram[0, 0], self.cross / self.gram[0, 0]
        mean, target = gram[0, 1:], cross[0]
        covariance = gram[1:, 1:] - torch.outer(mean, mean)
        deviation = covariance.diagonal().clamp(min=0).sqrt()
        gain = torch.where(deviation > TINY, 1 / deviation, 0.0)
        scaled = gain[:, None] * covariance * gain
        scaled.diagonal().add_(penalty)
        rest = gain[:, None] * (cross[1:] - torch.outer(mean, target))
        return Regression(mean, gain, torch.linalg.solve(scaled, rest), target)


def solve_each(
    inputs: Float[Tensor, "S n K"], targets: Float[Tensor, "S n F"], penalty: Float[Tensor, ""]
) -> Float[Tensor, "S K F"]:
    """Return the weights of the ridge regression of each series, without an intercept.

    With fewer windows than inputs the equations of the windows are solved, which are fewer.

    Args:
        inputs: of each window.
        targets: of each window.
        penalty: above 0.
    """
    few = inputs.shape[1] < inputs.shape[2]
    gram = inputs @ inputs.mT if few else inputs.mT @ inputs
    gram.diagonal(dim1=1, dim2=2).add_(penalty)
    if few:
        return inputs.mT @ torch.linalg.solve(gram, targets)
    return torch.linalg.solve(gram, inputs.mT @ targets)
