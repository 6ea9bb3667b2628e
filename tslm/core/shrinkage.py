"""Shrinkage of a correction: its least-squares factor on validation windows, made cautious.

A forecast is ``base + factor * correction``. The factor is estimated on validation windows, less
``caution`` standard errors, and clipped to [0, 1].
"""

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.float64 import exactly

GROUPS = 16  # groups of neighbouring windows; their sums are treated as independent


class Shrinkage:
    """The shrinkage factor of a correction, from sums that are collected window by window.

    The squared error ``sum (residual - factor * correction)^2`` is smallest at
    ``sum residual * correction / sum correction^2``. Overlapping windows depend on each other, so
    the standard error of the numerator comes from groups of neighbouring windows. To give away
    standard errors follows the one-standard-error rule of Breiman et al., "Classification and
    Regression Trees", 1984, section 3.4.3.
    """

    def __init__(self) -> None:
        self.products = torch.zeros(0, dtype=torch.float64)
        self.squares = torch.zeros(0, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self.products)

    def add(self, residual: Float[Tensor, "B H C"], correction: Float[Tensor, "B H C"]) -> None:
        """Add windows, in the order of series and time.

        Args:
            residual: truth less base forecast; NaN where the truth is missing.
            correction: correction of the base forecast.
        """
        correction = torch.where(torch.isnan(residual), 0, correction)
        products = exactly(torch.nan_to_num(residual) * correction).sum((1, 2))
        self.add_sums(products, exactly(correction).square().sum((1, 2)))

    def add_sums(self, products: Float[Tensor, " n"], squares: Float[Tensor, " n"]) -> None:
        """Add windows, or groups of them, by their sums.

        Args:
            products: sum of ``residual * correction`` in each.
            squares: sum of ``correction^2`` in each.
        """
        self.products = torch.cat([self.products, products.cpu()])
        self.squares = torch.cat([self.squares, squares.cpu()])

    def factor(self, caution: float = 0.0) -> float:
        """Return the factor, from 0 to 1; it is 1 without any window or correction.

        Args:
            caution: standard errors to subtract.
        """
        total = float(self.squares.sum())
        if total <= 0:
            return 1.0
        groups = self.products.tensor_split(min(GROUPS, len(self.products)))
        sums = torch.stack([group.sum() for group in groups])
        error = float(sums.std()) * len(sums) ** 0.5 if len(sums) > 1 else 0.0
        return min(max((float(self.products.sum()) - caution * error) / total, 0.0), 1.0)
