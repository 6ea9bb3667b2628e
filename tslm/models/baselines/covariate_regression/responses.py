"""Responses of a series to a covariate: delayed, or along a curve through the observed levels."""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from tslm.models.baselines.covariate_regression.laws import LEVELS

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MOST_LEVELS = 8  # distinct values of a covariate for which a curve is drawn; chosen by hand
DOUBT = 0.2  # relative standard error of a slope beyond the past range; chosen by hand
EDGE = 0.03  # share of the past steps that does not count for the past range; chosen by hand
_NORMAL = ndtri(LEVELS)


def smoothed(values: Floats, rate: float) -> Floats:
    """Return a covariate followed with a delay: each step goes a share ``rate`` of the way."""
    if rate == 1:
        return values
    found = np.empty_like(values)
    level = values[0]
    for step, value in enumerate(values):
        level = level + rate * (value - level)
        found[step] = level
    return found


def beyond(given: Floats, ahead: Floats) -> Floats:
    """Return the distance of each future value of a covariate from the range of its past values."""
    low, high = np.quantile(given, (EDGE, 1 - EDGE))
    return np.asarray(ahead - ahead.clip(low, high))


def doubted(ensembles: Floats, moved: Floats) -> Floats:
    """Return ensembles with more spread where a response goes beyond what was observed.

    Args:
        ensembles: ``[H, members]``.
        moved: response beyond the past range, in the units of the series.
    """
    return np.asarray(ensembles + DOUBT * np.abs(moved)[:, None] * _NORMAL)


def curve(past: Floats, covariate: Floats, parallel: bool) -> Floats | None:
    """Return the response at each step along a curve through the median at each observed level.

    The curve is linear between levels. Beyond them it goes on along its last piece, or, for a
    covariate in the units of the series, in parallel to the covariate.

    Args:
        past: the series.
        covariate: the covariate on past and future steps.
        parallel: True for a covariate in the units of the series.

    Returns:
        The response, or None if the covariate has too many levels, or too few.
    """
    given = covariate[: len(past)]
    settled = _settled(given)
    level = np.unique(given[settled])
    if not (1 if parallel else 2) <= len(level) <= MOST_LEVELS:
        return None
    median = np.array([np.median(past[settled & (given == one)]) for one in level])
    inside = np.interp(covariate, level, median)
    below = np.minimum(covariate - level[0], 0)
    above = np.maximum(covariate - level[-1], 0)
    if parallel:
        return np.asarray(inside + below + above)
    slope = np.diff(median) / np.diff(level)
    return np.asarray(inside + slope[0] * below + slope[-1] * above)


def _settled(given: Floats) -> Bools:
    """Return True in the last half of each stretch at one level, where a response has settled."""
    change = np.flatnonzero(np.diff(given, prepend=np.nan) != 0)
    found = np.zeros(len(given), dtype=bool)
    for start, stop in zip(change, [*change[1:], len(given)], strict=True):
        found[start + max((stop - start) // 2, 2) : stop] = True
    return found
