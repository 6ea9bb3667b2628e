"""Distributions from past changes of a series, for use without enough validation errors.

After j steps the spread is that of a random walk with the past changes from one step to the next,
or that of the past changes from season to season; the smaller one counts. A spread estimated from
n changes is uncertain, so the distribution is Student's t with n degrees of freedom.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from scipy.special import stdtrit
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.distribution import LEAST
from tslm.core.float64 import exactly
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch

_STILL = 1e-6  # smaller changes are rounding, in units of the spread of the series


def quantiles_of_changes(
    past: Float[Tensor, "B L C"],
    season_length: int,
    point: Float[Tensor, "B H C"],
    stretch: Float[Tensor, " H"],
    levels: Float[Tensor, " G"],
) -> Float[Tensor, "G B H C"]:
    """Return quantiles around a point forecast.

    Args:
        past: contexts; NaN where missing.
        season_length: steps of a season, m.
        point: the forecast.
        stretch: factor on the width, at each step.
        levels: quantile levels in (0, 1).
    """
    scale, count = spread_of_changes(past, season_length, point.shape[1])
    counts, place = torch.unique(count, return_inverse=True)
    table = torch.from_numpy(np.asarray(stdtrit(counts[:, None].numpy(), levels.numpy())))
    scores = rearrange(table[place], "B H C G -> G B H C")
    return point + (scores * (scale * stretch[:, None])).to(point)


def spread_of_changes(
    past: Float[Tensor, "B L C"], season_length: int, horizon: int
) -> tuple[Float[Tensor, "B H C"], Int[Tensor, "B H C"]]:
    """Return the spread after each step, and the number of changes it was estimated from.

    A context with fewer than two values has spread 1 and one change.
    """
    rows = rearrange(past, "B L C -> (B C) L").cpu().double()
    ahead = _age(rows) + torch.arange(1, horizon + 1)
    step, steps = _root_mean_square(_filled(rows)[:, :-1] - rows[:, 1:])
    step = torch.where(steps > 0, step, 1.0)
    scale, count = step * ahead.sqrt(), steps.clamp(min=1).expand(-1, horizon)
    if 1 < season_length < rows.shape[1]:
        change, changes = _root_mean_square(rows[:, season_length:] - rows[:, :-season_length])
        seasons = change * (ahead / season_length).ceil().sqrt()
        better = (changes >= season_length) & (seasons < scale)
        scale, count = torch.where(better, seasons, scale), torch.where(better, changes, count)
    found = (rearrange(part, "(B C) H -> B H C", B=len(past)) for part in (scale, count))
    return next(found).to(past), next(found)


def fit_changes(
    forecaster: Forecaster, windows: Iterable[Batch], season_length: int
) -> tuple[int, Float[Tensor, " H"]]:
    """Compare errors of a forecaster with past changes.

    Windows without any change do not count.

    Args:
        forecaster: trained.
        windows: windows with any number of steps that follow them; may be empty.
        season_length: steps of a season, m.

    Returns:
        The season whose changes give the width: m, or 1 (changes from step to step only) if the
        forecaster misses seasons that repeat exactly. Then the factor by which errors exceed past
        changes, at each step; it is at least 1 and never falls from one step to the next.
    """
    missed = [torch.ones(0)]
    ratios = {season: [torch.ones(0, 1)] for season in (season_length, 1)}
    for batch in windows:
        h = batch.future.shape[1]
        error = batch.future - forecaster.forecast(batch, h)
        scales = {season: spread_of_changes(batch.past, season, h)[0] for season in ratios}
        exact = (scales[season_length] <= _STILL) & (scales[1] > _STILL) & ~error.isnan()
        missed.append(error[exact].abs())
        for season, scale in scales.items():
            ratio = torch.where(scale > _STILL, error / scale, torch.nan)
            ratios[season].append(rearrange(ratio, "B H C -> (B C) H"))
    errors = torch.cat(missed)
    season = 1 if len(errors) and errors.median() > LEAST else season_length
    return season, _stretch(ratios[season])


def _stretch(ratios: Sequence[Float[Tensor, "_ _"]]) -> Float[Tensor, " H"]:
    """Return the root mean square of errors over past changes; at least 1, and never falling."""
    h = max(part.shape[1] for part in ratios)
    found = torch.cat([pad(part, (0, h - part.shape[1]), value=torch.nan) for part in ratios])
    size = (exactly(found).square().nansum(0) / (~found.isnan()).sum(0).clamp(min=1)).sqrt()
    return size.clamp(min=1).cummax(0).values.float()


def _root_mean_square(
    changes: Float[Tensor, "S N"],
) -> tuple[Float[Tensor, "S 1"], Int[Tensor, "S 1"]]:
    """Return the root mean square and the number of observed changes; 0 if there are none."""
    count = (~changes.isnan()).sum(1, keepdim=True)
    total = changes.square().nansum(1, keepdim=True)
    return (total / count.clamp(min=1)).sqrt(), count


def _filled(rows: Float[Tensor, "S L"]) -> Float[Tensor, "S L"]:
    """Replace missing values by the value before them."""
    step = torch.arange(rows.shape[1]).expand_as(rows)
    latest = torch.where(rows.isnan(), 0, step).cummax(1).values
    return rows.gather(1, latest)


def _age(rows: Float[Tensor, "S L"]) -> Int[Tensor, "S 1"]:
    """Return the steps since the last observed value, 0 if there is none."""
    return (~rows.isnan()).flip(1).long().argmax(1, keepdim=True)
