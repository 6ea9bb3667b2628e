"""Exponential smoothing and Theta by statsforecast, where it is installed: one fit a window.

Hyndman et al., 2002 (ETS) and Assimakopoulos & Nikolopoulos, 2000 (Theta), with their form chosen
automatically. Departures: missing values repeat the one before them.
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
from tslm.models.baselines.classical import Classical


class Statistical(Classical):
    """A model of statsforecast, fitted to each context anew.

    Args:
        task: gives the steps of a season, m.

    Raises:
        ConfigError: if statsforecast is not installed.
    """

    calibration_windows = 64  # a fit each

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
        """The model, given the module ``statsforecast.models``."""

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        ahead = [self._continue(row.numpy(), horizon) for row in rows.cpu()]
        return torch.from_numpy(np.stack(ahead)).to(rows)

    def _continue(self, row: np.ndarray, horizon: int) -> np.ndarray:
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
    """Exponential smoothing; error, trend and season chosen by the corrected AIC."""

    def make(self, models: Any) -> Any:
        return models.AutoETS(season_length=self.season_length)


class AutoTheta(Statistical):
    """The Theta method; its variant chosen by the error of the fit."""

    def make(self, models: Any) -> Any:
        return models.AutoTheta(season_length=self.season_length)
