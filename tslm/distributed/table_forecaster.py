"""Forecaster of Arrow tables: a saved model, loaded where it works; bad series are set aside."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from tslm.core.errors import TslmError
from tslm.estimators.factory import load_estimator
from tslm.estimators.trained_forecaster import TrainedForecaster


class Forecasted(NamedTuple):
    """Forecasts of a table.

    Args:
        forecasts: one row per series and step.
        errors: id and message of each series that could not be forecast.
    """

    forecasts: pa.Table
    errors: pa.Table


@dataclass(frozen=True)
class TableForecaster:
    """A saved model and a request, without the model itself: small, and safe to send.

    The model is loaded at the first table, from its folder and the caches of the machine.

    Attributes:
        path: folder of the saved model.
        request: arguments of ``predict``, such as ``h`` and ``level``.
        options: arguments of ``load``, such as ``device``.
    """

    path: str
    request: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def model(self) -> TrainedForecaster:
        """Return the loaded model."""
        return load_estimator(self.path, **self.options)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the loaded model."""
        return {"path": self.path, "request": self.request, "options": self.options}

    def __call__(self, table: pa.Table) -> Forecasted:
        """Forecast the series of a table.

        A series that is refused is set aside, and the others are forecast.

        Args:
            table: a long table of whole series.
        """
        frame = table.to_pandas()
        id_col = self.model.reader.columns.id
        done, refused = [], []
        for ids, found in self._tries(frame, list(pd.unique(frame[id_col])), id_col):
            if isinstance(found, TslmError):
                refused.append((ids[0], str(found)))
            else:
                done.append(found)
        forecasts = pd.concat(done, ignore_index=True) if done else self._nothing(frame)
        errors = pd.DataFrame(refused, columns=[id_col, "message"])
        kind = table.schema.field(id_col).type
        return Forecasted(_table(forecasts, id_col, kind), _table(errors, id_col, kind))

    def _tries(
        self, frame: pd.DataFrame, ids: Sequence[Any], id_col: str
    ) -> Iterator[tuple[Sequence[Any], pd.DataFrame | TslmError]]:
        """Forecast series; halve those that are refused, until single ones remain."""
        own = frame[frame[id_col].isin(ids)]
        try:
            yield ids, self.model.predict(own, **self.request)
        except TslmError as error:
            if len(ids) == 1:
                yield ids, error
                return
            middle = len(ids) // 2
            for half in (ids[:middle], ids[middle:]):
                yield from self._tries(frame, half, id_col)

    def _nothing(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return forecasts of no series, with their columns."""
        columns = self.model.reader.columns
        return frame[[columns.id, columns.time]].head(0)


def _table(frame: pd.DataFrame, id_col: str, kind: pa.DataType) -> pa.Table:
    """Return a frame as a table: ids of their own type, text as large strings, no metadata."""
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    place = table.schema.get_field_index(id_col)
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = pa.types.is_string(value) or pa.types.is_large_string(value)
    ids = table.column(place).cast(pa.large_string() if text else value)
    table = table.set_column(place, id_col, ids)
    if "message" in table.column_names:
        place = table.schema.get_field_index("message")
        table = table.set_column(place, "message", table.column(place).cast(pa.large_string()))
    return table
