"""Complex exponential smoothing, with the season that the corrected AIC chooses.

Svetunkov, Kourentzes & Ord, "Complex exponential smoothing", Naval Research Logistics 69, 2022. A
series and its information potential are smoothed as one complex number by the complex parameter
a + ib. The season is none, that of the whole state (simple), a real one (partial) or a complex one
(full); states, bounds and the choice by the corrected AIC are those of statsforecast's AutoCES.

Departures: the first states are found by one pass backwards, as there, and the parameters by
damped least squares from several starts, in a bounded number of steps. All kinds of season are
fitted together, because a pass over a few rows takes as long as one over many.
"""

import math
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from tslm.models.baselines.classical.base import Predictive
from tslm.models.baselines.classical.ces_recursion import KINDS, Form, Pair, Smoother, State
from tslm.models.baselines.classical.course import Course
from tslm.models.baselines.classical.least_squares import least_squares
from tslm.models.baselines.classical.seasonality import interpolate, seasonal_component
from tslm.models.baselines.classical.smoothing import Smoothing
from tslm.models.layers.seasonal import last_observed, repeat_season

WARM_UP = 10  # first values that give the first level
ITERATIONS = 10  # of the least squares; chosen by hand
GROWTH = 5.0  # factor by which a forecast may grow exponentially; chosen by hand
_AT_ONCE = 2**13  # starts that are tried together, so that their errors fit into memory
LEAST = 4  # values of the shortest series that is fitted; a shorter one repeats its last value


class Problems(NamedTuple):
    """Rows to fit, each with one kind of season.

    Args:
        course: rows.
        form: kinds.
        level: first levels.
        season: first values of each phase; no phases if no problem has a season.
    """

    course: Course
    form: Form
    level: Float[Tensor, "n 1"]
    season: Float[Tensor, "n phases"]

    def take(self, rows: Int[Tensor, " n"]) -> "Problems":
        """Return some of them."""
        course, form = self.course.take(rows), self.form.take(rows)
        return Problems(course, form, self.level[rows], self.season[rows])

    def smooth(
        self, points: Float[Tensor, "n P D"], season_length: int
    ) -> tuple[Float[Tensor, "n P L"], Smoother, State]:
        """Return the errors at some transformed parameters, the smoother and the last state."""
        smoother = Smoother(self.form, season_length, self.form.bounded(points))
        state = State.before(self.level, self.season)
        return smoother.smooth(self.course, state), smoother, state


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
        filled, count = interpolate(rows), (~rows.isnan()).sum(1)
        tried = torch.ones(len(KINDS), len(rows), dtype=torch.bool, device=rows.device)
        tried[1:] = ((~filled.isnan()).sum(1) >= 2 * self.season_length) & (self.season_length > 1)
        kind, row = tried.nonzero(as_tuple=True)
        criterion, predictive = _fitted(rows, filled, kind, row, self.season_length, horizon)
        criteria = torch.full(tried.shape, torch.inf, dtype=rows.dtype, device=rows.device)
        criteria[kind, row] = criterion
        place = torch.zeros_like(tried, dtype=torch.int64)
        place[kind, row] = torch.arange(len(row), device=rows.device)
        best = place.gather(0, criteria.argmin(0)[None])[0]
        mean, deviation = (part[best] for part in predictive)
        level = last_observed(rows)
        still = (torch.nan_to_num(rows - level) == 0).all(1, keepdim=True)
        few = still | (count < LEAST)[:, None]
        deviation = torch.where(
            few, torch.where(still & (count > 1)[:, None], 0, torch.nan), deviation
        )
        return Predictive(torch.where(few, level, mean), deviation)


