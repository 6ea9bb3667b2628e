"""How much a window moves from one season to the next: the unit in which its errors are alike."""

from typing import Literal, get_args

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

Roughness = Literal["none", "window", "phase"]
ROUGHNESS: tuple[Roughness, ...] = get_args(Roughness)
LEAST = 0.05  # where 1 is an ordinary spread of the series
_PRIOR = 2  # a phase is believed as if it had been seen so often as the window has it


@torch.no_grad()
def roughness(
    past: Float[Tensor, "B L C"], season_length: int, horizon: int, kind: Roughness
) -> Float[Tensor, "B H C"]:
    """Mean absolute change from one season to the next, for each step to come.

    Args:
        past: windows; NaN where missing.
        season_length: steps of a season, m.
        horizon: steps to come.
        kind: ``none`` is 1 throughout; ``window`` takes the whole context (neighbouring steps
            where it holds no two values a season apart, 1 where it holds no two); ``phase`` the
            steps at the same place of the season, drawn towards that.
    """
    if kind == "none":
        return past.new_ones(len(past), horizon, past.shape[2])
    rows = rearrange(past, "B L C -> (B C) L")
    near = torch.nan_to_num((rows[:, 1:] - rows[:, :-1]).abs().nanmean(1), nan=1.0)
    season = (rows[:, season_length:] - rows[:, :-season_length]).abs()
    whole = season.nanmean(1)
    whole = torch.where(torch.isnan(whole), near, whole)[:, None]
    if kind == "window":
        found = whole.expand(-1, horizon)
    else:
        season = pad(season, (-season.shape[1] % season_length, 0), value=torch.nan)
        phases = rearrange(season, "S (K m) -> S K m", m=season_length)
        seen = (~torch.isnan(phases)).sum(1)
        phase = (phases.nansum(1) + _PRIOR * whole) / (seen + _PRIOR)
        found = repeat(phase, "S m -> S (k m)", k=-(-horizon // season_length))[:, :horizon]
    return rearrange(found.clamp(min=LEAST), "(B C) H -> B H C", B=len(past))
