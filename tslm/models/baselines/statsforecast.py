"""Exponential smoothing and Theta from statsforecast, fitted to each window.

Hyndman et al., "A state space framework for automatic forecasting using exponential smoothing
methods", Int. J. Forecasting 18, 2002 (ETS); Assimakopoulos & Nikolopoulos, "The theta model",
Int. J. Forecasting 16, 2000. Departures: missing values are replaced by the one before them.
"""

from abc import abstractmethod
from importlib import import_module
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.types import Task
from tslm.models.baselines.classical.base import NormalRule


class Statistical(NormalRule):
    """Model of statsforecast that is fitted to each context.

    Args:
        task: gives the steps of a season, m.

    Raises:
        ConfigError: if statsforecast is not installed.

    Attributes:
        model: the model of statsforecast.
    """

    calibration_windows = 64  # few, because each needs a fit; chosen by hand

    def __init__(self, *, task: Task) -> None:
        super().__init__(task=task)
        try:
            models = import_module("statsforecast.models")
        except ImportError as error:
            raise ConfigError(
                f"{type(self).__name__} needs statsforecast. Install it with "
                "pip install 'tslm[statsforecast]'."
            ) from error
        self.model = self.make(models)

    @abstractmethod
    def make(self, models: Any) -> Any:
        """Make the model from the module ``statsforecast.models``."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        ahead = [self._continue(row.numpy(), horizon) for row in rows.cpu()]
        return torch.from_numpy(np.stack(ahead)).to(rows)

    def _continue(self, row: np.ndarray, horizon: int) -> np.ndarray:
        """Fit the model to one series and forecast; a constant series is continued as it is."""
        known = np.flatnonzero(~np.isnan(row))
        if not len(known):
            return np.full(horizon, np.nan)
        row = row[known[0] :]
        latest = np.maximum.accumulate(np.where(np.isnan(row), 0, np.arange(len(row))))
        filled = row[latest]
        if len(filled) < 3 or np.ptp(filled) == 0:  # nothing to fit
            return np.full(horizon, filled[-1])
        mean: np.ndarray = self.model.forecast(y=filled, h=horizon)["mean"]
        return mean


class AutoETS(Statistical):
    """Exponential smoothing; error, trend and season are chosen by the corrected AIC."""

    def make(self, models: Any) -> Any:
        return models.AutoETS(season_length=self.season_length)


class AutoTheta(Statistical):
    """Theta method; its variant is chosen by the error of the fit."""

    def make(self, models: Any) -> Any:
        return models.AutoTheta(season_length=self.season_length)
