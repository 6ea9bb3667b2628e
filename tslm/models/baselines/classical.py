"""Classical forecasts of single windows: nothing is trained, nothing but the context is read.

All of them work in float64 on any number of windows, return the dtype of the context, take NaN
as missing (or as padding on the left, which equals a shorter context), and follow a change of
units or of level, ``a * x + b``. A context without any value is continued by zeros.
"""

from abc import abstractmethod
from collections.abc import Iterable

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly, home
from tslm.core.types import Batch, Forecaster, Task
from tslm.models.layers.lpc.burg import zero_input_response
from tslm.models.layers.seasonal import (
    affordable,
    fit_residual,
    largest_order,
    last_observed,
    profile,
    repeat_season,
    resolved,
    steps_since_observed,
    whole_seasons,
)
from tslm.uncertainty.distributions.mixture import Mixture

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

    any_horizon = True

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
        end, start = steps_since_observed(rows), steps_since_observed(rows.flip(1))
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
        seasons = whole_seasons(rows, self.season_length)
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
        order = max(largest_order(rows.shape[1], 2 * self.season_length), 1)
        orders = affordable(~torch.isnan(rows), order)
        model, state = fit_residual(rows - mean, orders, order)
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

    distribution_horizon = 2**31

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


def _chunks(past: Float[Tensor, "B L C"], horizon: int) -> tuple[Float[Tensor, "S L"], ...]:
    """Windows as rows, so many at once as go into the cache of a core."""
    rows = rearrange(past, "B L C -> (B C) L")
    values = _CHUNK_VALUES if home(past.device).type == "cpu" else _CHUNK_ELSEWHERE
    return rows.split(max(1, values // max(1, rows.shape[1] + horizon)))


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise ConfigError(f"{name} is {value}. Set it to 1 or more.")
    return value
