"""Forecasts of the series of a panel, by all that a fitted estimator needs for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from tslm.core.calendar import Calendar, Ints
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch
from tslm.data.batches import final_batches
from tslm.data.examples import Examples
from tslm.data.panel import Floats, Panel
from tslm.uncertainty.conformal.base import Conformal
from tslm.uncertainty.conformal.error_quantiles import GRID
from tslm.uncertainty.conformal.window_forecast import WindowForecast
from tslm.uncertainty.requested_columns import RequestedColumns

CHUNK = 512  # series forecast at once
VALUES = 2**22  # numbers of them at once, where many quantiles or samples are requested
POINTS = RequestedColumns()


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of H steps of n series, in the units of the series.

    Args:
        time: time of each step: Unix seconds (UTC), or the integers of the frame.
        values: the point forecast, and then each requested column, in its order.
    """

    time: Ints  # [n, H]
    values: Floats  # [columns, n, H]

    @property
    def point(self) -> Floats:
        """Return the point forecasts, series after series."""
        return np.asarray(self.values[0].ravel())

    def named(self, name: str, request: RequestedColumns) -> dict[str, Floats]:
        """Return the columns, series after series, by their names.

        Args:
            name: name of the point forecast.
            request: the request they were made for.
        """
        names = [name, *(f"{name}-{ending}" for ending in request.endings)]
        return dict(zip(names, self.values.reshape(len(names), -1), strict=True))


@dataclass(frozen=True)
class PanelForecaster:
    """A fitted forecaster of panels. It can be pickled, and sent to another process or machine.

    It knows no estimator, no data frame and no settings file.

    Args:
        forecaster: the trained model, or a rule.
        calibration: makes distributions and sample paths from its point forecasts.
        calendar: the frequency of the series.
        context_length: rows of each series that the forecaster reads, L.
        floor: smallest value of a forecast, None for any.
        random_state: seed of sample paths; None draws other ones at each call.
    """

    forecaster: Forecaster
    calibration: Conformal
    calendar: Calendar
    context_length: int
    floor: float | None = None
    random_state: int | None = None

    def forecast(
        self,
        panel: Panel,
        horizon: int,
        request: RequestedColumns = POINTS,
        examples: Examples | None = None,
    ) -> Forecasts:
        """Forecast the steps after the last row of each series.

        Args:
            panel: the series, with effects of covariates on the ``horizon`` steps, if any.
            horizon: steps to forecast, H.
            request: the quantiles and sample paths beside the point forecast.
            examples: rows in place of the oldest rows of each context.
        """
        seed = self._seed() if request.samples else 0
        times, columns = [], []
        for series, batch in final_batches(
            panel,
            self.calendar,
            context_length=self.context_length,
            horizon=horizon,
            batch_size=_batch_size(horizon, request),
            multivariate=self.forecaster.multivariate,
        ):
            batch = batch if examples is None else examples.before(batch, series)
            point = self.forecaster.forecast(batch, horizon)
            times.append(batch.time[:, -horizon:].repeat_interleave(point.shape[2], 0).numpy())
            ids = panel.ids[series.numpy()].tolist()
            found = torch.cat([point[None], self._requested(batch, point, ids, request, seed)])
            rows = rearrange(found, "n B H C -> (B C) n H")
            values = panel.restore(rows, series).clip(-np.inf if self.floor is None else self.floor)
            columns.append(rearrange(values, "S n H -> n S H"))
        return Forecasts(np.concatenate(times), np.concatenate(columns, 1))

    def _requested(
        self,
        batch: Batch,
        point: Float[Tensor, "B H C"],
        ids: Sequence[Any],
        request: RequestedColumns,
        seed: int,
    ) -> Float[Tensor, "n B H C"]:
        """Return the requested quantiles, and then the requested sample paths."""
        found = [point.new_empty(0, *point.shape)]
        forecast = WindowForecast(self.forecaster, batch, point, ids)
        if request.quantile_levels:
            distribution = self.calibration.distribution(forecast)
            levels = torch.tensor(list(request.quantile_levels.values()), dtype=torch.float64)
            found.append(distribution.quantile(levels))
        if request.samples:
            found.append(self.calibration.paths(forecast, request.samples, seed))
        return torch.cat(found)

    def _seed(self) -> int:
        if self.random_state is not None:
            return int(self.random_state)
        return int(np.random.SeedSequence().generate_state(1)[0])


def _batch_size(horizon: int, request: RequestedColumns) -> int:
    """Return the number of series that are forecast at once."""
    numbers = horizon * (1 + request.samples + len(GRID) * bool(request))
    return max(1, min(CHUNK, VALUES // numbers))
