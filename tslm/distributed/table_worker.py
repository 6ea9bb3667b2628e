"""Worker on Arrow tables: a saved model, loaded where it works; bad series are set aside."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from tslm.core.errors import TslmError
from tslm.data.events.table import EventTable
from tslm.data.id_columns import join_ids
from tslm.data.parquet_table import id_type
from tslm.distributed.series_frames import SeriesFrames
from tslm.estimators.factory import load_estimator
from tslm.estimators.trained_forecaster import TrainedForecaster

Worker = TypeVar("Worker", bound="TableWorker")


class Forecasted(NamedTuple):
    """Forecasts of a table.

    Args:
        forecasts: one row per series and step.
        errors: id and message of each series that could not be forecast.
        measured: sums of the errors of forecasts, see ``ErrorSums``; None if they have no truth.
    """

    forecasts: pa.Table
    errors: pa.Table
    measured: pa.Table | None = None


class Made(NamedTuple):
    """Forecasts of some series as frames, see ``Forecasted``."""

    forecasts: pd.DataFrame
    measured: pd.DataFrame | None = None


@dataclass(frozen=True)
class TableWorker(ABC):
    """A saved model and a request, without the model itself: small, and safe to send.

    The model is loaded at the first table, from its folder and the caches of the machine.

    Attributes:
        path: folder of the saved model.
        request: arguments of the method of the model that does the work.
        options: arguments of ``load``, such as ``device``.
        events: statements about the series; None without any.
    """

    path: str
    request: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    events: EventTable | None = None

    @cached_property
    def model(self) -> TrainedForecaster:
        """Return the loaded model."""
        return load_estimator(self.path, **self.options)

    def for_request(
        self: Worker, request: Mapping[str, Any], events: EventTable | None = None
    ) -> Worker:
        """Return the worker for another request. A model that is loaded stays loaded."""
        other = replace(self, request=request, events=events)
        if "model" in vars(self):
            vars(other)["model"] = self.model
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the loaded model."""
        return {one.name: self.__dict__[one.name] for one in fields(self)}

    def __call__(
        self, table: pa.Table, futr: pa.Table | None = None, static: pa.Table | None = None
    ) -> Forecasted:
        """Forecast the series of a table.

        A series that is refused is set aside, and the others are forecast.

        Args:
            table: a long table of whole series, in any order of rows; without rows there are no
                forecasts, and their columns.
            futr: covariates of the steps ahead of these series.
            static: one row for each of these series.
        """
        frames = SeriesFrames.of(self.ids, table, futr, static)
        done, refused = list[Made](), list[pd.DataFrame]()
        for part, found in self._tries(frames) if table.num_rows else ():
            if isinstance(found, TslmError):
                refused.append(part.rows[self.ids].head(1).assign(message=str(found)))
            else:
                done.append(found)
        ids = [(name, id_type(table.schema.field(name).type)) for name in self.ids]
        measured = [made.measured for made in done if made.measured is not None]
        return Forecasted(
            _table([made.forecasts for made in done], self._schema(table, ids)),
            _table(refused, pa.schema([*ids, ("message", pa.large_string())])),
            pa.Table.from_pandas(pd.concat(measured), preserve_index=False) if measured else None,
        )

    @property
    def ids(self) -> list[str]:
        """Return the id columns."""
        columns = self.model.reader.columns
        return list(columns.parts or (columns.id,))

    @abstractmethod
    def _make(self, frames: SeriesFrames, events: EventTable | None) -> Made:
        """Forecast some series.

        Raises:
            TslmError: if one of them is refused.
        """

    @abstractmethod
    def _schema(self, table: pa.Table, ids: list[tuple[str, pa.DataType]]) -> pa.Schema:
        """Return the columns of the forecasts and their types.

        Args:
            table: rows of the series.
            ids: the id columns and their types.
        """

    @abstractmethod
    def check(self) -> None:
        """Refuse an impossible request, before any work.

        Raises:
            ConfigError: if it is impossible.
        """

    @property
    def time_type(self) -> pa.DataType:
        """Return the type of times that the model writes."""
        calendar = self.model.calendar_
        return pa.timestamp(calendar.unit, calendar.tz) if calendar.dated else pa.int64()

    def _tries(self, frames: SeriesFrames) -> Iterator[tuple[SeriesFrames, Made | TslmError]]:
        """Forecast series; halve those that are refused, until single ones remain."""
        try:
            yield frames, self._make(frames, self._events_about(frames))
        except TslmError as error:
            if len(frames) == 1:
                yield frames, error
                return
            for half in frames.halves():
                yield from self._tries(half)

    def _events_about(self, frames: SeriesFrames) -> EventTable | None:
        """Return the statements about some series; None if there are none."""
        if self.events is None:
            return None
        parts = self.model.reader.columns.parts
        first = frames.rows[self.ids].drop_duplicates().dropna()
        here = {None, *(join_ids(first, parts) if parts else first[self.ids[0]])}
        own = self.events.take(np.array([name in here for name in self.events.ids], dtype=bool))
        return own if len(own) else None


def _table(frames: list[pd.DataFrame], schema: pa.Schema) -> pa.Table:
    """Return frames as one table of a schema."""
    if not frames:
        return schema.empty_table()
    tables = [pa.Table.from_pandas(frame, preserve_index=False) for frame in frames]
    return pa.concat_tables(table.select(schema.names).cast(schema) for table in tables)
