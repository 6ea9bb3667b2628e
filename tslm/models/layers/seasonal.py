"""Seasonal profile of a series, and an autoregression of the residual.

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


class Decomposed(NamedTuple):
    """Decomposition of series into a seasonal profile and an autoregressive residual.

    Args:
        season: mean of each phase; phase 0 is that of the step after the context.
        residual: series minus profile; NaN where missing.
        model: autoregression of the residual by Burg's method.
        state: last p values of the residual; missing ones are forecasts of the model.
    """

    season: Float[Tensor, "S phases"]
    residual: Float[Tensor, "S L"]
    model: Autoregression
    state: Float[Tensor, "S p"]

    @property
    def gap(self) -> Int[Tensor, " S"]:
        """Count the missing steps at the end."""
        return steps_since_observed(self.residual)[:, 0]

    def extend(self, horizon: int) -> Float[Tensor, "S H"]:
        """Continue each series by its profile plus the forecast of its residual."""
        rest = zero_input_response(self.model.coefficients, self.state, horizon)
        return repeat_season(self.season, horizon) + rest

    def deviation(self, horizon: int) -> Float[Tensor, "S H"]:
        """Compute the standard deviation of the forecast error at each step.

        The error grows from the last observed value on; earlier gaps count as known.
        """
        steps = int(self.gap.max()) + horizon
        gain = impulse_response(self.model.coefficients, steps).square().cumsum(1)
        ahead = self.gap[:, None] + torch.arange(horizon, device=gain.device)
        return (self.model.power[:, None] * gain.gather(1, ahead)).sqrt()


def decompose_seasonal(rows: Float[Tensor, "S L"], season_length: int, order: int) -> Decomposed:
    """Split series into a seasonal profile and an autoregressive residual, see ``ProfileAR``.

    Args:
        rows: series; NaN where missing.
        season_length: steps of a season, m.
        order: coefficients of the autoregression, p; a row with too few values for that many has
            zeros beyond the order it can estimate.
    """
    season = profile(rows, season_length)
    # the phase of a step counts back from the end of the context, where phase 0 begins
    residual = rows - repeat_season(season.flip(1), rows.shape[1]).flip(1)
    short = _length(rows) < 4 * season_length
    wanted = torch.where(short, min(4, order), order)
    row_order = torch.minimum(wanted, affordable(~torch.isnan(rows), order))
    return Decomposed(season, residual, *fit_residual(residual, row_order, order))


def fit_residual(
    residual: Float[Tensor, "S L"], row_order: Int[Tensor, " S"], order: int
) -> tuple[Autoregression, Float[Tensor, "S p"]]:
    """Fit Burg's autoregression to residuals; return it and the last p values of each.

    All rows have p coefficients, whatever their length, so that none depends on its neighbours.

    Args:
        residual: series without a season; NaN where missing.
        row_order: order of each row, at most ``order``.
        order: coefficients, p.
    """
    model = burg(residual, largest_order(residual.shape[1], order), row_order)
    a, power, k = model
    zeros = (0, order - a.shape[1])
    model = Autoregression(pad(a, zeros), power, pad(k, zeros))
    return model, _state(model.coefficients, residual, row_order)


def _state(
    coefficients: Float[Tensor, "S p"], residual: Float[Tensor, "S L"], row_order: Int[Tensor, " S"]
) -> Float[Tensor, "S p"]:
    """Return the last p values; missing ones are forecast by the model from earlier ones.

    Filling begins at the last step before which as many values as the order are observed, which
    gives the same as filling from the start.
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


def profile(rows: Float[Tensor, "S L"], season_length: int) -> Float[Tensor, "S phases"]:
    """Average each phase over the complete seasons at the end; phase 0 is that of the next step.

    A phase without a value, and each phase of a row shorter than a season, is the mean of the row.
    """
    seasons = whole_seasons(rows, season_length)
    phases = seasons.nanmean(1)
    return torch.where(torch.isnan(phases), rows.nanmean(1, keepdim=True), phases)


def whole_seasons(
    rows: Float[Tensor, "S L"], season_length: int
) -> Float[Tensor, "S seasons phases"]:
    """Cut the complete seasons at the end of each row, oldest first; NaN before them."""
    whole = _length(rows) // season_length * season_length
    lag = torch.arange(rows.shape[1], device=rows.device).flip(0)
    rows = torch.where(lag < whole[:, None], rows, torch.nan)
    missing = -rows.shape[1] % season_length
    rows = pad(rows, (missing, 0), value=torch.nan)
    return rearrange(rows, "S (K m) -> S K m", m=season_length)


def _length(rows: Float[Tensor, "S L"]) -> Int[Tensor, " S"]:
    """Count the steps from the first observed value to the end; 0 if there is none."""
    return reduce((~torch.isnan(rows)).long().cumsum(1) > 0, "S L -> S", "sum")


def affordable(observed: Bool[Tensor, "S L"], order: int) -> Int[Tensor, " S"]:
    """Find the largest order i up to ``order`` such that 3 i values follow i observed ones each.

    The 3 values per coefficient are chosen by hand.
    """
    i = torch.arange(1, largest_order(observed.shape[1], order) + 1, device=observed.device)
    enough = (_runs(observed)[:, :, None] > i).sum(1) >= 3 * i
    return enough.long().cumprod(1).sum(1)


def _runs(observed: Bool[Tensor, "S L"]) -> Int[Tensor, "S L"]:
    """Count the consecutive observed values up to each step, including it."""
    step = torch.arange(observed.shape[1], device=observed.device)
    return step - torch.where(observed, -1, step).cummax(1).values


def largest_order(steps: int, order: int) -> int:
    """Return the largest order up to ``order`` for ``steps`` steps without gaps: a quarter."""
    return min(order, steps // 4)


def steps_since_observed(rows: Float[Tensor, "S L"]) -> Int[Tensor, "S 1"]:
    """Count the steps since the last observed value; 0 if there is none."""
    return (~torch.isnan(rows)).flip(1).long().argmax(1, keepdim=True)


def last_observed(rows: Float[Tensor, "S L"]) -> Float[Tensor, "S 1"]:
    """Return the last observed value; NaN if there is none."""
    return rows.gather(1, rows.shape[1] - 1 - steps_since_observed(rows))


def repeat_season(season: Float[Tensor, "S phases"], steps: int) -> Float[Tensor, "S steps"]:
    """Repeat a season, and cut it to ``steps``."""
    return season.repeat(1, -(-steps // season.shape[1]))[:, :steps]
