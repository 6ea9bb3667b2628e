"""Regression on covariates for single series of any length, also very short ones.

Candidates are forecasts without covariates (climatology, persistence) and by relations to them:
difference, slope, ratio, a threshold, a curve through the levels that were observed, each
followed at once or with a delay, two states of a seasonal profile, and autoregressions with lags of
the covariates. Their weights come from rolling origins within the context alone. So a useless
covariate gets little weight.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.forecaster import Forecaster
from tslm.core.messages import naming, whole_number
from tslm.core.types import Batch, Facts, Sizes, Task
from tslm.models.baselines.covariate_regression.candidates import Floats, History
from tslm.models.baselines.covariate_regression.laws import LEVELS
from tslm.models.baselines.covariate_regression.rolling_validation import forecast
from tslm.uncertainty.distributions.quantile import Quantiles, at_levels

SEASONS = 4  # seasons of context that are suggested, at least
ROWS = 256  # rows of context that are suggested, at least


class CovariateRegression(Forecaster):
    """Mixture of relations to covariates, weighted by rolling origins within each context.

    Args:
        task: gives the steps of a season.
        follows: names of covariates that the series is known to follow. They estimate it in its own
            units, or are proportional to it above a threshold, as the height of the sun is to
            sunlight. Beyond the range of the past they are trusted more than the past is.

    Raises:
        ConfigError: if the season is below 1, or ``follows`` is no list of names.
    """

    any_horizon = True
    distribution_horizon = 2**31
    reads_covariates = True
    subtracts_effects = False
    validated = True

    def __init__(self, *, task: Task, follows: Sequence[str] | None = None) -> None:
        super().__init__()
        self.season_length = whole_number("season_length", task.season_length)
        if isinstance(follows, str) or not all(isinstance(name, str) for name in follows or ()):
            raise ConfigError(f"follows={follows!r} must be a list of names of covariates.")
        self.follows = tuple(follows or ())
        self.judged = task.horizon
        self._last: tuple[Tensor, int, Tensor] | None = None

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        return Sizes(context_length or max(ROWS, SEASONS * facts.season_length))

    def forecast(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        return self._quantiles(batch, horizon)[..., len(LEVELS) // 2]

    def distribution(self, batch: Batch, horizon: int) -> Quantiles:
        return at_levels(self._quantiles(batch, horizon), LEVELS.tolist())

    def _quantiles(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C quantiles"]:
        """Return the quantiles of each step, in the units of the batch.

        The last ones are kept: a request for intervals needs points and quantiles.
        """
        if self._last is not None and self._last[0] is batch.past and self._last[1] == horizon:
            return self._last[2]
        windows, _, channels = batch.past.shape
        found = [
            [self._series(batch, window, channel, horizon) for channel in range(channels)]
            for window in range(windows)
        ]
        quantiles = torch.from_numpy(np.array(found)).transpose(1, 2).to(batch.past)
        self._last = (batch.past, horizon, quantiles)
        return quantiles

    def _series(self, batch: Batch, window: int, channel: int, horizon: int) -> Floats:
        """Return the quantiles of one series, ``[H, quantiles]``."""
        past = batch.past[window, :, channel].cpu().double().numpy()
        observed = np.flatnonzero(np.isfinite(past))
        if not len(observed):
            return np.zeros((horizon, len(LEVELS)))
        first, steps = observed[0], np.arange(len(past))
        past = np.interp(steps, observed, past[observed])[first:]
        natural = batch.zero is not None and batch.unit is not None
        zero = float(batch.zero[window, channel]) if batch.zero is not None else 0.0
        unit = float(batch.unit[window, channel]) if batch.unit is not None else 1.0
        covariates = np.zeros((len(past) + horizon, 0))
        follows: list[int] = []
        if batch.known is not None:
            rows = batch.known.values[window, first : len(steps) + horizon]
            covariates = rows.cpu().double().numpy()
            follows = [self._place(name, batch.known.names) for name in self.follows]
        own = (past - zero) * unit
        history = History(own, covariates, self.season_length, follows, natural)
        return np.asarray(forecast(history, horizon, self.judged) / unit + zero)

    @staticmethod
    def _place(name: str, names: Sequence[str]) -> int:
        """Return the place of a covariate that the series follows.

        Raises:
            ConfigError: if it is not among the covariates.
        """
        if name not in names:
            raise ConfigError(
                f"follows names {name!r}, and the covariates are {naming(names)}. Add it to "
                "futr_exog, or leave it out of follows."
            )
        return list(names).index(name)
