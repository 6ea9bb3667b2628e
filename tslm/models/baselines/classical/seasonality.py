"""Test for a season, and classical decomposition into trend and season.

The test is that of the Theta method (Assimakopoulos & Nikolopoulos, Int. J. Forecasting 16, 2000);
the decomposition is that of Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd
ed. 2021, section 3.4. Series are rows without gaps inside; NaN before a short one.
"""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import conv1d, pad

LEAST_LENGTH = 4  # shorter seasons are not tested for, as in statsforecast
SMALLEST_FACTOR = 0.01  # a season with a smaller factor is additive, as in statsforecast
_CRITICAL = 1.6448536269514722  # normal score of a test at 10 %, on two sides


def interpolate(rows: Float[Tensor, "S L"]) -> Float[Tensor, "S L"]:
    """Replace gaps between two observed values by the line through them."""
    observed = ~rows.isnan()
    step = torch.arange(rows.shape[1], device=rows.device).expand_as(rows)
    before = torch.where(observed, step, -1).cummax(1).values
    after = torch.where(observed, step, rows.shape[1]).flip(1).cummin(1).values.flip(1)
    inside = ~observed & (before >= 0) & (after < rows.shape[1])
    left = rows.gather(1, before.clamp(min=0))
    right = rows.gather(1, after.clamp(max=rows.shape[1] - 1))
    place = (step - before) / (after - before).clamp(min=1)
    return torch.where(inside, left + place * (right - left), rows)


def is_seasonal(rows: Float[Tensor, "S L"], season_length: int) -> Bool[Tensor, "S 1"]:
    """Test each row for a season by its autocorrelation at the lag of a season.

    It is seasonal if the autocorrelation exceeds 1.645 standard errors of Bartlett's formula.
    False for seasons of fewer than 4 steps, and for rows shorter than two seasons.

    Args:
        rows: series without gaps; NaN before a short one.
        season_length: steps of a season, m.
    """
    length = (~rows.isnan()).sum(1)
    if season_length < LEAST_LENGTH or rows.shape[1] < 2 * season_length:
        return torch.zeros_like(length, dtype=torch.bool)[:, None]
    rest = torch.nan_to_num(rows - rows.nanmean(1, keepdim=True))
    power = rest.square().sum(1)
    lags = range(1, season_length + 1)
    products = torch.stack([(rest[:, lag:] * rest[:, :-lag]).sum(1) for lag in lags], 1)
    correlation = products / torch.where(power > 0, power, 1)[:, None]
    error = ((1 + 2 * correlation[:, :-1].square().sum(1)) / length.clamp(min=1)).sqrt()
    found = (correlation[:, -1].abs() > _CRITICAL * error) & (length >= 2 * season_length)
    return found[:, None]


def seasonal_component(
    rows: Float[Tensor, "S L"], season_length: int, *, multiplicative: bool
) -> Float[Tensor, "S phases"]:
    """Return the season of each row by classical decomposition; phase 0 is that of the next step.

    The trend is a centred moving average over a season. The season is the mean of each phase of
    what it leaves, normalised to the sum 0, or to the mean 1 if it is multiplicative.

    Args:
        rows: series without gaps, of at least two seasons; NaN before a short one. The result is
            NaN for shorter ones.
        season_length: steps of a season, m.
        multiplicative: True divides by the trend, False subtracts it.
    """
    m = season_length
    weights = rows.new_full((m + 1 - m % 2,), 1 / m)
    if m % 2 == 0:
        weights[[0, -1]] /= 2
    half = len(weights) // 2
    trend = conv1d(pad(rows, (half, half), value=torch.nan)[:, None], weights[None, None])[:, 0]
    rest = rows / trend if multiplicative else rows - trend
    rest = pad(rest, (-rows.shape[1] % m, 0), value=torch.nan)
    season = rearrange(rest, "S (K m) -> S K m", m=m).nanmean(1)
    mean = season.mean(1, keepdim=True)
    return season / mean if multiplicative else season - mean


def factors_and_sums(
    rows: Float[Tensor, "S L"], season_length: int
) -> tuple[Float[Tensor, "S phases"], Float[Tensor, "S phases"]]:
    """Return the factor and the shift of each phase: 1 and 0 for a row without a season.

    A season by the test is one of factors if all values and factors are positive, else of sums.

    Args:
        rows: series without gaps; NaN before a short one.
        season_length: steps of a season, m.
    """
    found = is_seasonal(rows, season_length)
    shift = rows.new_zeros(len(rows), season_length)
    factor = torch.ones_like(shift)
    if not found.any():
        return factor, shift
    ratio = seasonal_component(rows, season_length, multiplicative=True)
    positive = (torch.nan_to_num(rows, nan=1.0) > 0).all(1, keepdim=True)
    by_factor = found & positive & (ratio >= SMALLEST_FACTOR).all(1, keepdim=True)
    sums = seasonal_component(rows, season_length, multiplicative=False)
    return torch.where(by_factor, ratio, factor), torch.where(found & ~by_factor, sums, shift)
