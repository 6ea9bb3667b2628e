"""Likelihood of observed values under predictive distributions that are given by quantiles."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from tslm.core.distribution import LEAST
from tslm.uncertainty.conformal.error_quantiles import GRID

Floats = npt.NDArray[np.float64]

OUTER = (3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0)  # normal scores beyond those of GRID
SCORES = np.array([*(-s for s in reversed(OUTER)), *ndtri(GRID), *OUTER])
LEVELS = ndtr(SCORES)  # quantile levels by which a distribution is known


class Likelihood(NamedTuple):
    """Likelihood of observed values.

    Attributes:
        score: normal score of the quantile level at which each value lies.
        log_density: logarithm of the density at each value, in one over its units.
    """

    score: Floats
    log_density: Floats


def likelihood(quantiles: Floats, values: Floats, spread: Floats) -> Likelihood:
    """Return the likelihood of observed values.

    Between two quantiles, and beyond the outermost, the quantile is linear in the normal score, as
    in ``Quantiles``. A normal error with a standard deviation of ``LEAST`` is added, so that the
    density of a value that is forecast with certainty is finite.

    Args:
        quantiles: quantiles at ``LEVELS``, ``[K, ...]``.
        values: observed values, ``[...]``; NaN where missing.
        spread: standard deviation of the series of each value, broadcast against ``values``.
    """
    shape = values.shape
    wide = np.broadcast_to(LEAST * spread, shape).reshape(-1, 1)
    knots = np.sort(quantiles, 0).reshape(len(SCORES), -1).T + wide * SCORES
    flat = values.reshape(-1, 1)
    right = (knots < flat).sum(1).clip(1, len(SCORES) - 1)[:, None]
    low, high = (np.take_along_axis(knots, right - back, 1)[:, 0] for back in (1, 0))
    ends = SCORES[right[:, 0] - 1], SCORES[right[:, 0]]
    slope = (ends[1] - ends[0]) / (high - low)
    score = ends[0] + (flat[:, 0] - low) * slope
    density = np.log(slope) - np.square(score) / 2 - np.log(2 * np.pi) / 2
    return Likelihood(score.reshape(shape), density.reshape(shape))
