"""Backtester of Arrow tables by a saved model, as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from tslm.core.errors import ConfigError, warn
from tslm.data.events.table import EventTable
from tslm.data.frame import Frame
from tslm.distributed.series_frames import SeriesFrames
from tslm.distributed.table_worker import Made, TableWorker
from tslm.estimators.backtesting import Origins, backtest
from tslm.estimators.frame_estimator import FrameEstimator
from tslm.estimators.text_estimator import TextEstimator
from tslm.evaluation.metrics.error_sums import error_sums
from tslm.uncertainty.requested_columns import RequestedColumns


@dataclass(frozen=True)
class TableBacktester(TableWorker):
    """Backtester of the last rows of each series; ``request`` has the arguments of ``backtest``.

    The saved model is used as it is. Baselines are fitted on the series of each table, on the rows
    before the first origin.
    """

    @property
    def origins(self) -> Origins:
        """Return the origins of the request."""
        h = self.model.h if self.request["h"] is None else self.request["h"]
        step = self.request["step_size"] or h
        return Origins(int(h), int(self.request["n_windows"]), int(step))

    @property
    def requested(self) -> RequestedColumns:
        """Return the requested columns beside the point forecasts."""
        return RequestedColumns.of(self.request["level"], self.request["quantiles"])

    @property
    def baselines(self) -> Mapping[str, TextEstimator]:
        """Return the unfitted baselines by their names.

        Raises:
            ConfigError: if there is no such baseline, or a column of the same name.
        """
        model, names = self.model, self.request["baselines"]
        found = {name: model.baseline(name) for name in names}
        beside = {name: self._with_freq(one) for name, one in found.items() if one is not model}
        if model.name in beside:
            raise ConfigError(
                f"The forecasts of the model are called {model.name}, as is a baseline. Leave it "
                "out of baselines=."
            )
        model.reader.check_names([model.name, *beside])
        return beside

    def check(self) -> None:
        _ = self.requested, self.baselines

    def _with_freq(self, baseline: FrameEstimator) -> Any:
        """Return a baseline that takes the frequency of the model, and infers none."""
        calendar = self.model.calendar_
        if baseline.resample is None:
            baseline.freq = calendar.freq if calendar.dated else int(calendar.freq)
        return baseline

    def _make(self, frames: SeriesFrames, events: EventTable | None) -> Made:
        model, reader, origins = self.model, self.model.reader, self.origins
        frame = reader.read(frames.rows, frames.static, calendar=model.calendar_)
        self._warn_if_seen(frame)
        table = backtest(
            self.baselines,
            frame,
            reader,
            origins,
            self.requested,
            self.request["examples"],
            events,
            fitted={model.name: model},
        )
        truth = reader.rename(frame.table)
        if not table[reader.columns.target].notna().any():
            return Made(table)
        return Made(table, error_sums(table, truth, model.task_.season_length, reader.columns))

    def _warn_if_seen(self, frame: Frame) -> None:
        """Warn if the model was fitted on rows that are forecast."""
        held = self.origins.horizon + self.origins.step * (self.origins.number - 1)
        last = self.model.panel_reader.last_times()
        rows = frame.offsets[1:] - held - 1
        there = rows >= frame.offsets[:-1]
        times = frame.table["ds"].iloc[rows[there]]
        cutoffs = pd.Series(times.array, index=frame.ids[there])
        both = last.index.intersection(cutoffs.index)
        to_int = self.model.calendar_.to_int
        if (to_int(last[both]) > to_int(cutoffs[both])).any():
            warn(
                "The model was fitted on rows that this backtest forecasts, so its errors are too "
                "small. Fit it on the rows before the first origin."
            )

    def _schema(self, table: pa.Table, ids: list[tuple[str, pa.DataType]]) -> pa.Schema:
        columns, names = self.model.reader.columns, [self.model.name, *self.baselines]
        forecasts = [[name, *self._further(name)] for name in names]
        return pa.schema(
            [
                *ids,
                (columns.time, self.time_type),
                ("cutoff", self.time_type),
                (columns.target, pa.float64()),
                *((name, pa.float64()) for part in forecasts for name in part),
            ]
        )

    def _further(self, name: str) -> Sequence[str]:
        """Return the columns of quantiles of a forecast."""
        return [f"{name}-{ending}" for ending in self.requested.endings]
