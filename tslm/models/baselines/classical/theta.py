"""Dynamic optimised Theta method: simple exponential smoothing plus part of a linear trend.

Assimakopoulos & Nikolopoulos, "The theta model: a decomposition approach to forecasting", Int. J.
Forecasting 16, 2000; Fiorucci et al., "Models for optimising the theta method and their
relationship to state space models", Int. J. Forecasting 32, 2016 (DOTM, as in statsforecast).

With the level l of exponential smoothing, the line A + B t through the values so far, and
w = 1 - 1/theta, the forecast of a step is ``l + w (line - smoothed line)``. The errors are linear
in the initial level and in w, so both have a closed form for each alpha. A grid over alpha finds
the smallest sum of squares, without the first three errors, as published.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tslm.models.baselines.classical.base import Predictive
from tslm.models.baselines.classical.seasonality import factors_and_sums, interpolate
from tslm.models.baselines.classical.smoothing import SEASONS, Smoothing
from tslm.models.layers.seasonal import repeat_season

ALPHAS = (0.1, 0.99)  # bounds of alpha, as in statsforecast
POINTS = (24, 7, 7)  # values of alpha in each of the ever narrower grids; chosen by hand
UNCOUNTED = 3  # first errors that do not count, as published
PARAMETERS = 3  # alpha, the initial level and w; as few errors could be fitted without a rest
LINEAR = 0.5  # w without enough values to estimate it: theta is 2, as in the first paper
_ROUNDING = 1e-12  # relative size of differences that are rounding


class Line(NamedTuple):
    """Sums over the observed values so far, from which the line A + B t follows."""

    number: Float[Tensor, "..."]
    t: Float[Tensor, "..."]
    tt: Float[Tensor, "..."]
    y: Float[Tensor, "..."]
    ty: Float[Tensor, "..."]

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """Return A and B by least squares; B is 0 for fewer than two values."""
        spread = self.number * self.tt - self.t.square()
        slope = (self.number * self.ty - self.t * self.y) / torch.where(spread > 0, spread, 1)
        slope = torch.where(self.number > 1, slope, 0)
        return (self.y - slope * self.t) / self.number.clamp(min=1), slope


class Fit(NamedTuple):
    """Fitted models: parameters, errors, and smoothed values after the last row.

    Args:
        alpha: smoothing parameter.
        initial: initial level.
        weight: w, the part of the trend, from 0 to 1.
        error: sum of squared errors.
        level: smoothed series, begun at 0.
        one: smoothed 1, begun at 0: 1 minus the weight of the initial level.
        time: smoothed time, begun at 0.
    """

    alpha: Float[Tensor, "S A"]
    initial: Float[Tensor, "S A"]
    weight: Float[Tensor, "S A"]
    error: Float[Tensor, "S A"]
    level: Float[Tensor, "S A"]
    one: Float[Tensor, "S A"]
    time: Float[Tensor, "S A"]


class Theta(Smoothing):
    """Dynamic optimised Theta method, fitted to each context.

    A series with a season by the test of the Theta method is decomposed first: by factors if all
    values are positive, else by sums. A series of up to six values has theta 2, alpha 0.5 and its
    first value as initial level.

    Args:
        task: gives the steps of a season, m.
        rows: last rows of the context that are used, or 20 seasons if these are more.
    """

    seasons = SEASONS
    calibration_windows = 1024  # as many as of other rules: a fit takes 0.1 ms

    def smooth(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        factor, shift = factors_and_sums(interpolate(rows), self.season_length)
        turned = [repeat_season(part.flip(1), rows.shape[1]).flip(1) for part in (factor, shift)]
        adjusted = (rows - turned[1]) / turned[0]
        found = _forecast(adjusted, horizon)
        factor, shift = (repeat_season(part, horizon) for part in (factor, shift))
        return Predictive(found.mean * factor + shift, found.deviation * factor)


def _forecast(rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
    """Fit the model to rows without a season, and forecast.

    Values are counted from the first one, so that a constant series is 0 without rounding.
    """
    observed = ~rows.isnan()
    first = observed.long().argmax(1, keepdim=True)
    start = torch.nan_to_num(rows.gather(1, first))
    values = torch.where(observed, rows - start, 0)
    time = torch.arange(rows.shape[1], device=rows.device) + 1 - first
    time = torch.where(time > 0, time, 0).to(rows)
    seen = observed.to(rows)
    line = Line(
        *(part.cumsum(1) for part in (seen, seen * time, seen * time**2, values, values * time))
    )
    fit = fit_by_grids(values, time, observed, line)
    free = line.number[:, -1:] - UNCOUNTED - PARAMETERS
    deviation = torch.where(free > 0, (fit.error / free.clamp(min=1)).sqrt(), torch.nan)
    mean, response = _continue(fit, Line(*(part[:, -1:] for part in line)), time[:, -1:], horizon)
    return Predictive(start + mean, deviation * response.square().cumsum(1).sqrt())


def fit_by_grids(
    values: Float[Tensor, "S L"],
    time: Float[Tensor, "S L"],
    observed: Bool[Tensor, "S L"],
    line: Line,
) -> Fit:
    """Fit by grids over alpha, each about the best value of the one before."""
    low, high = ALPHAS
    centre, width = values.new_full((len(values), 1), (low + high) / 2), (high - low) / 2
    for points in POINTS:
        offsets = torch.linspace(-width, width, points, dtype=values.dtype, device=values.device)
        alphas = (centre + offsets).clamp(low, high)
        every = _errors(alphas, values, time, observed, line)
        best = every.error.argmin(1, keepdim=True)
        centre, width = alphas.gather(1, best), 2 * width / (points - 1)
    fit = Fit(*(part.gather(1, best) for part in every))
    if bool((few := line.number[:, -1:] <= UNCOUNTED + PARAMETERS).any()):
        half = _errors(torch.full_like(centre, 0.5), values, time, observed, line)
        zero = torch.zeros_like(centre)
        short = half._replace(initial=zero, weight=zero + LINEAR, error=zero)
        fit = Fit(*(torch.where(few, new, old) for new, old in zip(short, fit, strict=True)))
    return fit


def _errors(
    alphas: Float[Tensor, "S A"],
    values: Float[Tensor, "S L"],
    time: Float[Tensor, "S L"],
    observed: Bool[Tensor, "S L"],
    line: Line,
) -> Fit:
    """Return the best initial level and weight of each alpha, with the sum of squared errors.

    The error of a step is ``r - initial p - w d``: r from the series, p the weight of the initial
    level, d the line minus the smoothed line. Sums of their products give both coefficients.
    """
    intercept, slope = line.coefficients()
    counted = (observed & (line.number > UNCOUNTED)).to(values)
    level, one, smoothed = (torch.zeros_like(alphas) for _ in range(3))
    rr, rp, rd, pp, pd, dd = (torch.zeros_like(alphas) for _ in range(6))
    for i in range(values.shape[1]):
        now, gain = time[:, i, None], alphas * observed[:, i, None]
        r, p = values[:, i, None] - level, 1 - one
        late = now - smoothed
        if i:
            weight = counted[:, i, None]
            d = torch.addcmul(intercept[:, i - 1, None] * p, slope[:, i - 1, None], late)
            wr, wd = weight * r, weight * d
            rr.addcmul_(wr, r)
            rp.addcmul_(wr, p)
            rd.addcmul_(wr, d)
            pp.addcmul_(weight * p, p)
            pd.addcmul_(wd, p)
            dd.addcmul_(wd, d)
        level, one = torch.addcmul(level, gain, r), torch.addcmul(one, gain, p)
        smoothed = torch.addcmul(smoothed, gain, late)
    safe = torch.where(pp > 0, pp, 1)
    curve = dd - pd.square() / safe
    weight = (rd - rp * pd / safe) / torch.where(curve > 0, curve, 1)
    weight = torch.where(curve > _ROUNDING * dd, weight.clamp(0, 1), LINEAR)
    initial = torch.where(pp > 0, (rp - weight * pd) / safe, 0)
    error = rr - 2 * initial * rp - 2 * weight * rd + 2 * initial * weight * pd
    error = (error + initial.square() * pp + weight.square() * dd).clamp(min=0)
    return Fit(alphas, initial, weight, error, level, one, smoothed)


def _continue(
    fit: Fit, line: Line, time: Float[Tensor, "S 1"], horizon: int
) -> tuple[Float[Tensor, "S H"], Float[Tensor, "S H"]]:
    """Return the forecast, and the response of later forecasts to an error of 1 at the first step.

    Forecasts take the place of values, so that the line moves on with them. Both follow from the
    same recursion, in two columns.
    """
    alpha, weight = fit.alpha, fit.weight
    level = torch.cat([fit.level + fit.initial * (1 - fit.one), 0 * alpha], 1)
    one, smoothed = fit.one, fit.time
    number, t, tt = line.number, line.t, line.tt
    y, ty = (torch.cat([part, 0 * part], 1) for part in (line.y, line.ty))
    steps = []
    for h in range(horizon):
        time = time + 1
        intercept, slope = Line(number, t, tt, y, ty).coefficients()
        step = level + weight * (intercept * (1 - one) + slope * (time - smoothed))
        if not h:
            step = torch.cat([step[:, :1], torch.ones_like(alpha)], 1)
        steps.append(step)
        level = level + alpha * (step - level)
        one, smoothed = one + alpha * (1 - one), smoothed + alpha * (time - smoothed)
        number, t, tt = number + 1, t + time, tt + time.square()
        y, ty = y + step, ty + step * time
    mean, response = torch.stack(steps, 2).unbind(1)
    return mean, response
