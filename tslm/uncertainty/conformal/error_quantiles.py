"""Quantiles of validation errors with the finite-sample ranks of split conformal prediction.

Source: Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.float64 import exactly

OUTERMOST = (0.005, 0.01)
GRID = (  # quantile levels at which errors are learnt
    *OUTERMOST,
    *(k / 40 for k in range(1, 40)),
    *(1 - level for level in reversed(OUTERMOST)),
)


def grid() -> Float[Tensor, " G"]:
    """Return the quantile levels of ``GRID`` in float64."""
    return torch.tensor(GRID, dtype=torch.float64)


def error_quantiles(
    errors: Float[Tensor, "N H"], levels: Float[Tensor, " G"]
) -> Float[Tensor, "G H"]:
    """Return the error at each quantile level, for each step.

    Below the median it is the error of rank ``floor((N + 1) level)``. Above the median it is the
    error of rank ``ceil((N + 1) level)``. A new error then lies outside at most as often as the
    level states. Where no such rank exists, the smallest or the largest error is taken. The median
    is the mean of its two neighbours.

    Args:
        errors: one row per window.
        levels: quantile levels in [0, 1].
    """
    return quantiles_of_sorted(errors.sort(0).values, levels)


def quantiles_of_sorted(
    ordered: Float[Tensor, "N H"], levels: Float[Tensor, " G"]
) -> Float[Tensor, "G H"]:
    """Return the same for errors that are sorted by step already."""
    n = len(ordered)
    rank = ((n + 1) * exactly(levels)).mul(1e6).round().div(1e6)  # a level such as 0.1 is not exact
    low, high = rank.floor(), rank.ceil()
    low, high = torch.where(levels > 0.5, high, low), torch.where(levels < 0.5, low, high)
    low, high = ((number.long() - 1).clamp(0, n - 1) for number in (low, high))
    return (ordered[low] + ordered[high]) / 2
