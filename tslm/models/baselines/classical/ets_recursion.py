"""Recursions of exponential smoothing: forms, parameters, and one pass over many series.

Hyndman et al., "Forecasting with exponential smoothing", Springer 2008, chapter 2. A multiplicative
error has the same recursion of level, trend and additive season as an additive one; only its
likelihood differs.
"""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tslm.models.baselines.classical.course import Course

NONE, ADDITIVE, MULTIPLICATIVE = 0, 1, 2  # kinds of season
SMOOTHING = (1e-4, 0.9999)  # bounds of alpha, beta / alpha and gamma / (1 - alpha)
DAMPING = (0.8, 0.98)  # bounds of phi
FIXED = 5  # coordinates of a point before those of the season
_FARTHEST = 15.0  # largest transformed parameter: its bound up to 3e-7
_SMALLEST = 1e-8  # a smaller forecast is no positive one, in units of the spread of the series


class Form(NamedTuple):
    """Form of exponential smoothing.

    Args:
        relative: True for multiplicative errors.
        trend: True with a trend.
        damped: True with a damped trend.
        season: kind of season.
    """

    relative: bool
    trend: bool
    damped: bool
    season: int

    def free(self, season_length: int) -> list[bool]:
        """Return True for each coordinate of a point that is fitted."""
        found = [True, self.trend, self.damped, True, self.trend]
        return found + [True] * season_length if self.season else found

    def size(self, season_length: int) -> int:
        """Return the number of parameters and first states, and one for the variance."""
        return sum(self.free(season_length)) + 1


TRENDS = ((False, False), (True, False), (True, True))
FORMS = {
    season: [
        Form(relative, *trend, season)
        for relative in ((True,) if season == MULTIPLICATIVE else (False, True))
        for trend in TRENDS
    ]
    for season in (NONE, ADDITIVE, MULTIPLICATIVE)
}


class Parameters(NamedTuple):
    """Parameters and first states; without a trend beta and trend are 0 and phi is 1.

    Args:
        alpha: of the level.
        beta: of the trend.
        gamma: of the season; None without one.
        phi: damping of the trend.
        level: first level.
        trend: first trend.
        season: first season of each phase; empty without one. Phase 0 is that of the step after
            the last row.
    """

    alpha: Float[Tensor, "n P"]
    beta: Float[Tensor, "n P"]
    gamma: Float[Tensor, "n P"] | None
    phi: Float[Tensor, "n P"]
    level: Float[Tensor, "n P"]
    trend: Float[Tensor, "n P"]
    season: list[Tensor]

    @classmethod
    def of(
        cls, point: Float[Tensor, "n P D"], free: Bool[Tensor, "n D"], season: int
    ) -> "Parameters":
        """Return the parameters at points of transformed ones.

        Args:
            point: transformed alpha, beta and phi, level and trend; with a season transformed gamma
                and the season of phases 1 to m - 1. That of phase 0 follows from the sum 0, or m.
            free: coordinates that are fitted.
            season: kind of season.
        """
        has_trend, is_damped = free[:, 1, None].to(point), free[:, 2, None]
        alpha, beta, phi = (
            part.clamp(-_FARTHEST, _FARTHEST).sigmoid() for part in point[..., :3].unbind(-1)
        )
        (low, high), (least, most) = SMOOTHING, DAMPING
        alpha = low + (high - low) * alpha
        beta = (low + (alpha - low) * beta) * has_trend
        phi = torch.where(is_damped, least + (most - least) * phi, 1)
        level, trend = point[..., 3], point[..., 4] * has_trend
        if season == NONE:
            return cls(alpha, beta, None, phi, level, trend, [])
        gamma = point[..., FIXED].clamp(-_FARTHEST, _FARTHEST).sigmoid()
        gamma = low + (1 - alpha - low) * gamma
        others = point[..., FIXED + 1 :]
        total = others.shape[-1] + 1 if season == MULTIPLICATIVE else 0
        phases = [total - others.sum(-1), *others.unbind(-1)]
        return cls(alpha, beta, gamma, phi, level, trend, phases)


class Smoothed(NamedTuple):
    """Errors of a pass, 0 where a value is missing, and the state after it.

    Args:
        errors: value minus forecast.
        ahead: forecasts of one step.
        level: last level.
        trend: last trend.
        season: last season of each phase; empty without one.
    """

    errors: Float[Tensor, "n P L"]
    ahead: Float[Tensor, "n P L"]
    level: Float[Tensor, "n P"]
    trend: Float[Tensor, "n P"]
    season: list[Tensor]


def smooth(course: Course, parameters: Parameters, season: int) -> Smoothed:
    """Pass over the rows once; the state moves on through gaps without an update."""
    alpha, beta, gamma, phi, level, trend, first = parameters
    phases = list(first)
    steps = course.values.shape[1]
    whole = course.whole
    errors, aheads = [], []
    for i in range(steps):
        damped = phi * trend
        base = level + damped
        place = (i - steps) % len(phases) if phases else 0
        if season == NONE:
            ahead = base
        elif season == ADDITIVE:
            ahead = base + phases[place]
        else:
            ahead = base * phases[place]
        error = course.values[:, i, None] - ahead
        if not whole:
            error = error * course.observed[:, i, None]
        update = error / phases[place] if season == MULTIPLICATIVE else error
        if gamma is not None:
            moved = error / base if season == MULTIPLICATIVE else error
            phases[place] = torch.addcmul(phases[place], gamma, moved)
        new_level = torch.addcmul(base, alpha, update)
        new_trend = torch.addcmul(damped, beta, update)
        if course.begun is not None:
            begun = course.begun[:, i, None]
            new_level = torch.where(begun, new_level, level)
            new_trend = torch.where(begun, new_trend, trend)
        level, trend = new_level, new_trend
        errors.append(error)
        aheads.append(ahead)
    return Smoothed(torch.stack(errors, -1), torch.stack(aheads, -1), level, trend, phases)


def scaled_errors(
    smoothed: Smoothed, observed: Float[Tensor, "n L"], relative: Bool[Tensor, " n"]
) -> Float[Tensor, "n P L"]:
    """Return errors whose sum of squares S has the likelihood ``count * log S``, up to a constant.

    Additive errors are as they are. Multiplicative ones are relative to the forecast, times the
    geometric mean of all forecasts; they are infinite if a forecast is not positive.
    """
    if not relative.any():
        return smoothed.errors
    seen = observed[:, None] > 0
    positive = ((smoothed.ahead > _SMALLEST) | ~seen).all(-1, keepdim=True)
    ahead = torch.where(seen, smoothed.ahead.clamp(min=_SMALLEST), 1)
    size = (ahead.log().sum(-1, keepdim=True) / seen.sum(-1, keepdim=True).clamp(min=1)).exp()
    shares = torch.where(positive, smoothed.errors / ahead * size, torch.inf)
    return torch.where(relative[:, None, None], shares, smoothed.errors)
