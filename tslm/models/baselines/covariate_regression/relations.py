"""Relations of a series to one covariate.

A relation takes out of the past what the covariate explains, continues the rest by a law, and
puts the covariate of the forecast steps back in. Each function yields ensembles with names.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tslm.models.baselines.covariate_regression.laws import LAWS, climatology

Floats = npt.NDArray[np.float64]
Named = Iterator[tuple[str, Floats]]

SHRINKAGE = 1.0  # past steps that the expected slope counts for; chosen by hand
RATIO_FLOOR = 0.02  # part of its largest value below which a covariate tells no ratio
THRESHOLD_FLOOR = 0.1  # the same for the distance from a threshold, which is noisier
OFF = 0.005  # part of its largest value below which a series counts as 0
ROUNDS = 10  # passes in which a profile and the factors of two states are fitted
ALIKE = 5.0  # ratio up to which two spreads are alike


def shifts(past: Floats, given: Floats, ahead: Floats, season: int, slope: float) -> Named:
    """Yield ensembles of ``y - b x`` continued, with ``b x`` added.

    Args:
        past: the series, y.
        given: the covariate on the past steps, x.
        ahead: the covariate on the steps to forecast.
        season: steps of a season.
        slope: expected slope, towards which the fitted one is shrunk. A slope of 1 is tried too if
            it is expected, or if series and covariate could be in the same units.
    """
    slopes = {"slope": _slope(past, given, slope)}
    if slope == 1 or _alike(past, given):
        slopes["difference"] = 1.0
    for name, b in slopes.items():
        for law in LAWS:
            rest = law(past - b * given, len(ahead), season)
            yield f"{name} {law.__name__}", rest + b * ahead[:, None]


def ratios(past: Floats, given: Floats, ahead: Floats, season: int) -> Named:
    """Yield ensembles of ``y / x`` continued, times ``x``; none for a negative covariate."""
    top = given.max()
    if min(given.min(), ahead.min()) < 0 or top <= 0:
        return
    told = given > RATIO_FLOOR * top
    ratio = np.where(told, past / np.where(told, given, 1.0), np.nan)
    for law in LAWS:
        found = law(ratio, len(ahead), season)
        if np.isfinite(found).all():
            yield f"ratio {law.__name__}", found * ahead[:, None]


def floors(past: Floats, given: Floats, ahead: Floats, season: int) -> Named:
    """Yield ensembles of a series that follows an estimate of itself, but not below a floor."""
    lowest = float(np.quantile(past, 0.05))
    rest, known = past - np.maximum(lowest, given), np.maximum(lowest, ahead)
    for law in LAWS:
        yield f"floor {law.__name__}", law(rest, len(ahead), season) + known[:, None]


def thresholds(past: Floats, given: Floats, ahead: Floats) -> Named:
    """Yield ensembles of a series that is 0 below a threshold of a covariate, and linear above it.

    The threshold is the largest value of the covariate at which the series is still 0.
    """
    if past.min() < 0 or past.max() <= 0:
        return
    off = past <= OFF * past.max()
    if not 2 <= off.sum() <= len(past) - 2:
        return
    threshold = given[off].max()
    if threshold >= np.quantile(given[~off], 0.3):
        return
    above, next_above = (np.maximum(x - threshold, 0) for x in (given, ahead))
    told = above > THRESHOLD_FLOOR * above.max()
    ratio = np.where(told, past / np.where(told, above, 1.0), np.nan)
    for law in LAWS:
        found = law(ratio, len(ahead), 1)
        if np.isfinite(found).all():
            yield f"threshold {law.__name__}", (found * next_above[:, None]).clip(0)


def states(past: Floats, given: Floats, ahead: Floats, season: int) -> Named:
    """Yield an ensemble of a seasonal profile times a factor for each of two states."""
    both = np.concatenate([given, ahead])
    levels = np.unique(both)
    n = len(past)
    if len(levels) != 2 or season == 1 or n < season + 2 or past.min() < 0:
        return
    phase, state = np.arange(len(both)) % season, np.searchsorted(levels, both)
    fitted = _profile(past, phase[:n], state[:n], season)[phase, state]
    told = fitted[:n] > RATIO_FLOOR * fitted[:n].max()
    if told.sum() < 3:
        return
    ratio = past[told] / fitted[:n][told]
    rows = n / season  # the profile explains a part of so few values by itself
    spread = np.sqrt(rows / max(rows - 1, 0.5))
    members = climatology(1 + (ratio - 1) * spread, len(ahead), 1).clip(0)
    yield "states", members * fitted[n:, None]


def _profile(
    past: Floats, phase: npt.NDArray[np.int64], state: npt.NDArray[np.int64], season: int
) -> Floats:
    """Return the value of each phase and state, ``[season, 2]``, as a product of two factors."""
    factor = np.ones(2)
    for _ in range(ROUNDS):
        f = factor[state]
        profile = _ratio(np.bincount(phase, past * f, season), np.bincount(phase, f * f, season))
        p = profile[phase]
        factor = _ratio(np.bincount(state, past * p, 2), np.bincount(state, p * p, 2))
        factor = factor / factor.max() if factor.max() > 0 else np.ones(2)
    return profile[:, None] * factor


def _ratio(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> Floats:
    """Return a quotient, and 1 where the divisor is 0."""
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 1.0)


def _slope(past: Floats, given: Floats, prior: float) -> float:
    """Return the least-squares slope, shrunk towards an expected one."""
    x, y = given - given.mean(), past - past.mean()
    weight = SHRINKAGE * max(float(x.var()), np.finfo(float).tiny)
    return float((x @ y + weight * prior) / (x @ x + weight))


def _alike(past: Floats, given: Floats) -> bool:
    """Return True if two series could be in the same units: levels and spreads are alike."""
    spread, other = past.std(), given.std()
    near = abs(past.mean() - given.mean()) < ALIKE * (spread + other)
    return bool(near and other < ALIKE * spread and spread < ALIKE * other)
