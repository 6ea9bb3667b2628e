"""Importance of each input of a forecast: patches of the context, covariates and statements.

An input is replaced by what is expected of it without its own information, and the forecast is
computed again. The importance is the change of the forecast, so it holds for any model.

Source: Zhao and Shan, "ReAGent: A Model-agnostic Feature Attribution Method for Generative Language
Models", 2024. https://arxiv.org/abs/2402.00794

Departures: inputs are replaced one at a time, each once, and not in random sets. A patch is
replaced by its seasonal expectation, from the rows around it, and not by draws of a model.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from tslm.core.calendar import Ints
from tslm.core.float64 import exactly
from tslm.core.plain_values import positive
from tslm.data.events.table import EventTable
from tslm.data.frame import Frame
from tslm.data.panel import Panel
from tslm.data.past_panel import past_panel
from tslm.estimators.text_estimator import TextEstimator
from tslm.plots.inputs import plot_inputs

Floats = npt.NDArray[np.float64]
COLUMNS = ["unique_id", "kind", "input", "start", "end", "importance", "effect"]
PATCHES = 48  # of a context, at most by default; chosen by hand
SERIES = 256  # contexts that are forecast at once


@dataclass(frozen=True)
class InputExplanation:
    """Importance of each input of a forecast.

    Attributes:
        inputs: one row per series and input: ``unique_id``; ``kind``, which is "context",
            "covariate" or "statement"; ``input``, the name of the column or the text of the
            statement; ``start`` and ``end``, the times of the first and the last row that were
            replaced; ``importance``, the mean absolute change of the forecast without this input;
            ``effect``, the mean of what it adds to the forecast. Both are in the units of ``y``.
        forecasts: one row per step: ``unique_id``, ``ds`` and the forecast.
        history: rows of the context: ``unique_id``, ``ds`` and ``y``, without the effects of
            covariates.
        name: name of the forecast.
    """

    inputs: pd.DataFrame
    forecasts: pd.DataFrame
    history: pd.DataFrame
    name: str

    def plot(self, series: object = None) -> Any:
        """Draw a series, its forecast, and the effect of each input; a matplotlib Figure.

        Args:
            series: id of the series; None takes the first.

        Raises:
            DataError: if there is no such series.
        """
        return plot_inputs(self.inputs, self.forecasts, self.history, self.name, series)


def explain_inputs(
    model: TextEstimator,
    df: pd.DataFrame | None,
    futr_df: pd.DataFrame | None,
    events: pd.DataFrame | None,
    horizon: int,
    patch_len: int | None,
    season: int,
) -> InputExplanation:
    """Read the tables of ``explain``, and return the importance of all inputs.

    Args:
        model: the fitted estimator.
        df: as in ``predict``.
        futr_df: as in ``predict``.
        events: as in ``predict``.
        horizon: steps to forecast.
        patch_len: rows of a patch; None takes ``default_patch_len``.
        season: rows of a season.
    """
    panels, frame = model.panel_reader, None
    panel = panels.series(df)
    if df is not None and panels.effects is not None:
        frame = panels.reader.read(df, calendar=model.calendar_, silent=True)
    future = panels.future_covariates(panel, horizon, futr_df)
    panel = panels.with_future(panel, horizon, futr_df)
    said = None if events is None else panels.events(events, panel)
    rows = min(int(panel.lengths.max()), model.context_length_)
    patch = default_patch_len(season, rows)
    patch = patch if patch_len is None else positive("patch_len", patch_len)
    return InputImportance(model, panel, horizon, patch, season, said).explain(future, frame)


@dataclass(frozen=True)
class InputImportance:
    """Forecast of a panel, computed again without each of its inputs.

    Attributes:
        model: the fitted estimator.
        panel: the series, with the covariates of the steps to forecast.
        horizon: steps to forecast.
        patch_len: rows of a patch of the context.
        season: rows of a season.
        events: statements about the series; None without any.
    """

    model: TextEstimator
    panel: Panel
    horizon: int
    patch_len: int
    season: int
    events: EventTable | None = None

    def explain(self, future: pd.DataFrame, frame: Frame | None) -> InputExplanation:
        """Return the importance of all inputs.

        Args:
            future: covariates of the steps to forecast that are known in advance.
            frame: rows of the series with their covariates; None explains no past covariates.
        """
        calendar, ids = self.model.calendar_, np.asarray(self.panel.ids)
        found = self.model.forecast_panel(self.panel, self.horizon, events=self.events)
        whole = found.values[0]
        rows = [
            *self._context(whole),
            *self._covariates(whole, found.time, future, frame),
            *self._statements(whole, found.time),
        ]
        inputs = pd.DataFrame(rows, columns=["series", *COLUMNS[1:]])
        inputs = inputs.sort_values(["series"], kind="stable", ignore_index=True)
        inputs.insert(0, "unique_id", ids[inputs.pop("series").to_numpy(np.int64)])
        for name in ("start", "end"):
            inputs[name] = calendar.from_int(inputs[name].to_numpy(np.int64))
        ahead = {
            "unique_id": np.repeat(ids, self.horizon),
            "ds": calendar.from_int(found.time.ravel()),
            self.model.panel_reader.name: whole.ravel(),
        }
        shown = self.panel.tail(self._rows)
        past = {
            "unique_id": np.repeat(ids, shown.lengths),
            "ds": calendar.from_int(shown.time.numpy()),
            "y": shown.in_units(),
        }
        parts = (pd.DataFrame(ahead), pd.DataFrame(past))
        return InputExplanation(inputs, *parts, self.model.panel_reader.name)

    @property
    def _rows(self) -> int:
        return int(self.model.context_length_)

    def _row(self, number: int, kind: str, name: str, span: tuple[int, int], change: Floats) -> Any:
        size, mean = float(np.abs(change).mean()), float(change.mean())
        return (number, kind, name, *span, size, mean)

    def _context(self, whole: Floats) -> Iterator[Any]:
        """Yield the importance of each patch of the contexts; the last one ends at the last row."""
        panel, target = self.panel, self.model.panel_reader.reader.columns.target
        lengths = np.minimum(panel.lengths, self._rows)
        counts = -(-lengths // self.patch_len)
        series = np.repeat(np.arange(len(panel)), counts)
        back = np.repeat(np.cumsum(counts), counts) - 1 - np.arange(len(series))
        stop = lengths[series] - back * self.patch_len
        start = np.maximum(stop - self.patch_len, 0)
        for some in np.array_split(np.arange(len(series)), -(-len(series) // SERIES)):
            own = series[some]
            changed = self._without(own, start[some], stop[some])
            first = panel.offsets[1:][own] - lengths[own]
            for place, (number, one) in enumerate(zip(own.tolist(), some, strict=True)):
                rows = panel.time.numpy()[[first[place] + start[one], first[place] + stop[one] - 1]]
                span = (int(rows[0]), int(rows[1]))
                yield self._row(number, "context", target, span, whole[number] - changed[place])

    def _without(self, series: Ints, start: Ints, stop: Ints) -> Floats:
        """Return forecasts of series in which rows of the context are replaced.

        Args:
            series: numbers of the series.
            start: first row that is replaced, within the context.
            stop: row after the last one.
        """
        model, season = self.model, self.season
        if model.panel_forecaster.forecaster.multivariate:
            found = []
            for number, *rows in zip(series.tolist(), start.tolist(), stop.tolist(), strict=True):
                every = np.arange(len(self.panel))
                part = past_panel(self.panel, every, self.panel.lengths, self._rows)
                part = _replaced(part, np.array([number]), [(rows[0], rows[1])], season)
                ahead = model.forecast_panel(part, self.horizon, events=self.events)
                found.append(ahead.values[0, number])
            return np.stack(found)
        part = past_panel(self.panel, series, self.panel.lengths[series], self._rows)
        spans = list(zip(start.tolist(), stop.tolist(), strict=True))
        part = _replaced(part, np.arange(len(series)), spans, season)
        return model.forecast_panel(part, self.horizon, events=self.events).values[0]

    def _covariates(
        self, whole: Floats, time: Ints, future: pd.DataFrame, frame: Frame | None
    ) -> Iterator[Any]:
        """Yield the importance of each covariate, in the steps to forecast and in past rows."""
        panels = self.model.panel_reader
        if panels.effects is None:
            return
        steps, covariates = time.ravel(), panels.reader.covariates
        known = self.panel.effects.known
        for name in covariates.future:
            usual: Any = None  # effects are then those of the average
            if known is not None and not panels.effects.subtracts:
                usual = float(known.values[:, known.names.index(str(name))].mean())
            without = future.assign(**{name: usual})
            part = panels.effects.apply_future(self.panel, without, steps, panels.calendar)
            ahead = self.model.forecast_panel(part, self.horizon, events=self.events).values[0]
            for number in range(len(self.panel)):
                span = (int(time[number, 0]), int(time[number, -1]))
                yield self._row(number, "covariate", name, span, whole[number] - ahead[number])
        if frame is None:
            return
        for name in [*covariates.future, *covariates.past]:
            table = frame.table.assign(**{name: _average(frame.table, name)})
            part = panels.panel_of(replace(frame, table=table))
            part = panels.effects.apply_future(part, future, steps, panels.calendar)
            ahead = self.model.forecast_panel(part, self.horizon, events=self.events).values[0]
            for number, end in enumerate(part.offsets[1:].tolist()):
                begin = end - min(int(part.lengths[number]), self._rows)
                span = (int(part.time[begin]), int(part.time[end - 1]))
                yield self._row(number, "covariate", name, span, whole[number] - ahead[number])

    def _statements(self, whole: Floats, time: Ints) -> Iterator[Any]:
        """Yield the importance of each statement in the series that it concerns."""
        if self.events is None:
            return
        first = self.panel.time.numpy()[self.panel.offsets[:-1]]
        for row in range(len(self.events)):
            others = self.events.take(np.arange(len(self.events)) != row)
            ahead = self.model.forecast_panel(self.panel, self.horizon, events=others).values[0]
            for number, name in enumerate(self.panel.ids.tolist()):
                if self.events.ids[row] not in (None, name):
                    continue
                start = max(int(self.events.start[row]), int(first[number]))
                end = min(int(self.events.end[row]), int(time[number, -1]))
                text = self.events.text[row] or "bounds"
                change = whole[number] - ahead[number]
                yield self._row(number, "statement", text, (start, max(start, end)), change)


def default_patch_len(season: int, rows: int) -> int:
    """Return the rows of a patch: a season, or a part of it, so that there are enough patches."""
    least = -(-rows // PATCHES)
    if season <= 1:
        return least
    return season * -(-least // season) if season <= rows // 4 else least


def seasonal_expectation(values: Floats, start: int, stop: int, season: int) -> Floats:
    """Return what is expected in some rows of a context by the rows around them.

    It is the mean of the same phase of the nearest seasons before and after. Without such rows it
    is the straight line between the rows next to the gap.

    Args:
        values: rows of a context; NaN where missing.
        start: first row that is replaced.
        stop: row after the last one.
        season: rows of a season.
    """
    rows = np.arange(start, stop)
    outside = np.flatnonzero(np.isfinite(values) & ~np.isin(np.arange(len(values)), rows))
    if not len(outside):
        return np.zeros(len(rows))
    line = np.asarray(np.interp(rows, outside, values[outside]))
    if season <= 1:
        return line
    sides = np.full((2, len(rows)), np.nan)
    known = np.full(len(values), np.nan)
    known[outside] = values[outside]
    for side, sign in enumerate((-1, 1)):
        for step in range(1, len(values) // season + 1):
            place = rows + sign * step * season
            inside = (place >= 0) & (place < len(values)) & np.isnan(sides[side])
            sides[side, inside] = known[place[inside]]
    count = np.isfinite(sides).sum(0)
    mean = np.nansum(sides, 0) / np.maximum(count, 1)
    return np.where(count > 0, mean, line)


def _replaced(panel: Panel, series: Ints, spans: list[tuple[int, int]], season: int) -> Panel:
    """Return a panel in which rows of some series are replaced by their expectation."""
    values = panel.values.clone()
    for number, (start, stop) in zip(series.tolist(), spans, strict=True):
        rows = slice(int(panel.offsets[number]), int(panel.offsets[number + 1]))
        own = exactly(panel.values[rows]).numpy()
        expected = seasonal_expectation(own, start, stop, season)
        known = np.isfinite(own[start:stop])
        own[start:stop] = np.where(known, expected, np.nan)
        values[rows] = torch.from_numpy(own).to(values.dtype)
    return replace(panel, values=values)


def _average(table: pd.DataFrame, name: Any) -> Any:
    """Return the average of a column in each series, or its most frequent category."""
    column = table[name]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return column.groupby(table["unique_id"], sort=False).transform("mean")
    return column.mode().iloc[0]
