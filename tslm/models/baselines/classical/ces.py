"""Complex exponential smoothing, with the season that the corrected AIC chooses.

Svetunkov, Kourentzes & Ord, "Complex exponential smoothing", Naval Research Logistics 69, 2022. A
series and its information potential are smoothed as one complex number by the complex parameter
a + ib. The season is none, that of the whole state (simple), a real one (partial) or a complex one
(full); states, bounds and the choice by the corrected AIC are those of statsforecast's AutoCES.

Departures: the first states are found by one pass backwards, as there, and the parameters by
damped least squares from several starts, in a bounded number of steps.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.models.baselines.classical.base import Predictive
from tslm.models.baselines.classical.course import Course
from tslm.models.baselines.classical.least_squares import least_squares
from tslm.models.baselines.classical.seasonality import interpolate, seasonal_component
from tslm.models.baselines.classical.smoothing import Smoothing
from tslm.models.layers.seasonal import last_observed, repeat_season

LEVEL, SEASON = (0.01, 1.8), (0.01, 1.5)  # bounds of a, and of the parameters of the season
CROSS = (0.01, 1.9)  # bounds of b
STARTS = tuple((a, b) for a in (0.4, 0.9, 1.3, 1.6) for b in (0.95, 1.0, 1.05))  # of a and b
LAG = 1.1  # the first information potential is the level divided by this, as in statsforecast
WARM_UP = 10  # first values that give the first level
ITERATIONS = 10  # of the least squares; chosen by hand
LEAST = 4  # values of the shortest series that is fitted; a shorter one repeats its last value
_FARTHEST = 15.0  # largest transformed parameter: its bound up to 3e-7


class Kind(NamedTuple):
    """Kind of season.

    Args:
        whole: True if level and potential belong to a phase of the season (simple).
        season: 0 without a separate season, 1 for a real one (partial), 2 for a complex one (full).
        start: first parameters of the season.
    """

    whole: bool
    season: int
    start: tuple[float, ...]

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Return the bounds of each parameter."""
        return (LEVEL, CROSS, *[SEASON] * self.season)

    @property
    def size(self) -> int:
        """Return the number of parameters that the corrected AIC counts, as in statsforecast."""
        return 3 + self.season


NONE, SIMPLE = Kind(False, 0, ()), Kind(True, 0, ())
PARTIAL, FULL = Kind(False, 1, (0.1,)), Kind(False, 2, (1.3, 1.0))


class Gain(NamedTuple):
    """Coefficients by which a complex state moves on: those of the state, and of the error."""

    cross: Float[Tensor, "..."]
    keep: Float[Tensor, "..."]
    real: Float[Tensor, "..."]
    imaginary: Float[Tensor, "..."]

    @classmethod
    def of(cls, a: Float[Tensor, "..."], b: Float[Tensor, "..."]) -> "Gain":
        """Return the coefficients of the complex parameter a + ib."""
        return cls(b - 1, 1 - a, a - b, a + b)


Pair = tuple[Tensor, Tensor]  # real and imaginary part of a state


def _moved(pair: Pair, gain: Gain, error: Tensor | None) -> Pair:
    """Return the state one step later; without an error it is a forecast."""
    real, imaginary = pair
    first = torch.addcmul(real, gain.cross, imaginary)
    second = torch.addcmul(real, gain.keep, imaginary)
    if error is None:
        return first, second
    return first.addcmul_(gain.real, error), second.addcmul_(gain.imaginary, error)


class State(NamedTuple):
    """State of the recursion: lists have one entry per phase, or one in all.

    Args:
        level: level and information potential.
        season: season and its potential; empty without a separate season.
    """

    level: list[Pair]
    season: list[Pair]


