"""Classical forecasts that are computed from the context alone, without training.

All of them take contexts [B, L, C] and return forecasts [B, H, C] in the units of the context.
They compute in float64 and return the dtype of the context. NaN means missing; on the left it
means a shorter context. Forecasts are equivariant: the forecast of ``a * x + b`` is
``a * forecast(x) + b``. A context without any value is continued by zeros.

Hyndman & Athanasopoulos, "Forecasting: principles and practice", 3rd ed. 2021, section 5.2 (last
value, mean, drift and seasonal naive).
"""

from abc import abstractmethod
from collections.abc import Iterable

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.distribution import LEAST
from tslm.core.float64 import exactly, home
from tslm.core.forecaster import Forecaster
from tslm.core.messages import whole_number
from tslm.core.types import Batch, Task
from tslm.models.layers.lpc.burg import zero_input_response
from tslm.models.layers.seasonal import (
    affordable,
    decompose_seasonal,
    fit_residual,
    largest_order,
    last_observed,
    profile,
    repeat_season,
    steps_since_observed,
    whole_seasons,
)
from tslm.uncertainty.distributions.mixture import Mixture

# Values of one chunk of windows, chosen by hand. On a CPU the arrays of a chunk then fit into the
# cache of a core, and PyTorch uses a single thread (it starts more from 2**15 values on), which is
# faster for many small steps. On an accelerator each step has a launch cost: large ones are best.
_CHUNK_CPU = 2**15 - 1
_CHUNK_ACCELERATOR = 2**22

ORDER = 24  # order of the autoregression without validation data: a day of hours; chosen by hand
ORDERS = (4, 8, 16, 24, 48)  # orders that validation chooses from; chosen by hand


class Classical(Forecaster):
    """Forecasting rule for single series.

    Args:
        task: gives the steps of a season, m.

    Raises:
        ConfigError: if the season is below 1.
    """

    any_horizon = True

    def __init__(self, *, task: Task) -> None:
        super().__init__()
        self.season_length = whole_number("season_length", task.season_length)

    def forecast(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        past = batch.past
        chunks = _chunks(past, horizon)
        values = torch.cat([self.extend(exactly(chunk), horizon).to(past) for chunk in chunks])
        return rearrange(torch.nan_to_num(values), "(B C) H -> B H C", B=len(past))

    @abstractmethod
    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        """Continue each row by H steps, in its own units; a row without a value gives NaN or 0.

        Args:
            rows: series in float64, oldest value first; NaN where missing.
            horizon: steps, H.
        """


class Last(Classical):
    """Last observed value, repeated (naive method)."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return last_observed(rows).expand(-1, horizon)


class Mean(Classical):
    """Mean of the context, repeated."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return rows.nanmean(1, keepdim=True).expand(-1, horizon)


class Drift(Classical):
    """Line through the first and the last observed value, continued."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        end, start = steps_since_observed(rows), steps_since_observed(rows.flip(1))
        steps = rows.shape[1] - 1 - start - end
        slope = (last_observed(rows) - last_observed(rows.flip(1))) / steps.clamp(min=1)
        return last_observed(rows) + slope * (
            end + torch.arange(1, horizon + 1, device=rows.device)
        )


class SeasonalNaive(Classical):
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


class Profile(Classical):
    """Mean of each phase of the season, over the complete seasons at the end of the context.

    It is the mean of the context for a phase that is never observed, and for a context shorter
    than a season.
    """

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return repeat_season(profile(rows, self.season_length), horizon)


class AR(Classical):
    """Autoregression of the context minus its mean, by Burg's method; the order is two seasons."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        mean = rows.nanmean(1, keepdim=True)
        order = max(largest_order(rows.shape[1], 2 * self.season_length), 1)
        orders = affordable(~torch.isnan(rows), order)
        model, state = fit_residual(rows - mean, orders, order)
        return mean + zero_input_response(model.coefficients, state, horizon)


class ProfileAR(Classical):
    """Seasonal profile plus an autoregression of the residual, by Burg's method.

    The residual has all L steps and keeps its mean. The order is 4 if the context is shorter than
    four seasons (chosen by hand). An order i needs 3 i values that follow i observed ones each,
    hence 4 i steps without gaps. Missing residuals at the end are forecast by the autoregression.
    The method is our own; Burg's is of 1975, see ``tslm.models.layers.lpc.burg``.

    Args:
        task: gives the steps of a season, m.
        order: coefficients of the autoregression, p; None takes the one of 4, 8, 16, 24 and 48
            with the smallest squared error in validation, or 24 without validation.

    Attributes:
        order: as above, after it has been chosen.
    """

    distribution_horizon = 2**31

    def __init__(self, *, task: Task, order: int | None = None) -> None:
        super().__init__(task=task)
        self.chosen = order is not None
        self.order: Int[Tensor, ""]  # a buffer, so that it is saved
        self.register_buffer("order", torch.tensor(whole_number("order", order or ORDER)))

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        if self.chosen:
            return
        errors = {order: self._error(order, val) for order in ORDERS}
        if any(errors.values()):
            self.order.fill_(min(errors, key=lambda order: errors[order]))

    def _error(self, order: int, windows: Iterable[Batch]) -> float:
        """Sum the squared error of an order over windows, in squared units of the series."""
        rule = ProfileAR(task=Task(1, 1, self.season_length), order=order)
        total = 0.0
        for batch in windows:
            ahead = rule.forecast(batch, batch.future.shape[1])
            total += float(exactly(ahead - batch.future).square().nansum())
        return total

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return decompose_seasonal(rows, self.season_length, int(self.order)).extend(horizon)

    def distribution(self, batch: Batch, horizon: int) -> Mixture:
        """Return the normal distribution of the autoregression: [B, H, C].

        Its variance is the power of the noise times the summed squares of the impulse response.
        """
        past, found = batch.past, []
        for chunk in _chunks(past, horizon):
            taken = decompose_seasonal(exactly(chunk), self.season_length, int(self.order))
            found.append(torch.stack([taken.extend(horizon), taken.deviation(horizon)]))
        values = torch.nan_to_num(torch.cat(found, 1)).to(past)
        ahead, deviation = rearrange(values, "k (B C) H -> k B H C 1", B=len(past))
        return Mixture(torch.ones_like(ahead), ahead, deviation.clamp(min=LEAST))


def _chunks(past: Float[Tensor, "B L C"], horizon: int) -> tuple[Float[Tensor, "S L"], ...]:
    """Split windows into chunks of rows, whose size suits the device."""
    rows = rearrange(past, "B L C -> (B C) L")
    values = _CHUNK_CPU if home(past.device).type == "cpu" else _CHUNK_ACCELERATOR
    return rows.split(max(1, values // max(1, rows.shape[1] + horizon)))
