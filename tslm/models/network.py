"""The interface of a forecaster with weights: one pass, its loss, and how it rolls on."""

from abc import abstractmethod
from collections.abc import Callable
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
    """One pass gives M values that end ``step`` steps after the context; further ones are rolled.

    With F steps of truth after the context, F = ``step``, every window can be trained on.
    ``patch_len`` is the distance of the times it must know of, see ``prepare``.
    """

    step: int
    patch_len: int = 1

    @abstractmethod
    def forward(self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]) -> Prediction:
        """One pass: M values, the last of them ``step`` steps after the context."""

    def loss(self, batch: Batch, criterion: str = "mse") -> Float[Tensor, ""]:
        """Mean error over the M predicted steps whose truth is observed.

        Args:
            batch: windows and the F steps after them.
            criterion: one of ``CRITERIA``: of a gap, its square, its size, or (``huber``) half its
                square up to 1, an ordinary spread of the training data, and its size less a half
                beyond.
        """
        context = batch.past.shape[1]
        told = self.told(batch.about)
        values, covered, aux_loss, distribution, _ = told(batch.past, batch.time[:, :context])
        stop = context + self.step
        truth = torch.cat([batch.past, batch.future], 1)[:, stop - values.shape[1] : stop]
        counted = covered & ~torch.isnan(truth)
        truth = torch.nan_to_num(truth)
        if distribution is None:
            error = CRITERIA[criterion](torch.where(counted, values - truth, 0))
        else:  # where nothing counts, the truth is what was said, and no gradient can explode
            error = distribution.loss(torch.where(counted, truth, values.detach()))
        loss = torch.where(counted, error, 0).sum() / counted.sum().clamp(min=1)
        return loss if aux_loss is None else loss + aux_loss

    @torch.no_grad()
    def forecast(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B T"], horizon: int
    ) -> Float[Tensor, "B H C"]:
        """Continue each window; computed where the model is, returned where ``past`` is."""
        home, here = past.device, next(chain(self.parameters(), self.buffers())).device
        return self.roll(past.to(here), time.to(here), horizon)[:, :horizon].to(home)

    @torch.no_grad()
    def paths(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        shares: Float[Tensor, "B H2 C"],
    ) -> Float[Tensor, "B H2 C"]:
        """What may come, one path a window: each step is drawn in the light of those before it.

        Args:
            past: contexts, as in ``forecast``.
            time: of the context and of what follows.
            shares: where each value lies in its law, within (0, 1), for whole steps of the network.
        """
        home, here = past.device, next(chain(self.parameters(), self.buffers())).device
        parts = (past.to(here), time.to(here), shares.shape[1], shares.to(here))
        return self.roll(*parts).to(home)

    def roll(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        horizon: int,
        shares: Float[Tensor, "B H2 C"] | None = None,
    ) -> Float[Tensor, "B H2 C"]:
        """Forecast a step, move the window by it, look at it afresh, until ``horizon`` is full.

        With ``shares`` values are read from their laws at these, and otherwise they are points.
        """
        context = past.shape[1]
        series = past
        for start in range(0, horizon, self.step):
            window = series[:, start:]
            part = None if shares is None else shares[:, start : start + self.step]
            ahead = self.ahead(window, time[:, start : start + context], part)
            series = torch.cat([series, ahead], 1)
        return series[:, context:]

    def ahead(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B L"],
        shares: Float[Tensor, "B P C"] | None = None,
    ) -> Float[Tensor, "B P C"]:
        """The ``step`` values that follow the context, see ``roll``."""
        assert shares is None, "a network without a law draws nothing"
        return self(past, time).values[:, -self.step :]
