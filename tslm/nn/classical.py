"""Classical forecasts of single windows: nothing is trained, nothing but the context is read.

All of them work in float64 on any number of windows, return the dtype of the context, take NaN
as missing (or as padding on the left, which equals a shorter context), and follow a change of
units or of level, ``a * x + b``. A context without any value is continued by zeros.
"""

from abc import abstractmethod
from collections.abc import Iterable
from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from tslm.errors import ConfigError
from tslm.exact import exactly, home
from tslm.nn.burg import (
    Autoregression,
    burg,
    fill_forward,
    impulse_response,
    zero_input_response,
)
from tslm.nn.laws.mixture import Mixture
from tslm.types import Batch, Forecaster, Task

# Of one chunk of windows on a CPU: its arrays stay in the cache of a core, and below 2**15 values
# PyTorch runs on one core, which on a busy machine saves so many small steps from waiting for each
# other. An accelerator waits for each step to be launched, so that few and large ones are best.
_CHUNK_VALUES = 2**15 - 1
_CHUNK_ELSEWHERE = 2**22

ORDER = 24  # of an autoregression without validation data
ORDERS = (4, 8, 16, 24, 48)


class Classical(Forecaster):
    """A rule that continues one series at a time.

    Args:
        task: gives the steps of a season, m.
    """

    one_for_all = True

    def __init__(self, *, task: Task) -> None:
        super().__init__()
        self.season_length = _positive("season_length", task.season_length)

    def forecast(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B T"], horizon: int
    ) -> Float[Tensor, "B H C"]:
        chunks = _chunks(past, horizon)
        values = torch.cat([self.extend(exactly(chunk), horizon).to(past) for chunk in chunks])
        return rearrange(torch.nan_to_num(values), "(B C) H -> B H C", B=len(past))

    @abstractmethod
    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        """Continue each row; a row without any value gives NaN or 0."""


class Last(Classical):
    """The last value, repeated."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return last_observed(rows).expand(-1, horizon)


class Mean(Classical):
    """The mean of the context, repeated."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return rows.nanmean(1, keepdim=True).expand(-1, horizon)


class Drift(Classical):
    """The line through the first and the last value, continued."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        end, start = _age(rows), _age(rows.flip(1))
        steps = rows.shape[1] - 1 - start - end
        slope = (last_observed(rows) - last_observed(rows.flip(1))) / steps.clamp(min=1)
        return last_observed(rows) + slope * (
            end + torch.arange(1, horizon + 1, device=rows.device)
        )


class SeasonalNaive(Classical):
    """The value one season earlier.

    Where that one is missing, two seasons earlier, and so on; where the season has no value at
    that place, or the context is shorter than a season, the last value.
    """

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        seasons = _seasons(rows, self.season_length)
        latest = last_observed(rearrange(seasons, "S K m -> (S m) K"))
        latest = rearrange(latest, "(S m) 1 -> S m", m=self.season_length)
        latest = torch.where(torch.isnan(latest), last_observed(rows), latest)
        return repeat_season(latest, horizon)


class Profile(Classical):
    """The mean of each phase of the season, over the whole seasons at the end of the context.

    A phase that is never observed, and a context shorter than one season, has the mean of the
    context.
    """

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return repeat_season(profile(rows, self.season_length), horizon)


class AR(Classical):
    """Burg's autoregression of the context less its mean, of twice the season's order."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        mean = rows.nanmean(1, keepdim=True)
        order = max(_most(rows.shape[1], 2 * self.season_length), 1)
        orders = _affordable(~torch.isnan(rows), order)
        model, state = _fitted(rows - mean, orders, order)
        return mean + zero_input_response(model.coefficients, state, horizon)


