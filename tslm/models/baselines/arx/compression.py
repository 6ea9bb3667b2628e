"""Compression of values by asinh about their median, which tames spikes of either sign.

Uniejewski, Weron & Ziel, "Variance stabilizing transformations for electricity spot price
forecasting", IEEE Transactions on Power Systems 33, 2018.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

NORMAL = 1.4826  # standard deviation of a normal variable divided by its median absolute deviation


def fit_compression(values: Iterable[Float[Tensor, "..."]]) -> Float[Tensor, "2"]:
    """Return the median of values, and their median absolute deviation times ``NORMAL``.

    Both are 0, which does not compress, without a value.
    """
    parts = [each.ravel() for each in values]
    every = torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)
    every = every[~every.isnan()]
    if not len(every):
        return torch.zeros(2, dtype=torch.float64)
    center = every.median()
    return torch.stack([center, NORMAL * (every - center).abs().median()])


def compress(values: Float[Tensor, "..."], by: Float[Tensor, "2"]) -> Float[Tensor, "..."]:
    """Return compressed values; the same values where the scale is 0."""
    center, scale = by
    return ((values - center) / scale).asinh() if scale > 0 else values


def expand(values: Float[Tensor, "..."], by: Float[Tensor, "2"]) -> Float[Tensor, "..."]:
    """Undo ``compress``."""
    center, scale = by
    return values.sinh() * scale + center if scale > 0 else values
