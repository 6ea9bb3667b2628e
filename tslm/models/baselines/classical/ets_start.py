"""First states of exponential smoothing, and points at which its fit starts.

Hyndman et al., "Forecasting with exponential smoothing", Springer 2008, section 2.6.1: the season
from a classical decomposition, level and trend from a line through the first adjusted values.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from tslm.models.baselines.classical.ets_recursion import MULTIPLICATIVE, NONE
from tslm.models.baselines.classical.seasonality import seasonal_component
from tslm.models.layers.seasonal import repeat_season

FIRST = 10  # values, or two seasons if they are more, that give the first level and trend
SMALLEST = 0.01  # smallest factor of a first season
ALPHAS, BETAS = (0.02, 0.1, 0.3, 0.6, 0.9, 0.99), (0.03, 0.3)  # beta relative to alpha; by hand
GRID = tuple((alpha, beta) for alpha in ALPHAS for beta in BETAS)
GAMMA, PHI = 0.05, 0.9  # gamma / (1 - alpha) and the place of phi in its bounds; chosen by hand


def first_states(
    rows: Float[Tensor, "S L"], season_length: int, season: int, *, trend: bool
) -> Float[Tensor, "S states"]:
    """Return first level and trend, and with a season that of phases 1 to m - 1.

    Args:
        rows: series without gaps; NaN before a short one.
        season_length: steps of a season, m.
        season: kind of season.
        trend: True fits a line to the first values, False takes their mean.
    """
    phases = None
    if season != NONE:
        phases = _phases(rows, season_length, season)
        turned = repeat_season(phases.flip(1), rows.shape[1]).flip(1)
        rows = rows / turned if season == MULTIPLICATIVE else rows - turned
    length = (~rows.isnan()).sum(1, keepdim=True)
    time = torch.arange(rows.shape[1], device=rows.device) + 1 - (rows.shape[1] - length)
    number = max(FIRST, 2 * season_length if season else 0)
    first = torch.where(time <= number, rows, torch.nan)
    level, slope = _line(first, time.to(rows))
    if not trend:
        level, slope = first.nanmean(1, keepdim=True), torch.zeros_like(slope)
    states = [level, slope] if phases is None else [level, slope, phases[:, 1:]]
    return torch.nan_to_num(torch.cat(states, 1))


def _phases(
    rows: Float[Tensor, "S L"], season_length: int, season: int
) -> Float[Tensor, "S phases"]:
    """Return the season by decomposition, or about a line for rows of fewer than three seasons."""
    m, relative = season_length, season == MULTIPLICATIVE
    length = (~rows.isnan()).sum(1, keepdim=True)
    time = torch.arange(rows.shape[1], dtype=rows.dtype, device=rows.device).expand_as(rows)
    level, slope = _line(rows, time)
    rest = rows / (level + slope * time) if relative else rows - level - slope * time
    rest = rearrange(pad(rest, (-rows.shape[1] % m, 0), value=torch.nan), "S (K m) -> S K m", m=m)
    short = torch.nan_to_num(rest.nanmean(1), nan=float(relative))
    if rows.shape[1] >= 3 * m:
        long = seasonal_component(rows, m, multiplicative=relative)
        short = torch.where(length >= 3 * m, long, short)
    if not relative:
        return short - short.mean(1, keepdim=True)
    short = short.clamp(min=SMALLEST)
    return short / short.mean(1, keepdim=True)


def _line(
    rows: Float[Tensor, "S L"], time: Float[Tensor, "S L"]
) -> tuple[Float[Tensor, "S 1"], Float[Tensor, "S 1"]]:
    """Return intercept and slope of the line through the values, by least squares."""
    time = torch.where(rows.isnan(), torch.nan, time)
    middle, centre = time.nanmean(1, keepdim=True), rows.nanmean(1, keepdim=True)
    spread = (time - middle).square().nansum(1, keepdim=True)
    product = ((time - middle) * (rows - centre)).nansum(1, keepdim=True)
    slope = product / torch.where(spread > 0, spread, 1)
    return centre - slope * middle, slope


def starts(season: int) -> list[list[float]]:
    """Return transformed parameters to start from: alpha, beta and phi, and gamma with a season."""
    found = []
    for alpha, beta in GRID:
        point = [_logit(alpha), _logit(beta), _logit(PHI)]
        found.append(point if season == NONE else [*point, _logit(GAMMA)])
    return found


def _logit(x: float) -> float:
    return float(torch.tensor(x).logit())
