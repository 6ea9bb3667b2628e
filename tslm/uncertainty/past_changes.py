"""Past changes of a series as a law of what may come, where too few errors were seen.

After j steps a series is as far from its last value as a random walk of its past changes from one
step to the next, or as far from its last season as its past changes from season to season add up
to; the narrower one counts. The spread of n changes is known no better than that, so the law is
Student's t with n degrees of freedom.
"""

from collections.abc import Iterable

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from scipy.special import stdtrit
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.types import Batch, Forecaster

_STILL = 1e-6  # smaller changes are rounding, in units of the spread of the series


def quantiles_of_changes(
    past: Float[Tensor, "B L C"],
    season_length: int,
    point: Float[Tensor, "B H C"],
    stretch: Float[Tensor, " H"],
    shares: Float[Tensor, " G"],
) -> Float[Tensor, "G B H C"]:
    """The values below which shares lie, about a point forecast.

    Args:
        past: contexts; NaN where missing.
        season_length: steps of a season, m.
        point: the forecast.
        stretch: by which the law is wider, at each step.
        shares: within (0, 1).
    """
    scale, count = spread_of_changes(past, season_length, point.shape[1])
    counts, place = torch.unique(count, return_inverse=True)
    table = torch.from_numpy(np.asarray(stdtrit(counts[:, None].numpy(), shares.numpy())))
    scores = rearrange(table[place], "B H C G -> G B H C")
    return point + (scores * (scale * stretch[:, None])).to(point)


def spread_of_changes(
    past: Float[Tensor, "B L C"], season_length: int, horizon: int
) -> tuple[Float[Tensor, "B H C"], Int[Tensor, "B H C"]]:
    """The root mean square of what changes add up to after each step, and how many were seen.

    A context without two values says nothing: 1, an ordinary spread, and one change.
    """
    rows = rearrange(past, "B L C -> (B C) L").double().cpu()
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


def stretch_of(
    forecaster: Forecaster, windows: Iterable[Batch], season_length: int
) -> Float[Tensor, " H"]:
    """Return the factor by which errors of a forecaster exceed past changes, at each step.

    It is at least 1 and never falls from one step to the next. Windows without any change do not
    count.

    Args:
        forecaster: trained.
        windows: windows with any number of steps that follow them; may be empty.
        season_length: steps of a season.
    """
    ratios = [torch.ones(0, 1)]
    for batch in windows:
        h = batch.future.shape[1]
        point = forecaster.told(batch.about).forecast(batch.past, batch.time, h)
        scale, _ = spread_of_changes(batch.past, season_length, h)
        ratio = torch.where(scale > _STILL, (batch.future - point) / scale, torch.nan)
        ratios.append(rearrange(ratio, "B H C -> (B C) H"))
    h = max(part.shape[1] for part in ratios)
    found = torch.cat([pad(part, (0, h - part.shape[1]), value=torch.nan) for part in ratios])
    size = (found.double().square().nansum(0) / (~found.isnan()).sum(0).clamp(min=1)).sqrt()
    return size.clamp(min=1).cummax(0).values.float()


def _root_mean_square(
    changes: Float[Tensor, "S N"],
) -> tuple[Float[Tensor, "S 1"], Int[Tensor, "S 1"]]:
    """Of those observed, and how many there are; 0 where there is none."""
    count = (~changes.isnan()).sum(1, keepdim=True)
    total = changes.square().nansum(1, keepdim=True)
    return (total / count.clamp(min=1)).sqrt(), count


def _filled(rows: Float[Tensor, "S L"]) -> Float[Tensor, "S L"]:
    """Missing values repeat the one before them."""
    step = torch.arange(rows.shape[1]).expand_as(rows)
    latest = torch.where(rows.isnan(), 0, step).cummax(1).values
    return rows.gather(1, latest)


def _age(rows: Float[Tensor, "S L"]) -> Int[Tensor, "S 1"]:
    """Steps since the last observed value, 0 if there is none."""
    return (~rows.isnan()).flip(1).long().argmax(1, keepdim=True)
