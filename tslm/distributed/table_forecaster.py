"""Forecaster of Arrow tables by a saved model."""

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

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

    def _schema(self, table: pa.Table, ids: list[tuple[str, pa.DataType]]) -> pa.Schema:
        model, asked = self.model, ("level", "quantiles", "num_samples")
        request = RequestedColumns.of(*(self.request.get(name) for name in asked))
        time = pa.int64()
        if model.calendar_.dated:
            time = pa.timestamp(model.calendar_.unit, model.calendar_.tz)
        names = [model.name, *(f"{model.name}-{ending}" for ending in request.endings)]
        own = (model.reader.columns.time, time)
        return pa.schema([*ids, own, *((name, pa.float64()) for name in names)])
