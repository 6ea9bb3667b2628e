"""Naive rules: the last value, the mean, the drift, and the value of one season earlier.

Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd ed. 2021, section 5.2, and
5.5 for the growth of their variance.
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from tslm.models.baselines.classical.base import NormalRule, Predictive, error_spread
from tslm.models.layers.seasonal import (
    last_observed,
    repeat_season,
    steps_since_observed,
    whole_seasons,
)


class Last(NormalRule):
    """Last observed value, repeated (naive method)."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return last_observed(rows).expand(-1, horizon)

    def predictive(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        deviation = error_spread(_changes(rows), 0) * _ahead(rows, horizon).sqrt()
        return Predictive(self.extend(rows, horizon), deviation)


class Mean(NormalRule):
    """Mean of the context, repeated."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return rows.nanmean(1, keepdim=True).expand(-1, horizon)

    def predictive(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        mean, count = self.extend(rows, horizon), (~rows.isnan()).sum(1, keepdim=True)
        spread = error_spread(rows - mean[:, :1], 1) * (1 + 1 / count.clamp(min=1)).sqrt()
        return Predictive(mean, spread.expand_as(mean))


class Drift(NormalRule):
    """Line through the first and the last observed value, continued."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return last_observed(rows) + _slope(rows) * _ahead(rows, horizon)

    def predictive(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        ahead = _ahead(rows, horizon)
        spread = error_spread(_changes(rows, _slope(rows)), 1)
        growth = (ahead * (1 + ahead / _steps(rows).clamp(min=1))).sqrt()
        return Predictive(self.extend(rows, horizon), spread * growth)


class SeasonalNaive(NormalRule):
    """Value one season earlier.

    If it is missing, the value two seasons earlier, and so on. The last value, if a phase of the
    season has no value, or the context is shorter than a season.
    """

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        seasons = whole_seasons(rows, self.season_length)
        latest = last_observed(rearrange(seasons, "S K m -> (S m) K"))
        latest = rearrange(latest, "(S m) 1 -> S m", m=self.season_length)
        latest = torch.where(torch.isnan(latest), last_observed(rows), latest)
        return repeat_season(latest, horizon)

    def predictive(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        m = self.season_length
        errors = error_spread(rows[:, m:] - rows[:, :-m], 0)
        seasons = -(-_ahead(rows, horizon) // m)
        short = error_spread(_changes(rows), 0) * _ahead(rows, horizon).sqrt()
        deviation = torch.where(errors.isnan(), short, errors * seasons.sqrt())
        return Predictive(self.extend(rows, horizon), deviation)


def _ahead(rows: Float[Tensor, "S L"], horizon: int) -> Int[Tensor, "S H"]:
    """Return the steps from the last observed value to each step of the horizon."""
    return steps_since_observed(rows) + torch.arange(1, horizon + 1, device=rows.device)


def _steps(rows: Float[Tensor, "S L"]) -> Int[Tensor, "S 1"]:
    """Return the steps from the first to the last observed value."""
    return rows.shape[1] - 1 - steps_since_observed(rows) - steps_since_observed(rows.flip(1))


def _slope(rows: Float[Tensor, "S L"]) -> Float[Tensor, "S 1"]:
    """Return the mean change of a step."""
    change = last_observed(rows) - last_observed(rows.flip(1))
    return change / _steps(rows).clamp(min=1)


def _changes(rows: Float[Tensor, "S L"], slope: float | Tensor = 0.0) -> Float[Tensor, "S changes"]:
    """Return changes between observed values minus a slope, as if from one step to the next.

    A change over k steps of a random walk has the variance of k steps: it is divided by its root.
    """
    step = torch.arange(rows.shape[1], device=rows.device).expand_as(rows)
    latest = torch.where(rows.isnan(), -1, step).cummax(1).values[:, :-1]
    before = torch.where(latest < 0, torch.nan, rows.gather(1, latest.clamp(min=0)))
    steps = step[:, 1:] - latest
    return (rows[:, 1:] - before - slope * steps) / steps.sqrt()
