"""Difficulty of a window, from its season-to-season changes; used to normalise errors."""

from typing import Literal, get_args

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

Difficulty = Literal["none", "window", "phase"]
DIFFICULTIES: tuple[Difficulty, ...] = get_args(Difficulty)
LEAST = 0.05  # smallest difficulty, in units of the standardised series
_PRIOR = 2  # weight of the whole window in the mean of a phase, in number of changes


@torch.no_grad()
def difficulty(
    past: Float[Tensor, "B L C"], season_length: int, horizon: int, kind: Difficulty
) -> Float[Tensor, "B H C"]:
    """Return the mean absolute change from one season to the next, for each step ahead.

    Args:
        past: windows; NaN where missing.
        season_length: steps of a season, m.
        horizon: steps ahead.
        kind: ``none`` is 1 throughout. ``window`` is the mean over the context; if it has no two
            values a season apart, changes between neighbouring steps are taken, and 1 if there
            are none. ``phase`` is the mean over steps at the same place in the season, shrunk
            towards ``window``.
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
