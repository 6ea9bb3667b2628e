"""No calibration: the model's own distribution as it is."""

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.core.errors import ConfigError
from tslm.uncertainty.conformal.base import Conformal
from tslm.uncertainty.conformal.validation_errors import ValidationErrors
from tslm.uncertainty.conformal.window_forecast import WindowForecast
from tslm.uncertainty.difficulty import Difficulty


class Uncalibrated(Conformal):
    """No calibration: the model's own distribution as it is.

    Validation errors still give the ranks that make sample paths coherent.
    """

    name = "none"
    fallback = None
    n_levels = 0

    @classmethod
    def learn(cls, errors: ValidationErrors) -> tuple[Difficulty, Float[Tensor, "G H"]]:
        return "none", torch.empty(0, errors.errors.shape[1])

    def distribution(self, forecast: WindowForecast) -> Distribution:
        if not forecast.forecaster.distribution_horizon:
            raise ConfigError(
                f"conformal=none, and {type(forecast.forecaster).__name__} gives points only. Set "
                "conformal=residual, or a decoder with a distribution such as decoder=quantile."
            )
        return forecast.own_distribution(self.template)

    def paths(
        self, forecast: WindowForecast, count: int, seed: int
    ) -> Float[Tensor, "paths B H C"]:
        if 0 < forecast.forecaster.distribution_horizon < forecast.horizon:
            return forecast.rolled_paths(self.template, count, seed)
        return super().paths(forecast, count, seed)
