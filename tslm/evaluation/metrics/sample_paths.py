"""Scores of sample paths as a whole: the energy score and the variogram score.

Gneiting & Raftery, "Strictly Proper Scoring Rules, Prediction, and Estimation", Journal of the
American Statistical Association 102, 2007, section 4.3 (energy score); Scheuerer & Hamill,
"Variogram-Based Proper Scoring Rules for Probabilistic Forecasts of Multivariate Quantities",
Monthly Weather Review 143, 2015 (variogram score).
"""

import numpy as np
from jaxtyping import Float64
from scipy.spatial.distance import pdist

REACH = 24  # most steps between two values of the variogram score; chosen by hand


def energy_score(truth: Float64[np.ndarray, " H"], paths: Float64[np.ndarray, "n H"]) -> float:
    """Return the energy score of sample paths, without bias for their number; lower is better.

    It is the mean distance of a path from the truth, less half of the mean distance of two paths,
    divided by the square root of the number of steps, so that horizons can be compared. The unit
    is that of the values. Steps without a true value are left out; NaN without any.

    Args:
        truth: true values; NaN where missing.
        paths: two or more sample paths of the same steps.
    """
    seen = ~np.isnan(truth)
    if not seen.any():
        return float("nan")
    known = paths[:, seen]
    error = np.linalg.norm(known - truth[seen], axis=1).mean()
    return float((error - pdist(known).mean() / 2) / np.sqrt(seen.sum()))


def variogram_score(truth: Float64[np.ndarray, " H"], paths: Float64[np.ndarray, "n H"]) -> float:
    """Return the variogram score of order 1/2 of sample paths; lower is better.

    For two steps it is the squared difference between the root of their true change and the mean
    root of their change in the paths. It is the mean over all pairs of at most ``REACH`` steps
    apart, each weighted by 1 / distance. The unit is that of the values. It sees whether changes
    are of the right size, not whether values are. NaN without a pair of true values.

    Args:
        truth: true values; NaN where missing.
        paths: sample paths of the same steps.
    """
    total, weights = 0.0, 0.0
    for lag in range(1, min(REACH, len(truth) - 1) + 1):
        change = np.sqrt(np.abs(truth[lag:] - truth[:-lag]))
        expected = np.sqrt(np.abs(paths[:, lag:] - paths[:, :-lag])).mean(0)
        gap = np.square(change - expected)
        seen = ~np.isnan(gap)
        total += gap[seen].sum() / lag
        weights += seen.sum() / lag
    return float(total / weights) if weights else float("nan")
