"""A forecast model that corrects a base forecast, such as that of a seasonal autoregression."""

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.core.errors import warn
from tslm.core.float64 import exactly
from tslm.core.forecaster import Forecaster
from tslm.core.messages import counted
from tslm.core.shrinkage import Shrinkage
from tslm.core.types import Batch
from tslm.models.forecast_model import ForecastModel
from tslm.models.layers.base_forecast import anchors
from tslm.models.layers.base_memory import RememberedForecasts
from tslm.models.layers.scale import Scale


class ResidualModel(ForecastModel):
    """Forecast model that corrects a base forecast.

    The values of the decoder are added to the base forecast instead of the level of the window.
    They are zero before training. After training, the shrinkage of this correction is estimated
    on validation windows.

    Args:
        base: forecaster whose forecast is corrected; it reads values, not times.
        parts: the arguments of ``ForecastModel``.

    Attributes:
        memory: base forecasts of a fit, from ``learn`` to ``calibrate``; None at other times.
    """

    base: Forecaster
    gate: Float[Tensor, ""]  # the shrinkage, under its name in saved models

    def __init__(self, *, base: Forecaster, **parts: Any) -> None:
        super().__init__(**parts)
        self.base = base
        self.example_length = 0
        self.decoder.start_at_zero()
        self.register_buffer("gate", torch.ones(()))
        self.memory: RememberedForecasts | None = None

    @property
    def shrinkage(self) -> float | None:
        return float(self.gate)

    def level(
        self,
        scale: Scale,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        steps: int,
        segments: int,
    ) -> Float[Tensor, "B M C"]:
        """Return the base forecast of the M values, each from the steps before its segment."""
        return anchors(self.memory or self.base, past, time, self.decoder.step, steps, segments)

    def base_forecast(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        """Return the base forecast that training corrects: without the natural zero of a series."""
        return (self.memory or self.base).forecast(batch._replace(zero=None), horizon)

    def shrunk(self, distribution: Distribution, level: Float[Tensor, "B M C"]) -> Distribution:
        """Return the distributions about the base plus the shrunk correction, as wide as before."""
        shift = (self.gate - 1) * (distribution.point - level)
        return distribution.moved(torch.ones_like(shift), shift)

    def roll(
        self, batch: Batch, horizon: int, levels: Float[Tensor, "B H2 C"] | None = None
    ) -> Float[Tensor, "B H2 C"]:
        ahead = super().roll(batch, horizon, levels)
        if levels is not None:  # quantiles are read from shrunk distributions
            return ahead
        base = self.base_forecast(batch, ahead.shape[1])
        return base + self.gate * (ahead - base)

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        super().learn(train, val)
        self.base.learn(train, val)
        self.memory = RememberedForecasts(self.base)

    @torch.no_grad()
    def calibrate(self, val: Iterable[Batch]) -> None:
        """Estimate the shrinkage of the correction, see ``Shrinkage``; 1 without any window.

        Warns if it is 0, so that forecasts are those of the base. The base forecasts that were
        remembered since ``learn`` are dropped.

        Args:
            val: windows with the steps that follow them; may be empty.
        """
        self.gate.fill_(1)
        shrinkage = Shrinkage()
        for batch in val:
            horizon = batch.future.shape[1]
            base = self.base_forecast(batch, horizon)
            rest = exactly(batch.future - base)
            ahead = self.forecast(batch, horizon)
            shrinkage.add(rest, exactly(ahead - base))
        self.memory = None
        self.gate.fill_(shrinkage.factor(self.decoder.caution))
        if not self.gate:
            warn(
                f"On {counted(len(shrinkage), 'validation window')} the trained correction did not "
                f"improve on {type(self.base).__name__}, so forecasts are those of the base. Train "
                "longer, or leave out base."
            )
