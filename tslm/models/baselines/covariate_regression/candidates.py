"""Candidate forecasts of one series: without covariates, and by each relation to them."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tslm.models.baselines.covariate_regression import relations
from tslm.models.baselines.covariate_regression.autoregression import autoregression
from tslm.models.baselines.covariate_regression.laws import LAWS
from tslm.models.baselines.covariate_regression.responses import beyond, curve, doubted, smoothed

Floats = npt.NDArray[np.float64]

RATES = (1.0, 0.5, 0.3, 0.1)  # share of the way to a new level that a response goes in one step
ORDERS = (1, 2, 3)  # own lags of autoregressions, and the largest delay of their covariates
MOST_COLUMNS = 8  # covariates that autoregressions read at most


class History(NamedTuple):
    """History of one series, with covariates.

    Attributes:
        past: the series, without missing values.
        covariates: covariates of the past and of the steps to forecast, ``[L + H, K]``.
        season: steps of a season.
        follows: columns that the series is known to follow.
        natural: True if 0 is the natural zero of the series; relations need it that multiply.
    """

    past: Floats
    covariates: Floats
    season: int
    follows: Sequence[int] = ()
    natural: bool = True

    def until(self, origin: int, horizon: int) -> "History":
        """Return the history before a row, with covariates of the ``horizon`` steps after it."""
        return self._replace(
            past=self.past[:origin], covariates=self.covariates[: origin + horizon]
        )


class Candidate(NamedTuple):
    """Forecast by one relation.

    Attributes:
        name: name of the relation, the same at every origin.
        ensembles: ``[H, members]``.
        column: number of the covariate; -1 for none, -2 for all.
        certain: True if the column is known to be followed, and the relation shows in the past.
    """

    name: str
    ensembles: Floats
    column: int = -1
    certain: bool = False


def candidates(history: History, horizon: int) -> Iterator[Candidate]:
    """Yield the forecast of each relation, those without covariates first.

    Args:
        history: the series.
        horizon: steps, H.
    """
    past, covariates, season, _, _ = history
    for law in LAWS:
        yield Candidate(law.__name__, law(past, horizon, season))
    moving = np.flatnonzero(np.ptp(covariates, axis=0) > 0)
    for column in moving.tolist():
        for name, ensembles in _by_column(history, column):
            certain = column in history.follows and name.startswith("threshold")
            yield Candidate(f"{name} of {column}", ensembles, column, certain)
    own = [column for column in moving.tolist() if column not in history.follows]
    for order in ORDERS if 0 < len(own) <= MOST_COLUMNS else ():
        for delays in (range(order + 1), range(1, order + 1)):
            found = autoregression(past, covariates[:, own], horizon, order, delays)
            if found is not None:
                name = f"autoregression {order} delays {delays.start} to {order}"
                yield Candidate(name, found, -2)


def _by_column(history: History, column: int) -> Iterator[tuple[str, Floats]]:
    """Yield name and ensemble of each relation to one covariate."""
    past, covariates, season, follows, natural = history
    n, raw, known = len(past), covariates[:, column], column in follows
    if natural:
        yield from relations.thresholds(past, raw[:n], raw[n:])
        yield from relations.states(past, raw[:n], raw[n:], season)
    response = curve(past, raw, parallel=known)
    for rate in RATES:
        x = smoothed(raw, rate)
        found = [*relations.shifts(past, x[:n], x[n:], season, 1.0 if known else 0.0)]
        if natural:
            found += relations.ratios(past, x[:n], x[n:], season)
        if known:
            found += relations.floors(past, x[:n], x[n:], season)
            moved = beyond(x[:n], x[n:])
            found = [(name, doubted(ensembles, moved)) for name, ensembles in found]
        if response is not None:
            found += _along_curve(past, smoothed(response, rate), season)
        yield from ((f"{name} rate {rate}", ensembles) for name, ensembles in found)


def _along_curve(past: Floats, response: Floats, season: int) -> Iterator[tuple[str, Floats]]:
    """Yield ensembles about a response."""
    n = len(past)
    moved = beyond(response[:n], response[n:])
    for law in LAWS:
        rest = law(past - response[:n], len(response) - n, season)
        yield f"curve {law.__name__}", doubted(rest + response[n:, None], moved)
