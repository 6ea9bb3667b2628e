"""Exponential smoothing in state space form; the corrected AIC chooses error, trend and season.

Hyndman et al., "A state space framework for automatic forecasting using exponential smoothing
methods", Int. J. Forecasting 18, 2002; variances from Hyndman et al., "Forecasting with exponential
smoothing", Springer 2008, chapter 6. As in statsforecast's AutoETS, errors are additive or
multiplicative, the trend is none, damped or linear, and the season is none, additive or (with
multiplicative errors) multiplicative; multiplicative parts need positive values.

Departures: parameters and first states are found by damped least squares, all together. Seasons of
more than 24 steps are not smoothed: such a series is adjusted by the classical decomposition
first, if the test of the Theta method finds a season.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.models.baselines.classical.base import Predictive
from tslm.models.baselines.classical.course import Course
from tslm.models.baselines.classical.ets_recursion import (
    ADDITIVE,
    FORMS,
    MULTIPLICATIVE,
    NONE,
    Parameters,
    scaled_errors,
    smooth,
)
from tslm.models.baselines.classical.ets_start import GRID, first_states, starts
from tslm.models.baselines.classical.least_squares import least_squares
from tslm.models.baselines.classical.seasonality import factors_and_sums, interpolate
from tslm.models.baselines.classical.smoothing import Smoothing
from tslm.models.layers.seasonal import last_observed, repeat_season

LONGEST_SEASON = 24  # longer seasons are not smoothed, as in statsforecast
ITERATIONS = 20  # of the least squares, at most; chosen by hand
HALF = len(GRID) // 2  # without a season the fit starts in either half of the grid, by alpha


class Fitted(NamedTuple):
    """Fitted forms of each row: parameters, last state and corrected AIC.

    Args:
        criterion: corrected AIC; infinite where a row is too short, or not positive.
        variance: variance of the errors; relative for multiplicative ones.
        relative: 1 for multiplicative errors, else 0.
        factors: 1 for a multiplicative season, else 0.
        trended: 1 with a trend, else 0.
        alpha: of the level.
        beta: of the trend.
        gamma: of the season, or 0.
        phi: damping.
        level: last level.
        trend: last trend.
        season: last season of each phase; 0 without one.
    """

    criterion: Float[Tensor, "S forms"]
    variance: Float[Tensor, "S forms"]
    relative: Float[Tensor, "S forms"]
    factors: Float[Tensor, "S forms"]
    trended: Float[Tensor, "S forms"]
    alpha: Float[Tensor, "S forms"]
    beta: Float[Tensor, "S forms"]
    gamma: Float[Tensor, "S forms"]
    phi: Float[Tensor, "S forms"]
    level: Float[Tensor, "S forms"]
    trend: Float[Tensor, "S forms"]
    season: Float[Tensor, "S forms phases"]


class ETS(Smoothing):
    """Exponential smoothing, fitted to each context.

    Rows that are too short for any form (fewer than five values), and constant ones, repeat their
    last value.

    Args:
        task: gives the steps of a season, m.
        rows: last rows of the context that are used.
    """

    def smooth(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        level = last_observed(rows)
        still = (torch.nan_to_num(rows - level) == 0).all(1, keepdim=True)
        found = self._smooth(rows, horizon)
        few = still | found.mean.isnan()
        deviation = torch.where(few, torch.nan, found.deviation)  # past changes take its place
        return Predictive(torch.where(few, level, found.mean), deviation)

    def _smooth(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        """Fit all forms and forecast by the best; NaN where there is none."""
        m = self.season_length
        if m <= LONGEST_SEASON:
            return _best(rows, m, horizon)
        factor, shift = factors_and_sums(interpolate(rows), m)
        turned = [repeat_season(part.flip(1), rows.shape[1]).flip(1) for part in (factor, shift)]
        found = _best((rows - turned[1]) / turned[0], 1, horizon)
        factor, shift = (repeat_season(part, horizon) for part in (factor, shift))
        return Predictive(found.mean * factor + shift, found.deviation * factor)


def _best(rows: Float[Tensor, "S L"], season_length: int, horizon: int) -> Predictive:
    """Fit all forms to each row, and forecast by that of the smallest corrected AIC."""
    seasons = [NONE, ADDITIVE, MULTIPLICATIVE] if season_length > 1 else [NONE]
    filled = interpolate(rows)
    scale = (filled - filled.nanmean(1, keepdim=True)).square().nanmean(1, keepdim=True).sqrt()
    scale = torch.where(scale > 0, scale, 1)
    groups = [_fit(rows / scale, filled / scale, season_length, season) for season in seasons]
    fitted = Fitted(*(torch.cat(parts, 1) for parts in zip(*groups, strict=True)))
    best = fitted.criterion.argmin(1)
    chosen = Fitted(*(part[torch.arange(len(rows)), best] for part in fitted))
    mean, deviation = _forecast(chosen, horizon)
    none = chosen.criterion.isinf()[:, None]
    mean, deviation = (torch.where(none, torch.nan, part) for part in (mean, deviation))
    return Predictive(mean * scale, deviation * scale)


def _fit(
    rows: Float[Tensor, "S L"], filled: Float[Tensor, "S L"], season_length: int, season: int
) -> Fitted:
    """Fit all forms with one kind of season.

    Args:
        rows: series; NaN where missing.
        filled: the same without gaps.
        season_length: steps of a season, m.
        season: kind of season.
    """
    forms, device = FORMS[season], rows.device
    course = Course.of(rows)
    place = torch.arange(len(rows), device=device).repeat_interleave(len(forms))
    form = torch.arange(len(forms), device=device).repeat(len(rows))
    free = torch.tensor([one.free(season_length) for one in forms], device=device)[form]
    relative = torch.tensor([one.relative for one in forms], device=device)[form]

    def errors(points: Tensor, problems: Tensor) -> Tensor:
        part = course.take(place[problems])
        smoothed = smooth(part, Parameters.of(points, free[problems], season), season)
        return scaled_errors(smoothed, part.observed, relative[problems])

    grid = _grid(filled, season_length, season)[place]
    everyone = torch.arange(len(place), device=device)
    sums = torch.nan_to_num(errors(grid, everyone).square().sum(-1), nan=torch.inf)
    groups = [slice(None)] if season != NONE else [slice(0, HALF), slice(HALF, None)]
    found = []
    for some in groups:
        start = grid[:, some][everyone, sums[:, some].argmin(1)]
        found.append(least_squares(errors, start, free, iterations=ITERATIONS))
    value, better = torch.stack([one.value for one in found]).min(0)
    point = torch.stack([one.point for one in found])[better, everyone]
    parameters = Parameters.of(point[:, None], free, season)
    smoothed = smooth(course.take(place), parameters, season)
    count = course.observed.sum(1)[place]
    size = torch.tensor([one.size(season_length) for one in forms], device=device)[form]
    positive = (torch.nan_to_num(rows, nan=1.0) > 0).all(1)[place]
    allowed = (count - size > 1) & value.isfinite() & (positive | ~relative)
    if season != NONE:
        allowed &= (~filled.isnan()).sum(1)[place] > season_length
    rest = (count - size - 1).clamp(min=1)
    criterion = count * value.clamp(min=1e-300).log() + 2 * size + 2 * size * (size + 1) / rest
    ratio = smoothed.errors / torch.where(relative[:, None, None], smoothed.ahead, 1)
    ratio = torch.where(smoothed.errors == 0, 0, ratio)
    zero = torch.zeros_like(count)
    gamma = zero if parameters.gamma is None else parameters.gamma[:, 0]
    phases = smoothed.season or [torch.zeros_like(smoothed.level)] * season_length
    parts = (
        torch.where(allowed, criterion, torch.inf),
        ratio.square().sum((1, 2)) / rest,
        relative.to(rows),
        zero + (season == MULTIPLICATIVE),
        free[:, 1].to(rows),
        parameters.alpha[:, 0],
        parameters.beta[:, 0],
        gamma,
        parameters.phi[:, 0],
        smoothed.level[:, 0],
        smoothed.trend[:, 0],
        torch.stack(phases, -1)[:, 0],
    )
    return Fitted(*(part.unflatten(0, (len(rows), len(forms))) for part in parts))


def _grid(
    filled: Float[Tensor, "S L"], season_length: int, season: int
) -> Float[Tensor, "S forms_P D"]:
    """Return the points to start from; forms without a trend ignore its coordinates."""
    smoothing = filled.new_tensor(starts(season)).expand(len(filled), -1, -1)
    states = first_states(filled, season_length, season, trend=True)
    states = states[:, None].expand(-1, smoothing.shape[1], -1)
    parts = [smoothing[..., :3], states[..., :2]]
    if season != NONE:
        parts += [smoothing[..., 3:], states[..., 2:]]
    return torch.cat(parts, -1)


def _forecast(fitted: Fitted, horizon: int) -> Predictive:
    """Forecast by the chosen form of each row, with the variances of its class.

    With multiplicative errors the variance follows from a recursion over the horizon; that of a
    multiplicative season is the usual approximation.
    """
    step = torch.arange(horizon, device=fitted.level.device)
    one = (slice(None), None)
    damping = (fitted.phi[one] ** (step + 1)).cumsum(1)
    base = fitted.level[one] + fitted.trend[one] * damping
    season = repeat_season(fitted.season, horizon)
    factors, relative = fitted.factors[one] > 0, fitted.relative[one] > 0
    mean = torch.where(factors, base * season, base + season)
    returns = ((step + 1) % fitted.season.shape[1] == 0).to(base)
    gain = fitted.alpha[one] + fitted.beta[one] * damping
    gain = torch.where(factors, gain, gain + fitted.gamma[one] * returns)
    variance = fitted.variance[one]
    before = torch.cat([torch.zeros_like(gain[:, :1]), gain[:, :-1].square().cumsum(1)], 1)
    added = variance * (1 + before)
    if not relative.any():
        return Predictive(mean, added.sqrt())
    middle, scale = torch.where(factors, base, mean), torch.where(factors, season, 1)
    squares = expected_squares(middle, gain, variance)
    seasons = (step // fitted.season.shape[1]).to(base)
    more = (1 + fitted.gamma[one].square() * variance * fitted.factors[one]) ** seasons
    times = scale.square() * (squares * (1 + variance) * more - middle.square()).clamp(min=0)
    return Predictive(mean, torch.where(relative, times, added).sqrt())


def expected_squares(
    middle: Float[Tensor, "S H"], gain: Float[Tensor, "S H"], variance: Float[Tensor, "S 1"]
) -> Float[Tensor, "S H"]:
    """Return the expected square of each forecast as the last errors change the state."""
    weights = variance * gain.square()
    squares = middle.square()
    for h in range(1, middle.shape[1]):
        squares[:, h] += (weights[:, :h] * squares[:, :h].flip(1)).sum(1)
    return squares
