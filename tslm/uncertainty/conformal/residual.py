"""Conformal prediction by residuals.

Source: split conformal prediction; Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random
World", 2005. Errors divided by a difficulty: Papadopoulos, Gammerman and Vovk, "Normalized
Nonconformity Measures for Regression Conformal Prediction", AIA 2008.

Departures: signed errors, so each tail has its own width. One set of errors per step. The measure
of difficulty, or none, is chosen by the pinball loss on each half of the validation windows with
errors learnt from the other half.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.core.float64 import exactly
from tslm.uncertainty.conformal.base import Conformal, from_quantiles
from tslm.uncertainty.conformal.error_quantiles import error_quantiles, grid
from tslm.uncertainty.conformal.validation_errors import ValidationErrors
from tslm.uncertainty.conformal.window_forecast import WindowForecast
from tslm.uncertainty.difficulty import Difficulty, difficulty
from tslm.uncertainty.distributions.quantile import DEFAULT

FEW = 20  # windows per half below which no measure of difficulty is chosen


class Residual(Conformal):
    """Conformal prediction by residuals: point forecast plus the quantiles of its errors."""

    name = "residual"

    @classmethod
    def learn(cls, errors: ValidationErrors) -> tuple[Difficulty, Float[Tensor, "G H"]]:
        measure = best_difficulty(errors)
        scaled = errors.errors / errors.difficulties[measure]
        return measure, error_quantiles(scaled, cls.levels(scaled, errors.new_fraction))

    @classmethod
    def levels(cls, scaled: Float[Tensor, "N H"], new_fraction: float) -> Float[Tensor, " G"]:
        """Return the quantile levels at which the errors of ``GRID`` are read: ``GRID`` itself.

        Args:
            scaled: errors divided by difficulty, in the order of time.
            new_fraction: fraction of each window that no earlier window covers.
        """
        return grid()

    def distribution(self, forecast: WindowForecast) -> Distribution:
        if not self.learnt:
            return from_quantiles(self.changes(forecast))
        horizon = forecast.horizon
        unit = difficulty(forecast.batch.past, self.season_length, horizon, self.difficulty)
        errors = self.corrections_for(horizon)[:, None, :, None] * unit
        return from_quantiles(self.widened(forecast.point + errors))


def best_difficulty(errors: ValidationErrors) -> Difficulty:
    """Return the measure of difficulty that predicts each half of the errors best from the other.

    The halves are consecutive in time. The score is the pinball loss in the units of the series.
    """
    half = len(errors.errors) // 2
    if half < FEW:
        return "none"
    levels = torch.tensor(DEFAULT, dtype=torch.float64)
    scores: dict[Difficulty, float] = {}
    for measure, unit in errors.difficulties.items():
        scaled, total = errors.errors / unit, 0.0
        for known, new in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
            gap = scaled[new] - error_quantiles(scaled[known], levels)[:, None]
            level = levels[:, None, None]
            pinball = torch.maximum(level * gap, (level - 1) * gap) * unit[new]
            total += float(exactly(pinball).sum())
        scores[measure] = total
    return min(scores, key=lambda measure: scores[measure])
