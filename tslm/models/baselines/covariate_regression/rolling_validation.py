"""Weights of candidate forecasts, from rolling origins within the history of one series."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from tslm.models.baselines.covariate_regression.candidates import Candidate, History, candidates
from tslm.models.baselines.covariate_regression.laws import LEVELS
from tslm.models.baselines.covariate_regression.responses import beyond

Floats = npt.NDArray[np.float64]

ORIGINS = 8  # origins at most; the constants here are chosen by hand
FIRST = 3  # rows before the first origin, at least
SETTLING = 4  # rows of a moving covariate before the first origin
POWER = 4.0  # of the error, in the weights
DOUBT = 0.5  # standard errors by which a covariate must reduce the error
LEAST = 0.02  # weight below which a candidate is left out, relative to the largest


def forecast(history: History, horizon: int, judged: int | None = None) -> Floats:
    """Return the weighted mixture of all candidates as an ensemble, ``[H, members]``.

    Weights fall with the fourth power of the error (CRPS) at rolling origins. If no value of the
    past is negative, none of the forecast is.

    Args:
        history: the series and its covariates.
        horizon: steps, H.
        judged: steps of the forecasts at the rolling origins; H if None.
    """
    now = list(candidates(history, horizon))
    weight = weights(history, now, judged or horizon)
    chosen = [(w, each.ensembles) for w, each in zip(weight, now, strict=True) if w > 0]
    found = mixture([ensembles for _, ensembles in chosen], [w for w, _ in chosen])
    return found.clip(0) if history.natural and history.past.min() >= 0 else found


def weights(history: History, now: Sequence[Candidate], horizon: int) -> Floats:
    """Return the weight of each candidate; they sum to 1.

    A relation that is certain takes the place of all others, where the past has no whole season to
    judge by. Where an estimate of the series leaves its past range, the others get the mean
    distance added to their error, because no past step can show how they fare there.
    """
    errors, starts = errors_at_origins(history, horizon)
    plain = min(
        (each.name for each in now if each.column == -1),
        key=lambda name: np.mean([*errors[name].values()] or [0.0]),
    )
    error = np.array([_judged(errors.get(e.name, {}), errors[plain], starts) for e in now])
    error = np.where([each.column == -1 for each in now], _means(errors, now), error)
    if history.season == 1 or len(history.past) < history.season:
        certain = np.array([each.certain for each in now])
        if certain.any():
            known = certain & np.isfinite(error)
            return _falling(np.where(known if known.any() else certain, _filled(error), np.inf))
    return _by_group(error + _unseen(history, now), np.array([each.column for each in now]) == -1)


def errors_at_origins(
    history: History, horizon: int
) -> tuple[Mapping[str, Mapping[int, float]], Sequence[int]]:
    """Return the error (CRPS) of each candidate at each origin, and the origins."""
    found: dict[str, dict[int, float]] = {}
    starts = origins(history, horizon)
    for origin in starts:
        steps = min(horizon, len(history.past) - origin)
        truth = history.past[origin : origin + steps]
        for each in candidates(history.until(origin, steps), steps):
            found.setdefault(each.name, {})[origin] = float(crps(each.ensembles, truth).mean())
    return found, starts


def origins(history: History, horizon: int) -> Sequence[int]:
    """Return up to ``ORIGINS`` rows from which the rest of a history is forecast.

    They begin where series and covariates have moved, and end half a horizon before the end of the
    history, or later if it is short.
    """
    past, n = history.past, len(history.past)
    if n < 2:
        return []
    given = history.covariates[:n]
    moved = np.flatnonzero((given != given[0]).any(1))
    changed = np.flatnonzero(past != past[0])
    seen = max(int(rows[0]) if len(rows) else 0 for rows in (moved, changed)) + SETTLING
    first = min(max(FIRST, n // 4, min(seen, 3 * n // 4)), n - 1)
    last = max(n - max(horizon // 2, 1), min(first + ORIGINS // 2, n - 1))
    return sorted({int(row) for row in np.linspace(first, last, ORIGINS)})


def crps(ensembles: Floats, truth: Floats) -> Floats:
    """Return the continuous ranked probability score of each step."""
    n = ensembles.shape[1]
    rank = 2 * np.arange(1, n + 1) - n - 1
    spread = (np.sort(ensembles, 1) * rank).sum(1) / n**2
    return np.asarray(np.abs(ensembles - truth[:, None]).mean(1) - spread)


def mixture(ensembles: Sequence[Floats], weight: Sequence[float]) -> Floats:
    """Return a weighted mixture of ensembles as one ensemble."""
    pool = np.concatenate(ensembles, 1)
    mass = np.concatenate(
        [
            np.full(part.shape[1], w / part.shape[1])
            for part, w in zip(ensembles, weight, strict=True)
        ]
    )
    order = np.argsort(pool, 1, kind="stable")
    level = np.cumsum(mass[order], 1) - mass[order] / 2
    rows = np.take_along_axis(pool, order, 1)
    return np.stack([np.interp(LEVELS, *pair) for pair in zip(level, rows, strict=True)])


def _judged(own: Mapping[int, float], plain: Mapping[int, float], starts: Sequence[int]) -> float:
    """Return the mean error of a candidate plus its doubt; inf if it was seldom possible.

    Origins at which it was impossible count with the error of the best one without covariates.
    """
    if len(own) < max(2, len(starts) // 2):
        return np.inf
    gains = np.array([own[origin] - plain[origin] for origin in own])
    mean = np.mean([own.get(origin, plain[origin]) for origin in starts])
    return float(mean + DOUBT * gains.std() / np.sqrt(len(gains)))


def _means(errors: Mapping[str, Mapping[int, float]], now: Sequence[Candidate]) -> Floats:
    return np.array([np.mean([*errors.get(each.name, {}).values()] or [0.0]) for each in now])


def _filled(error: Floats) -> Floats:
    return np.where(np.isfinite(error), error, 1.0)


def _unseen(history: History, now: Sequence[Candidate]) -> Floats:
    """Return the mean distance of estimates from their past range, 0 for those that follow them."""
    n = len(history.past)
    columns = [history.covariates[:, column] for column in history.follows]
    distance = max((np.abs(beyond(x[:n], x[n:])).mean() for x in columns), default=0.0)
    return np.array([0.0 if each.column in history.follows else distance for each in now])


def _by_group(error: Floats, plain: npt.NDArray[np.bool_]) -> Floats:
    """Return weights: first those of candidates with and without covariates, then within each.

    There are many relations to covariates, which otherwise would outweigh the few candidates
    without them even where they are no better.
    """
    groups = [plain, ~plain] if (~plain).any() else [plain]
    share = _falling(np.array([error[group].min() for group in groups]))
    found = np.zeros(len(error))
    for group, part in zip(groups, share, strict=True):
        if part > 0:
            found[group] = part * _falling(error[group])
    return found


def _falling(error: Floats) -> Floats:
    """Return weights that fall with the error; a candidate without error takes all."""
    least = error.min()
    if not np.isfinite(least):
        return np.full(len(error), 1 / len(error))
    weight = np.asarray(error == least, dtype=float)
    if least > 0:
        weight = (least / error) ** POWER
    weight[weight < LEAST] = 0
    return weight / weight.sum()
