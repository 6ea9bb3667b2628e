"""Laws that continue a series from its own values, as ensembles.

An ensemble is a set of ``MEMBERS`` equally likely values for each step, in increasing order.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MEMBERS = 39  # values of an ensemble; chosen by hand
LEVELS = (np.arange(MEMBERS) + 0.5) / MEMBERS  # their quantile levels
# distances for which past changes are sorted; those between are interpolated
KNOTS = np.unique((2 ** np.arange(0, 20, 0.5)).round().astype(int))


def ensemble(pool: Floats) -> Floats:
    """Return the quantiles of a pool of values; NaN for an empty pool."""
    known = np.sort(pool[np.isfinite(pool)])
    if not len(known):
        return np.full(MEMBERS, np.nan)
    return np.interp(LEVELS * (len(known) - 1), np.arange(len(known)), known)


def climatology(values: Floats, horizon: int, season: int) -> Floats:
    """Return the past values at the phase of each step, ``[H, members]``.

    Args:
        values: the past, oldest first; NaN where missing.
        horizon: steps, H.
        season: steps of a season; where the past is shorter, all values count.
    """
    if len(values) < season:
        season = 1
    phases = [(len(values) + step) % season for step in range(min(season, horizon))]
    own = [ensemble(values[phase::season]) for phase in phases]
    found = np.stack([own[step % season] for step in range(horizon)])
    return np.where(np.isnan(found), ensemble(values), found)


def persistence(values: Floats, horizon: int, season: int) -> Floats:
    """Return the last season continued, with the past changes over as many steps, ``[H, members]``.

    Changes count with both signs. Beyond the longest past change the spread grows with the square
    root of the distance.

    Args:
        values: the past, oldest first; NaN where missing.
        horizon: steps, H.
        season: steps of a season; 1 where the past is shorter.
    """
    if len(values) < season:
        season = 1
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return np.full((horizon, MEMBERS), np.nan)
    own = values[len(values) - season + np.arange(horizon) % season]
    own = np.where(np.isnan(own), values[known[-1]], own)
    distance = np.arange(horizon) // season + 1
    knots = KNOTS[: int(np.searchsorted(KNOTS, distance[-1])) + 1]
    spread = np.stack([_changes(values, knot, season) for knot in knots.tolist()])
    place = np.interp(distance, knots, np.arange(len(knots)))
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, len(knots) - 1)
    part = (place - low)[:, None]
    return np.asarray(own[:, None] + (1 - part) * spread[low] + part * spread[high])


LAWS = (climatology, persistence)


def _changes(values: Floats, distance: int, season: int) -> Floats:
    """Return the changes of a series over some seasons, with both signs, as an ensemble."""
    longest = max((len(values) - 3) // season, 1)
    used = min(distance, longest)
    changes = values[used * season :] - values[: -used * season]
    changes = changes[np.isfinite(changes)]
    if not len(changes):
        return np.zeros(MEMBERS)
    return ensemble(np.concatenate([changes, -changes])) * np.sqrt(distance / used)
