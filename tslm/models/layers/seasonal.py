"""Profile of a season, and an autoregression of what the profile leaves over.

Series are rows, ``[S, L]`` in float64, NaN where missing or before a short one.
"""

from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from tslm.models.layers.lpc.burg import (
    Autoregression,
    burg,
    fill_forward,
    impulse_response,
    zero_input_response,
)


class Resolved(NamedTuple):
    """Series taken apart: a profile, and an autoregression of what it leaves over.

    Args:
        season: the mean of each phase; phase 0 is that of the next step.
        residual: the rest; NaN where missing.
        model: Burg's, of the residual.
        state: its last p values; those missing are what the model expects.
    """

    season: Float[Tensor, "S m"]
    residual: Float[Tensor, "S L"]
    model: Autoregression
    state: Float[Tensor, "S p"]

    @property
    def gap(self) -> Int[Tensor, " S"]:
        """Steps at the end that are missing."""
        return steps_since_observed(self.residual)[:, 0]

    def extend(self, horizon: int) -> Float[Tensor, "S H"]:
        """Continue each series: the profile, and what the model expects of the rest."""
        rest = zero_input_response(self.model.coefficients, self.state, horizon)
        return repeat_season(self.season, horizon) + rest

    def deviation(self, horizon: int) -> Float[Tensor, "S H"]:
        """Standard deviation of what the model cannot foresee, after each number of steps.

        It counts from the last observed value. Gaps before that one count as known.
        """
        reach = int(self.gap.max()) + horizon
        gain = impulse_response(self.model.coefficients, reach).square().cumsum(1)
        ahead = self.gap[:, None] + torch.arange(horizon, device=gain.device)
        return (self.model.power[:, None] * gain.gather(1, ahead)).sqrt()


def resolved(rows: Float[Tensor, "S L"], season_length: int, order: int) -> Resolved:
    """Take series apart, see ``ProfileAR``.

    Args:
        rows: series; NaN where missing.
        season_length: steps of a season, m.
        order: coefficients of the autoregression, p; those that a row cannot afford are 0.
    """
    season = profile(rows, season_length)
    # the phase of a step counts back from the end of the context, where phase 0 begins
    residual = rows - repeat_season(season.flip(1), rows.shape[1]).flip(1)
    short = _length(rows) < 4 * season_length
    wanted = torch.where(short, min(4, order), order)
    row_order = torch.minimum(wanted, affordable(~torch.isnan(rows), order))
    return Resolved(season, residual, *fit_residual(residual, row_order, order))


def fit_residual(
    residual: Float[Tensor, "S L"], row_order: Int[Tensor, " S"], order: int
) -> tuple[Autoregression, Float[Tensor, "S p"]]:
    """Burg's autoregression of a residual, and the values it goes on from.

    Rows of all lengths have p coefficients, so that none depends on its neighbours.
    """
    model = burg(residual, largest_order(residual.shape[1], order), row_order)
    a, power, k = model
    room = (0, order - a.shape[1])
    model = Autoregression(pad(a, room), power, pad(k, room))
    return model, _state(model.coefficients, residual, row_order)


def _state(
    coefficients: Float[Tensor, "S p"], residual: Float[Tensor, "S L"], row_order: Int[Tensor, " S"]
) -> Float[Tensor, "S p"]:
    """The last p values, those missing as the model expects them after what came before.

    A row is filled from the last place on where all values its model looks back on are observed,
    which gives the same as to fill it from its beginning.
    """
    order = coefficients.shape[1]
    residual = pad(residual, (order, 0), value=torch.nan)
    if not residual[:, -order:].isnan().any():
        return residual[:, -order:]
    run = _runs(~residual.isnan())[:, :-order]
    after = torch.arange(1, run.shape[1] + 1, device=run.device)
    begins = (run >= row_order[:, None]) * after
    start = max(int(begins.amax(1).min()), order)
    before = torch.nan_to_num(residual[:, start - order : start])
    return fill_forward(coefficients, torch.cat([before, residual[:, start:]], 1))[:, -order:]


def profile(rows: Float[Tensor, "S L"], season_length: int) -> Float[Tensor, "S m"]:
    """Mean of each phase over the whole seasons at the end; phase 0 is that of the next step."""
    seasons = whole_seasons(rows, season_length)
    phases = seasons.nanmean(1)
    return torch.where(torch.isnan(phases), rows.nanmean(1, keepdim=True), phases)


def whole_seasons(rows: Float[Tensor, "S L"], season_length: int) -> Float[Tensor, "S K m"]:
    """The whole seasons at the end of each row, oldest first, NaN before them."""
    whole = _length(rows) // season_length * season_length
    lag = torch.arange(rows.shape[1], device=rows.device).flip(0)
    rows = torch.where(lag < whole[:, None], rows, torch.nan)
    missing = -rows.shape[1] % season_length
    rows = pad(rows, (missing, 0), value=torch.nan)
    return rearrange(rows, "S (K m) -> S K m", m=season_length)


def _length(rows: Float[Tensor, "S L"]) -> Int[Tensor, " S"]:
    """Steps from the first observed value to the end, 0 if there is none."""
    return reduce((~torch.isnan(rows)).long().cumsum(1) > 0, "S L -> S", "sum")


def affordable(observed: Bool[Tensor, "S L"], order: int) -> Int[Tensor, " S"]:
    """The largest order i <= ``order`` such that 3 i values follow i observed ones."""
    i = torch.arange(1, largest_order(observed.shape[1], order) + 1, device=observed.device)
    enough = (_runs(observed)[:, :, None] > i).sum(1) >= 3 * i
    return enough.long().cumprod(1).sum(1)


def _runs(observed: Bool[Tensor, "S T"]) -> Int[Tensor, "S T"]:
    """How many values up to each step, itself included, are observed in a row."""
    step = torch.arange(observed.shape[1], device=observed.device)
    return step - torch.where(observed, -1, step).cummax(1).values


def largest_order(steps: int, order: int) -> int:
    """The largest order up to ``order`` that so many steps without gaps afford."""
    return min(order, steps // 4)


def steps_since_observed(rows: Float[Tensor, "S L"]) -> Int[Tensor, "S 1"]:
    """Steps since the last observed value, 0 if there is none."""
    return (~torch.isnan(rows)).flip(1).long().argmax(1, keepdim=True)


def last_observed(rows: Float[Tensor, "S L"]) -> Float[Tensor, "S 1"]:
    """The last observed value, NaN if there is none."""
    return rows.gather(1, rows.shape[1] - 1 - steps_since_observed(rows))


def repeat_season(season: Float[Tensor, "S m"], steps: int) -> Float[Tensor, "S T"]:
    """One season after the other, cut to ``steps``."""
    return season.repeat(1, -(-steps // season.shape[1]))[:, :steps]
