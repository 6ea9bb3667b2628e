"""Conformalized quantile regression.

Source: Romano, Patterson and Candes, "Conformalized Quantile Regression", NeurIPS 2019.

Departures: each quantile is corrected by itself, so each tail has its own width, and each step has
its own correction. Where too little was learnt, the wider one of the forecaster's own distribution
and that of past changes counts, at each quantile level.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.uncertainty.conformal.base import Conformal, from_quantiles, wider
from tslm.uncertainty.conformal.error_quantiles import error_quantiles, grid
from tslm.uncertainty.conformal.validation_errors import ValidationErrors
from tslm.uncertainty.conformal.window_forecast import WindowForecast
from tslm.uncertainty.difficulty import Difficulty


class ConformalizedQuantiles(Conformal):
    """Conformalized quantile regression: the model's own quantiles, each moved by its errors."""

    name = "cqr"
    corrects_quantiles = True
    fallback = "past changes of each series and the model's own distribution"

    @classmethod
    def learn(cls, errors: ValidationErrors) -> tuple[Difficulty, Float[Tensor, "G H"]]:
        corrections = [
            error_quantiles(of_level, level[None])[0]
            for of_level, level in zip(errors.quantile_errors, grid(), strict=True)
        ]
        return "none", torch.stack(corrections)

    def distribution(self, forecast: WindowForecast) -> Distribution:
        own = forecast.own_distribution(self.template).quantile(grid())
        if not self.learnt:
            return from_quantiles(wider(own, self.changes(forecast)))
        corrections = self.corrections_for(forecast.horizon)[:, None, :, None]
        return from_quantiles(self.widened(own + corrections))