class Smoother:
    """Complex exponential smoothing of rows, with one kind of season and given parameters.

    Args:
        kind: season.
        season_length: steps of a season, m.
        points: parameters a, b and those of the season.
    """

    def __init__(self, kind: Kind, season_length: int, points: Float[Tensor, "S P D"]) -> None:
        self.kind, self.m = kind, season_length
        a, b, *season = points.unbind(-1)
        self.gain = Gain.of(a, b)
        self.real = season[0] if kind.season == 1 else None
        self.season = Gain.of(season[0], season[1]) if kind.season == 2 else None

    def step(
        self,
        state: State,
        phase: int,
        value: Tensor | None,
        observed: Tensor | None = None,
        begun: Tensor | None = None,
    ) -> Tensor:
        """Move the state by one value, in place; return its error, or the forecast without one."""
        place = phase if self.kind.whole else 0
        pair = state.level[place]
        ahead = pair[0] + state.season[phase][0] if state.season else pair[0]
        error = None if value is None else value - ahead
        if error is not None and observed is not None:
            error = error * observed
        moved = _moved(pair, self.gain, error)
        state.level[place] = moved if begun is None else _chosen(begun, moved, pair)
        if state.season and (error is not None or self.season is not None):
            old = state.season[phase]
            moved = self._season(old, error)
            state.season[phase] = moved if begun is None else _chosen(begun, moved, old)
        return ahead if error is None else error

    def _season(self, pair: Pair, error: Tensor | None) -> Pair:
        """Return the state of a phase of the season one season later."""
        if self.season is not None:
            return _moved(pair, self.season, error)
        assert self.real is not None
        assert error is not None
        return torch.addcmul(pair[0], self.real, error), pair[1]

    def pass_over(self, course: Course, state: State, *, backwards: bool) -> list[Tensor]:
        """Smooth all rows in one direction, in place; return the errors in that order."""
        steps, whole = range(course.values.shape[1]), course.whole
        errors = []
        for i in reversed(steps) if backwards else steps:
            value = course.values[:, i, None]
            observed = None if whole else course.observed[:, i, None]
            begun = None if course.begun is None else course.begun[:, i, None]
            errors.append(self.step(state, (i - len(steps)) % self.m, value, observed, begun))
        return errors

    def turn(self, state: State) -> None:
        """Forecast the state one step, or one season, further, where the other pass begins."""
        state.level[:] = [_moved(pair, self.gain, None) for pair in state.level]
        if self.season is not None:
            state.season[:] = [_moved(pair, self.season, None) for pair in state.season]

    def smooth(self, course: Course, state: State) -> tuple[Float[Tensor, "S P L"], State]:
        """Return the errors after passes forwards and backwards, and the last state."""
        state = State(list(state.level), list(state.season))
        self.pass_over(course, state, backwards=False)
        self.turn(state)
        self.pass_over(course, state, backwards=True)
        self.turn(state)
        errors = self.pass_over(course, state, backwards=False)
        return torch.stack(errors, -1), state


def _chosen(begun: Tensor, new: Pair, old: Pair) -> Pair:
    """Return the new state where a row has begun."""
    return torch.where(begun, new[0], old[0]), torch.where(begun, new[1], old[1])


