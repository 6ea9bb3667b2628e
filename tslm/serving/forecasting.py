"""Forecasting of several requests at once, each as ``predict`` forecasts it alone."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np
import pandas as pd

from tslm.core.errors import TslmError, collected_warnings
from tslm.core.plain_values import positive
from tslm.estimators.inference import Forecasts
from tslm.estimators.panel_request import PanelRequest
from tslm.estimators.validation.calibration import warn_if_not_calibrated
from tslm.serving.joined_reading import PlainTable, read_together
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
        warnings: warnings about the request.
    """

    model: ServedModel
    request: ForecastRequest
    horizon: int
    columns: RequestedColumns
    warnings: list[str]

    @classmethod
    def of(cls, model: ServedModel, request: ForecastRequest) -> "Task":
        """Check the settings of a request.

        Raises:
            TslmError: if a setting is impossible.
        """
        if request.ids_are_text:
            panels, ids = model.panels, request.ids
            series = panels.with_known_ids(request.series)
            ids = ids and panels.known_ids(ids)
            request = replace(request, series=series, ids=ids)
        with collected_warnings() as warnings:
            horizon = positive("h", model.forecaster.h if request.h is None else request.h)
            asked = (request.level, request.quantiles, request.num_samples)
            columns = RequestedColumns.of(*asked)
        return cls(model, request, horizon, columns, [*request.warnings, *warnings])

    @property
    def size(self) -> int:
        """Return the number of values of its tables and its forecast."""
        return self.request.n_values + self._series * self.horizon * self._columns

    @property
    def size_in_batch(self) -> int:
        """Return the largest number of values that it adds to a batch."""
        return self.request.n_values + self._series * self.steps[1] * self._columns

    @property
    def _columns(self) -> int:
        return 1 + len(self.columns.endings)

    @cached_property
    def _series(self) -> int:
        frame, id_col = self.request.series, self.model.panels.reader.columns.id
        if frame is None:
            return len(self.model.panels.contexts)
        return int(frame[id_col].nunique()) if id_col in frame else 1

    @property
    def key(self) -> Hashable:
        """Return what requests of a batch have in common."""
        return self.model.version, self.steps, tuple(self.columns.endings)

    @property
    def steps(self) -> tuple[str, int]:
        """Return what the horizons of a batch have in common.

        The first steps of a longer forecast are the shorter forecast, unless covariates are known
        for some steps only, or paths are drawn. So a batch forecasts its longest horizon, which
        is at most twice its shortest, or that of ``fit``.
        """
        panels, usual = self.model.panels, self.model.forecaster.h
        if self.columns.samples or panels.effects is not None or panels.forecaster.multivariate:
            return "exactly", self.horizon
        return "up to", usual << max(0, -(-self.horizon // usual) - 1).bit_length()

    @cached_property
    def plain_table(self) -> PlainTable | None:
        """Return its table, if it can be read together with those of other requests."""
        asked = self.request
        alone = asked.ids is not None or len(asked.tables) != 1
        if alone or self.horizon > self.model.forecaster.h:
            return None
        return PlainTable.of(asked.series, self.model.panels)

    def read(self) -> PanelRequest:
        """Read the tables as ``predict`` does."""
        asked = self.request
        return PanelRequest.read(
            self.model.forecaster,
            self.model.panels,
            asked.series,
            self.horizon,
            self.columns,
            ids=asked.ids,
            futr_df=asked.futr,
            static_df=asked.static,
            events=asked.events,
        )


class _Reading(NamedTuple):
    """Tasks whose tables were read as one.

    Attributes:
        places: place of each task in the batch.
        series: number of series of each.
        request: their series, one task after the other.
        warnings: warnings about each.
    """

    places: list[int]
    series: list[int]
    request: PanelRequest
    warnings: list[str]


def forecast(tasks: Sequence[Task]) -> list[Answer | Exception]:
    """Forecast requests that have the same key, and horizons of their own.

    Returns:
        For each the forecast that ``predict`` returns, or the error that it raises.
    """
    found: list[Answer | Exception] = [LookupError("a task without an answer")] * len(tasks)
    readings = []
    for place, reading in _readings(tasks):
        if isinstance(reading, Exception):
            found[place] = reading
        else:
            readings.append(reading)
    for group in _groups(readings, tasks):
        for place, answer in _answers(group, tasks):
            found[place] = answer
    return found


def _readings(tasks: Sequence[Task]) -> Iterator[tuple[int, "_Reading | Exception"]]:
    """Read the tables of tasks: those that are alike together, the others one by one."""
    alike: dict[Hashable, list[int]] = {}
    for place, task in enumerate(tasks):
        plain = task.plain_table
        alike.setdefault(place if plain is None else (None, plain.alike), []).append(place)
    for places in alike.values():
        yield from _read(places, tasks)


def _read(places: list[int], tasks: Sequence[Task]) -> Iterator[tuple[int, "_Reading | Exception"]]:
    """Read tables that are alike; halve them if there is an error or a warning."""
    task = tasks[places[0]]
    if len(places) == 1:
        yield places[0], _read_alone(places[0], task)
        return
    tables = [table for place in places if (table := tasks[place].plain_table) is not None]
    panels = task.model.panels
    if (panel := read_together(tables, panels)) is None:
        middle = len(places) // 2
        yield from _read(places[:middle], tasks)
        yield from _read(places[middle:], tasks)
        return
    with collected_warnings() as warnings:
        if task.columns:
            estimator = task.model.forecaster
            warn_if_not_calibrated(estimator.calibration_, len(panels.contexts), estimator.h)
    request = PanelRequest(panel, task.horizon, task.columns)
    yield places[0], _Reading(places, [len(table.ids) for table in tables], request, warnings)


def _read_alone(place: int, task: Task) -> "_Reading | Exception":
    with collected_warnings() as warnings:
        try:
            request = task.read()
        except Exception as error:
            return _refused(error)
    return _Reading([place], [len(request.panel)], request, warnings)


def _groups(readings: list[_Reading], tasks: Sequence[Task]) -> Iterator[list[_Reading]]:
    """Yield readings that are forecast together.

    Statements, and models that read all series of a frame together, are forecast alone.
    """

    def is_alone(reading: _Reading) -> bool:
        model = tasks[reading.places[0]].model
        return reading.request.statements is not None or model.panels.forecaster.multivariate

    for alone, group in groupby(sorted(readings, key=is_alone), is_alone):
        if alone:
            yield from ([reading] for reading in group)
        else:
            yield list(group)


def _answers(
    group: list[_Reading], tasks: Sequence[Task]
) -> Iterator[tuple[int, Answer | Exception]]:
    """Forecast readings together; one by one if that fails."""
    model = tasks[group[0].places[0]].model
    places = [place for reading in group for place in reading.places]
    longest = max(tasks[place].horizon for place in places)
    asked = PanelRequest.joined([replace(each.request, horizon=longest) for each in group])
    parts = (asked.panel, asked.horizon, asked.columns, None, asked.statements)
    failure: Exception | None = None
    with collected_warnings() as warnings:
        try:
            found = model.forecaster.forecast_panel(*parts)
        except Exception as error:
            failure = _refused(error)
    if (failure or warnings) and len(places) > 1:  # find out which request it belongs to
        for place in places:
            reading = _read_alone(place, tasks[place])
            yield from (
                [(place, reading)] if isinstance(reading, Exception) else _answers([reading], tasks)
            )
        return
    if failure is not None:
        yield places[0], failure
        return
    begin = 0
    for reading in group:
        end = begin + len(reading.request.panel)
        part = Forecasts(found.time[begin:end], found.values[:, begin:end])
        table = replace(reading.request, horizon=longest).table(part, model.panels)
        row = 0
        for place, series in zip(reading.places, reading.series, strict=True):
            rows = row + longest * np.arange(series)[:, None] + np.arange(tasks[place].horizon)
            own = table.iloc[rows.ravel()].reset_index(drop=True)
            told = [*tasks[place].warnings, *reading.warnings, *warnings]
            yield place, Answer(own, list(dict.fromkeys(told)))
            row += longest * series
        begin = end


def _refused(error: Exception) -> Exception:
    """Return a mistake of the user as a refusal, and any other error as it is."""
    return RefusedError(422, str(error)) if isinstance(error, TslmError) else error