def _fitted(
    rows: Float[Tensor, "S L"],
    filled: Float[Tensor, "S L"],
    kind: Int[Tensor, " n"],
    row: Int[Tensor, " n"],
    season_length: int,
    horizon: int,
) -> tuple[Float[Tensor, " n"], Predictive]:
    """Fit kinds of season to rows; return the corrected AIC and the forecast of each pair.

    Args:
        rows: series; NaN where missing.
        filled: the same without gaps.
        kind: number of the kind of each pair, a place in ``KINDS``.
        row: number of the row of each pair.
        season_length: steps of a season, m.
        horizon: steps to forecast, H.
    """
    scale = (filled - filled.nanmean(1, keepdim=True)).square().nanmean(1).sqrt()
    scale = torch.where(scale > 0, scale, 1)[:, None]
    problems = _problems(rows / scale, filled / scale, kind, row, season_length)
    scale, count = scale[row], (~rows.isnan()).sum(1)[row]

    def errors(points: Tensor, chosen: Tensor) -> Tensor:
        return problems.take(chosen).smooth(points, season_length)[0]

    everyone = torch.arange(len(row), device=row.device)
    grid = filled.new_tensor([one.starts for one in KINDS])[kind]
    parts = grid.split(max(1, _AT_ONCE // max(1, len(row))), 1)
    sums = torch.cat([errors(part, everyone).square().sum(-1) for part in parts], 1)
    sums = torch.nan_to_num(sums, nan=torch.inf)
    free = torch.tensor([one.free for one in KINDS], device=row.device)[kind]
    start = grid[everyone, sums.argmin(1)]
    point = least_squares(errors, start, free, iterations=ITERATIONS).point
    rest, smoother, state = problems.smooth(point[:, None], season_length)
    total, size = rest.square().sum((1, 2)), 1 + free.sum(1)
    left = count - size - 1
    criterion = count * total.clamp(min=1e-300).log() + 2 * size
    criterion = criterion + 2 * size * (size + 1) / left.clamp(min=1)
    criterion = torch.where((left > 0) & total.isfinite(), criterion, torch.inf)
    # without a season: the last resort of a short row
    criterion = torch.where(kind == 0, torch.nan_to_num(criterion, posinf=1e300), criterion)
    mean, response = _bounded(*_continue(smoother, state, horizon), smoother)
    deviation = (total / left.clamp(min=1)).sqrt()[:, None] * response.square().cumsum(1).sqrt()
    deviation = torch.where((left > 0)[:, None], deviation * scale, torch.nan)
    return criterion, Predictive(mean * scale, deviation)


def _continue(
    smoother: Smoother, state: State, horizon: int
) -> tuple[Float[Tensor, "n H"], Float[Tensor, "n H"]]:
    """Return the forecast, and the response of later forecasts to an error of 1 at the first step.

    Both follow from the same recursion, in two columns.
    """
    zero = torch.zeros_like(state.level[0])

    def two(pair: Pair) -> Pair:
        return torch.cat([pair[0], zero]), torch.cat([pair[1], zero])

    both = State(two(state.level), [two(pair) for pair in state.season])
    steps = []
    for h in range(horizon):
        if h:
            steps.append(smoother.step(both, h % smoother.m, None))
            continue
        ahead = both.level[0] + both.season[0][0] if both.season else both.level[0]
        pulse = torch.cat([zero, 1 + zero])
        smoother.step(both, 0, ahead + pulse)
        steps.append(torch.cat([ahead[:1], 1 + zero]))
    mean, response = rearrange(torch.stack(steps), "H two n -> two n H").contiguous()
    return mean, response


def _bounded(
    mean: Float[Tensor, "n H"], response: Float[Tensor, "n H"], smoother: Smoother
) -> tuple[Float[Tensor, "n H"], Float[Tensor, "n H"]]:
    """Repeat the last season before exponential growth exceeds ``GROWTH``.

    Parameters within their bounds may still make the recursion grow exponentially. Over a few steps
    this is a trend; over hundreds no forecast may follow it.
    """
    steps = torch.arange(mean.shape[1], device=mean.device)
    level, season = smoother.level.growth.T, smoother.season.growth.T
    rate = torch.maximum(level.log(), season.log() / smoother.m)
    calm = torch.where(rate > 0, math.log(GROWTH) / rate, len(steps)).clamp(1, len(steps)).long()
    period = calm.clamp(max=smoother.m)
    place = torch.where(steps < calm, steps, calm - period + (steps - calm) % period)
    return mean.gather(1, place), response.gather(1, place)


def _problems(
    rows: Float[Tensor, "S L"],
    filled: Float[Tensor, "S L"],
    kind: Int[Tensor, " n"],
    row: Int[Tensor, " n"],
    season_length: int,
) -> Problems:
    """Return the pairs of kinds and rows with the state before the first value, as statsforecast.

    Args:
        rows: series; NaN where missing.
        filled: the same without gaps.
        kind: number of the kind of each pair.
        row: number of the row of each pair.
        season_length: steps of a season, m.
    """
    m, form = season_length, Form.of(KINDS, rows).take(kind)
    course = Course.of(rows).take(row)
    warm = torch.nan_to_num(_first(filled, WARM_UP).nanmean(1, keepdim=True))
    if not bool(kind.any()):
        return Problems(course, form, warm[row], warm.new_zeros(len(row), 0))
    first = _first(filled, m)
    level = torch.nan_to_num(first.nanmean(1, keepdim=True))
    levels = torch.stack([warm, torch.zeros_like(warm), level, level])
    # the phase of the first value, where phase 0 is that of the step after the last
    begin = -(~filled.isnan()).sum(1, keepdim=True)
    place = (begin + torch.arange(m, device=rows.device)) % m
    phases = torch.nan_to_num(first.gather(1, place.argsort(1)))
    parts = seasonal_component(filled, m, multiplicative=False)
    parts = torch.nan_to_num(repeat_season(parts, m))
    seasons = torch.stack([torch.zeros_like(parts), phases, parts, parts])
    return Problems(course, form, levels[kind, row], seasons[kind, row])


def _first(filled: Float[Tensor, "S L"], number: int) -> Float[Tensor, "S number"]:
    """Return the first values of each row; NaN where a row has fewer."""
    length = (~filled.isnan()).sum(1, keepdim=True)
    place = filled.shape[1] - length + torch.arange(number, device=filled.device)
    values = filled.gather(1, place.clamp(max=filled.shape[1] - 1))
    return torch.where(place < filled.shape[1], values, torch.nan)
