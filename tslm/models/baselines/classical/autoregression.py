"""Autoregressions by Burg's method: of the series, and of what its seasonal profile leaves."""

from collections.abc import Iterable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.float64 import exactly
from tslm.core.messages import whole_number
from tslm.core.types import Batch, Task
from tslm.models.baselines.classical.base import NormalRule, Predictive
from tslm.models.layers.seasonal import (
    Decomposed,
    affordable,
    decompose_seasonal,
    fit_residual,
    largest_order,
)

ORDER = 24  # order of the autoregression without validation data: a day of hours; chosen by hand
ORDERS = (4, 8, 16, 24, 48)  # orders that validation chooses from; chosen by hand


class AR(NormalRule):
    """Autoregression of the context minus its mean, by Burg's method; the order is two seasons."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return self._decomposed(rows).extend(horizon)

    def predictive(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        taken = self._decomposed(rows)
        deviation = taken.deviation(horizon)
        few = (~rows.isnan()).sum(1, keepdim=True) < 2
        return Predictive(taken.extend(horizon), torch.where(few, torch.nan, deviation))

    def _decomposed(self, rows: Float[Tensor, "S L"]) -> Decomposed:
        """Fit the autoregression of the rows minus their mean, a season of one phase."""
        mean = rows.nanmean(1, keepdim=True)
        order = max(largest_order(rows.shape[1], 2 * self.season_length), 1)
        orders = affordable(~torch.isnan(rows), order)
        return Decomposed(mean, rows - mean, *fit_residual(rows - mean, orders, order))


class ProfileAR(NormalRule):
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

    def predictive(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        """Return the mean and the standard deviation of the autoregression.

        Its variance is the power of the noise times the summed squares of the impulse response. A
        series of fewer than two seasons has no errors about its profile to estimate it from.
        """
        taken = decompose_seasonal(rows, self.season_length, int(self.order))
        few = (~rows.isnan()).sum(1, keepdim=True) < max(2 * self.season_length, 3)
        deviation = torch.where(few, torch.nan, taken.deviation(horizon))
        return Predictive(taken.extend(horizon), deviation)
