"""The interface of a forecaster with weights: one pass, its loss, and its roll-out."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from itertools import chain

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import huber_loss

from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch, Prediction

CRITERIA: dict[str, Callable[[Tensor], Tensor]] = {
    "mse": torch.square,
    "mae": torch.abs,
    "huber": lambda gap: huber_loss(gap, torch.zeros_like(gap), reduction="none"),
}


class Network(Forecaster):
    """Forecaster with weights: one pass gives M values, and longer horizons are rolled out.

    Training windows need F = ``step`` true values after the context.

    Attributes:
        step: steps from the end of the context to the last of the M values.
        patch_len: steps between the times that ``prepare`` needs.
    """

    step: int
    patch_len: int = 1

    @abstractmethod
    def forward(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B L"],
        text: Sequence[str] | None = None,
    ) -> Prediction:
        """Forecast M values in one pass, the last of them ``step`` steps after the context.

        Args:
            past: contexts, as in ``Batch``.
            time: time of each step of the contexts.
            text: text of each series, as in ``Batch``.
        """

    def loss(self, batch: Batch, criterion: str = "mse") -> Float[Tensor, ""]:
        """Return the mean error of the predicted values whose true value is observed.

        Args:
            batch: windows and the F steps after them.
            criterion: one of ``CRITERIA``: squared error, absolute error, or ``huber`` (half the
                squared error up to 1, and the absolute error minus 1/2 beyond). The unit is the
                spread of the training data.
        """
        return self.error(self.trained(batch), batch, criterion)

    def error(
        self, prediction: Prediction, batch: Batch, criterion: str = "mse"
    ) -> Float[Tensor, ""]:
        """Return the loss of a prediction, see ``loss``."""
        context = batch.past.shape[1]
        values, covered, aux_loss, distribution, _ = prediction
        stop = context + self.step
        truth = torch.cat([batch.past, batch.future], 1)[:, stop - values.shape[1] : stop]
        counted = covered & ~torch.isnan(truth)
        truth = torch.nan_to_num(truth)
        if distribution is None:
            error = CRITERIA[criterion](torch.where(counted, values - truth, 0))
        else:  # an uncounted value is compared with itself, so that its gradient stays finite
            error = distribution.loss(torch.where(counted, truth, values.detach()))
        loss = torch.where(counted, error, 0).sum() / counted.sum().clamp(min=1)
        return loss if aux_loss is None else loss + aux_loss

    def trained(self, batch: Batch) -> Prediction:
        """Return the prediction that ``loss`` compares with the true values of the windows."""
        return self(batch.past, batch.time[:, : batch.past.shape[1]], batch.text)

    @torch.no_grad()
    def forecast(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        """Forecast on the device of the model; return the result on the device of ``past``."""
        return self.roll(self.here(batch), horizon)[:, :horizon].to(batch.past.device)

    @torch.no_grad()
    def paths(self, batch: Batch, levels: Float[Tensor, "B H2 C"]) -> Float[Tensor, "B H2 C"]:
        here = self.here(batch)
        drawn = self.roll(here, levels.shape[1], levels.to(here.past.device))
        return drawn.to(batch.past.device)

    def here(self, batch: Batch) -> Batch:
        """Return the windows on the device of the model."""
        device = next(chain(self.parameters(), self.buffers())).device
        return batch._replace(past=batch.past.to(device), time=batch.time.to(device))

    def roll(
        self, batch: Batch, horizon: int, levels: Float[Tensor, "B H2 C"] | None = None
    ) -> Float[Tensor, "B H2 C"]:
        """Forecast a horizon; by default the window slides, see ``slide``.

        Args:
            batch: contexts, on the device of the model.
            horizon: steps to forecast.
            levels: quantile level of each value; None gives point forecasts.
        """
        return self.slide(batch, horizon, levels)

    def slide(
        self, batch: Batch, horizon: int, levels: Float[Tensor, "B H2 C"] | None = None
    ) -> Float[Tensor, "B H2 C"]:
        """Forecast ``step`` values, move the window by them, and repeat up to the horizon.

        Args:
            batch: contexts, on the device of the model.
            horizon: steps to forecast.
            levels: quantile level of each value; None gives point forecasts.
        """
        context, series = batch.past.shape[1], batch.past
        for start in range(0, horizon, self.step):
            time = batch.time[:, start : start + context]
            window = batch._replace(past=series[:, start:], time=time)
            part = None if levels is None else levels[:, start : start + self.step]
            ahead = self.ahead(window, part)
            series = torch.cat([series, ahead], 1)
        return series[:, context:]

    def ahead(
        self, batch: Batch, levels: Float[Tensor, "B P C"] | None = None
    ) -> Float[Tensor, "B P C"]:
        """Return the ``step`` values that follow each context, see ``slide``."""
        assert levels is None, "a network without a distribution draws no paths"
        return self(batch.past, batch.time, batch.text).values[:, -self.step :]