class CES(Smoothing):
    """Complex exponential smoothing, fitted to each context.

    A season is tried for rows of at least two seasons. Rows of fewer than four values, and
    constant ones, repeat their last value. Without a natural zero, values are counted from their
    mean.

    Args:
        task: gives the steps of a season, m.
        rows: last rows of the context that are used.
    """

    def smooth(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        filled, course, m = interpolate(rows), Course.of(rows), self.season_length
        length = (~filled.isnan()).sum(1)
        count = (~rows.isnan()).sum(1)
        kinds = [NONE] if m == 1 or rows.shape[1] < 2 * m else [NONE, SIMPLE, PARTIAL, FULL]
        criteria, found = [], []
        for kind in kinds:
            criterion, predictive = _fitted(kind, m, filled, course, count, horizon)
            enough = (length >= 2 * m) | (kind == NONE)
            criteria.append(torch.where(enough, criterion, torch.inf))
            found.append(torch.stack(predictive))
        best = torch.stack(criteria).argmin(0)
        mean, deviation = torch.stack(found)[best, :, torch.arange(len(rows))].unbind(1)
        level = last_observed(rows)
        still = (torch.nan_to_num(rows - level) == 0).all(1, keepdim=True)
        few = still | (count < LEAST)[:, None]
        deviation = torch.where(
            few, torch.where(still & (count > 1)[:, None], 0, torch.nan), deviation
        )
        return Predictive(torch.where(few, level, mean), deviation)


def _fitted(
    kind: Kind,
    season_length: int,
    filled: Float[Tensor, "S L"],
    course: Course,
    count: Int[Tensor, " S"],
    horizon: int,
) -> tuple[Float[Tensor, " S"], Predictive]:
    """Fit one kind of season; return its corrected AIC and its forecast."""
    scale = (filled - filled.nanmean(1, keepdim=True)).square().nanmean(1).sqrt()
    scale = torch.where(scale > 0, scale, 1)[:, None]
    course = course._replace(values=course.values / scale)
    start = _initial(kind, season_length, filled / scale)

    def errors(points: Tensor, rows: Tensor) -> Tensor:
        smoother = Smoother(kind, season_length, _bounded(kind, points))
        return smoother.smooth(course.take(rows), _taken(start, rows))[0]

    everyone = torch.arange(len(filled), device=filled.device)
    tried = [_free(kind, (*pair, *kind.start)) for pair in STARTS]
    grid = filled.new_tensor(tried).expand(len(filled), -1, -1)
    sums = torch.nan_to_num(errors(grid, everyone).square().sum(-1), nan=torch.inf)
    first = grid[everyone, sums.argmin(1)]
    point = least_squares(
        errors, first, torch.ones_like(first, dtype=torch.bool), iterations=ITERATIONS
    ).point
    smoother = Smoother(kind, season_length, _bounded(kind, point[:, None]))
    rest, state = smoother.smooth(course, start)
    total = rest.square().sum((1, 2))
    free = count - kind.size - 1
    criterion = count * total.clamp(min=1e-300).log() + 2 * kind.size
    criterion = criterion + 2 * kind.size * (kind.size + 1) / free.clamp(min=1)
    criterion = torch.where((free > 0) & total.isfinite(), criterion, torch.inf)
    if kind == NONE:  # the last resort of a short row
        criterion = torch.nan_to_num(criterion, posinf=1e300)
    mean, response = _continue(smoother, state, horizon)
    deviation = (total / free.clamp(min=1)).sqrt()[:, None] * response.square().cumsum(1).sqrt()
    deviation = torch.where((free > 0)[:, None], deviation * scale, torch.nan)
    return criterion, Predictive(mean * scale, deviation)


def _continue(
    smoother: Smoother, state: State, horizon: int
) -> tuple[Float[Tensor, "S H"], Float[Tensor, "S H"]]:
    """Return the forecast, and the response of later forecasts to an error of 1 at the first step.

    Both follow from the same recursion, in two columns.
    """
    zero = torch.zeros_like(state.level[0][0])

    def two(pair: Pair) -> Pair:
        return torch.cat([pair[0], zero], 1), torch.cat([pair[1], zero], 1)

    both = State([two(pair) for pair in state.level], [two(pair) for pair in state.season])
    steps = []
    for h in range(horizon):
        if h:
            steps.append(smoother.step(both, h % smoother.m, None))
            continue
        pair = both.level[0]
        ahead = pair[0] + both.season[0][0] if both.season else pair[0]
        pulse = torch.cat([zero, 1 + zero], 1)
        smoother.step(both, 0, ahead + pulse)
        steps.append(torch.cat([ahead[:, :1], 1 + zero], 1))
    mean, response = torch.stack(steps, -1).unbind(1)
    return mean, response


def _initial(kind: Kind, season_length: int, filled: Float[Tensor, "S L"]) -> State:
    """Return the state before the first value, as in statsforecast.

    Args:
        kind: season.
        season_length: steps of a season, m.
        filled: rows without gaps; NaN before a short one.
    """
    m, length = season_length, (~filled.isnan()).sum(1, keepdim=True)
    number = m if kind != NONE else WARM_UP
    first = filled.shape[1] - length + torch.arange(number, device=filled.device)
    values = filled.gather(1, first.clamp(max=filled.shape[1] - 1))
    values = torch.where(first < filled.shape[1], values, torch.nan)
    if kind.whole:  # by phase, where phase 0 is that of the step after the last
        place = (first - filled.shape[1]) % m
        levels = torch.nan_to_num(values.gather(1, place.argsort(1)))
    else:
        levels = torch.nan_to_num(values.nanmean(1, keepdim=True))
    level = [(part, part / LAG) for part in levels.split(1, 1)]
    if not kind.season:
        return State(level, [])
    seasons = seasonal_component(filled, m, multiplicative=False)
    parts = torch.nan_to_num(repeat_season(seasons, m)).split(1, 1)
    return State(level, [(part, part / LAG) for part in parts])


def _taken(state: State, rows: Int[Tensor, " n"]) -> State:
    """Return the state of some rows."""
    return State(*([(a[rows], b[rows]) for a, b in part] for part in state))


def _bounded(kind: Kind, points: Float[Tensor, "S P D"]) -> Float[Tensor, "S P D"]:
    """Return parameters within their bounds from transformed ones."""
    low, high = points.new_tensor(kind.bounds).unbind(1)
    return low + (high - low) * points.clamp(-_FARTHEST, _FARTHEST).sigmoid()


def _free(kind: Kind, parameters: tuple[float, ...]) -> list[float]:
    """Return the transformed parameters that `_bounded` turns into these."""
    pairs = zip(parameters, kind.bounds, strict=True)
    return [float(torch.tensor((x - low) / (high - low)).logit()) for x, (low, high) in pairs]
