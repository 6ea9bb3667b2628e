"""Forecaster of Arrow tables by a saved model."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tslm.core.plain_values import positive
from tslm.data.events.table import EventTable
from tslm.distributed.series_frames import SeriesFrames
from tslm.distributed.table_worker import Forecasted as Forecasted
from tslm.distributed.table_worker import Made, TableWorker
from tslm.uncertainty.requested_columns import RequestedColumns


@dataclass(frozen=True)
class TableForecaster(TableWorker):
    """Forecaster of the steps after the last row of each series; ``request`` is for ``predict``.

    Examples:
        A function for every system that hands on Arrow tables of whole series::

            forecaster = TableForecaster("runs/a", {"level": [80]})
            forecasts = forecaster(table).forecasts
    """

    def _make(self, frames: SeriesFrames, events: EventTable | None) -> Made:
        further = {"futr_df": frames.futr, "static_df": frames.static, "events": events}
        request: dict[str, Any] = {**self.request, **further}
        return Made(self.model.predict(frames.rows, **request))

    @property
    def requested(self) -> RequestedColumns:
        """Return the requested columns beside the point forecast."""
        asked = ("level", "quantiles", "num_samples")
        return RequestedColumns.of(*(self.request.get(name) for name in asked))

    def check(self) -> None:
        positive("h", self.model.h if self.request.get("h") is None else self.request["h"])
        _ = self.requested

    def _schema(self, table: pa.Table, ids: list[tuple[str, pa.DataType]]) -> pa.Schema:
        model, endings = self.model, self.requested.endings
        names = [model.name, *(f"{model.name}-{ending}" for ending in endings)]
        own = (model.reader.columns.time, self.time_type)
        return pa.schema([*ids, own, *((name, pa.float64()) for name in names)])
