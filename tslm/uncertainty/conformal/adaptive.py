"""Adaptive conformal prediction.

Source: Gibbs and Candes, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS 2021.

Departures: the quantile levels adapt along the validation windows and stay fixed afterwards. Each
tail adapts by itself. All steps of a window count together. Because windows overlap, each update is
scaled by the fraction of the window that is new.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.float64 import exactly
from tslm.uncertainty.conformal.error_quantiles import grid, quantiles_of_sorted
from tslm.uncertainty.conformal.residual import FEW, Residual

RATE = 0.03  # gamma of equation 2: change of a level per horizon of new steps
ROUNDS = 16  # number of times that newer errors join the known ones


class Adaptive(Residual):
    """Adaptive conformal prediction: residuals, with levels corrected by their recent coverage."""

    name = "adaptive"

    @classmethod
    def levels(cls, scaled: Float[Tensor, "N H"], new_fraction: float) -> Float[Tensor, " G"]:
        return adapted_levels(scaled, grid(), RATE * new_fraction)


def adapted_levels(
    errors: Float[Tensor, "N H"], levels: Float[Tensor, " G"], rate: float
) -> Float[Tensor, " G"]:
    """Return the levels whose error quantiles have the coverage ``levels`` along the windows.

    After each window ``a <- a + rate * (level - fraction of errors below the quantile at a)``,
    which is equation 2 of Gibbs and Candes for each tail by itself. A window is judged by the
    errors of earlier windows.

    Args:
        errors: one row per window, in the order of time.
        levels: quantile levels to keep, in (0, 1).
        rate: gamma, per window.
    """
    adapted, n = levels.clone(), len(errors)
    borders = torch.linspace(min(FEW, n), n, ROUNDS + 1).long().tolist()
    for begin, end in pairwise(borders):
        known = errors[:begin].sort(0).values
        for window in errors[begin:end]:
            limits = quantiles_of_sorted(known, adapted.clamp(0, 1))
            below = exactly(window <= limits).mean(1)
            adapted = adapted + rate * (levels - below)
    return adapted.clamp(0, 1).sort().values
