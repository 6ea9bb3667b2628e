"""Forecasting of several requests at once, as ``predict`` forecasts each of them."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from tslm.core.errors import TslmError, collected_warnings
from tslm.core.plain_values import positive
from tslm.serving.model_shelf import ServedModel
from tslm.serving.refusal import RefusedError
from tslm.serving.requests import ForecastRequest
from tslm.uncertainty.requested_columns import RequestedColumns


class Answer(NamedTuple):
    """A forecast, and warnings about its request."""

    forecast: pd.DataFrame
    warnings: list[str]


@dataclass(frozen=True)
class Task:
    """A request to one version of a model.

    Attributes:
        model: the model.
        request: the request.
        horizon: number of steps.
        columns: the requested columns.
    """

    model: ServedModel
    request: ForecastRequest
    horizon: int
    columns: RequestedColumns

    @classmethod
    def of(cls, model: ServedModel, request: ForecastRequest) -> "Task":
        """Check the settings of a request.

        Raises:
            TslmError: if a setting is impossible.
        """
        horizon = positive("h", model.forecaster.h if request.h is None else request.h)
        asked = (request.level, request.quantiles, request.num_samples)
        return cls(model, request, horizon, RequestedColumns.of(*asked))

    @property
    def size(self) -> int:
        """Return the number of values of its tables and its forecast."""
        frame, id_col = self.request.series, self.model.forecaster.reader.columns.id
        if frame is None:
            series = len(self.model.forecaster.contexts_)
        else:
            series = frame[id_col].nunique() if id_col in frame else 1
        return self.request.n_values + series * self.horizon * (1 + len(self.columns.endings))

    @property
    def key(self) -> Hashable:
        """Return what requests of a batch have in common."""
        return self.model.version, self.horizon, tuple(self.columns.endings)


def forecast(tasks: Sequence[Task]) -> list[Answer | Exception]:
    """Forecast requests.

    Returns:
        For each the forecast, or the error of ``predict``.
    """
    return [_forecast(task) for task in tasks]


def _forecast(task: Task) -> Answer | Exception:
    request = task.request
    try:
        with collected_warnings() as warnings:
            found = task.model.forecaster.predict(
                request.series,
                h=task.horizon,
                ids=request.ids,
                level=request.level,
                quantiles=request.quantiles,
                num_samples=request.num_samples,
                futr_df=request.futr,
                static_df=request.static,
                events=request.events,
            )
    except TslmError as error:
        return RefusedError(422, str(error))
    except Exception as error:
        return error
    return Answer(found, warnings)