class ProfileAR(Classical):
    """The profile, and Burg's autoregression of what it leaves over (its zero-input response).

    The residual is that of all L steps and keeps its mean. The order is 4 if the context is
    shorter than four seasons, and an order i needs 3 i values that follow i observed ones, hence
    4 i steps without gaps. Missing residuals at the end are those the autoregression expects.

    Args:
        task: gives the steps of a season, m.
        order: coefficients of the autoregression, p; None takes what validation likes best of
            4, 8, 16, 24 and 48, or 24 without validation.
    """

    reach = 2**31

    def __init__(self, *, task: Task, order: int | None = None) -> None:
        super().__init__(task=task)
        self.chosen = order is not None
        self.order: Int[Tensor, ""]  # kept with the weights, as it may be learnt
        self.register_buffer("order", torch.tensor(_positive("order", order or ORDER)))

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        if self.chosen:
            return
        errors = {order: self._error(order, val) for order in ORDERS}
        if any(errors.values()):
            self.order.fill_(min(errors, key=lambda order: errors[order]))

    def _error(self, order: int, windows: Iterable[Batch]) -> float:
        """Squared error of an order over windows, 0 if there are none."""
        rule = ProfileAR(task=Task(1, 1, self.season_length), order=order)
        total = 0.0
        for batch in windows:
            ahead = rule.forecast(batch.past, batch.time, batch.future.shape[1])
            total += float(exactly(ahead - batch.future).square().nansum())
        return total

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return resolved(rows, self.season_length, int(self.order)).extend(horizon)

    def distribution(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B T"], horizon: int
    ) -> Mixture:
        """The autoregression's normal law: its noise, through its impulse response."""
        found = []
        for chunk in _chunks(past, horizon):
            taken = resolved(exactly(chunk), self.season_length, int(self.order))
            found.append(torch.stack([taken.extend(horizon), taken.deviation(horizon)]))
        values = torch.nan_to_num(torch.cat(found, 1)).to(past)
        ahead, deviation = rearrange(values, "k (B C) H -> k B H C 1", B=len(past))
        return Mixture(torch.ones_like(ahead), ahead, deviation.clamp(min=1e-6))


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
        return _age(self.residual)[:, 0]

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
    row_order = torch.minimum(wanted, _affordable(~torch.isnan(rows), order))
    return Resolved(season, residual, *_fitted(residual, row_order, order))


def _fitted(
    residual: Float[Tensor, "S L"], row_order: Int[Tensor, " S"], order: int
) -> tuple[Autoregression, Float[Tensor, "S p"]]:
    """Burg's autoregression of a residual, and the values it goes on from.

    Rows of all lengths have p coefficients, so that none depends on its neighbours.
    """
    model = burg(residual, _most(residual.shape[1], order), row_order)
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
    seasons = _seasons(rows, season_length)
    phases = seasons.nanmean(1)
    return torch.where(torch.isnan(phases), rows.nanmean(1, keepdim=True), phases)


def _seasons(rows: Float[Tensor, "S L"], season_length: int) -> Float[Tensor, "S K m"]:
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


def _affordable(observed: Bool[Tensor, "S L"], order: int) -> Int[Tensor, " S"]:
    """The largest order i <= ``order`` such that 3 i values follow i observed ones."""
    i = torch.arange(1, _most(observed.shape[1], order) + 1, device=observed.device)
    enough = (_runs(observed)[:, :, None] > i).sum(1) >= 3 * i
    return enough.long().cumprod(1).sum(1)


def _runs(observed: Bool[Tensor, "S T"]) -> Int[Tensor, "S T"]:
    """How many values up to each step, itself included, are observed in a row."""
    step = torch.arange(observed.shape[1], device=observed.device)
    return step - torch.where(observed, -1, step).cummax(1).values


def _most(steps: int, order: int) -> int:
    """The largest order up to ``order`` that so many steps without gaps afford."""
    return min(order, steps // 4)


def _age(rows: Float[Tensor, "S L"]) -> Int[Tensor, "S 1"]:
    """Steps since the last observed value, 0 if there is none."""
    return (~torch.isnan(rows)).flip(1).long().argmax(1, keepdim=True)


def last_observed(rows: Float[Tensor, "S L"]) -> Float[Tensor, "S 1"]:
    """The last observed value, NaN if there is none."""
    return rows.gather(1, rows.shape[1] - 1 - _age(rows))


def repeat_season(season: Float[Tensor, "S m"], steps: int) -> Float[Tensor, "S T"]:
    """One season after the other, cut to ``steps``."""
    return season.repeat(1, -(-steps // season.shape[1]))[:, :steps]


def _chunks(past: Float[Tensor, "B L C"], horizon: int) -> tuple[Float[Tensor, "S L"], ...]:
    """Windows as rows, so many at once as go into the cache of a core."""
    rows = rearrange(past, "B L C -> (B C) L")
    values = _CHUNK_VALUES if home(past.device).type == "cpu" else _CHUNK_ELSEWHERE
    return rows.split(max(1, values // max(1, rows.shape[1] + horizon)))


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ConfigError(f"{name} is {value}. Set it to 1 or more.")
    return value
