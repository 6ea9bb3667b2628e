"""Requests for forecasts: bodies in JSON, CSV, Arrow or Parquet, read as tables and settings."""

import io
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tslm.core.csv_tables import read_csv
from tslm.core.errors import DataError, collected_warnings
from tslm.core.messages import counted, naming, unknown_key
from tslm.serving.arrow_messages import is_compressed
from tslm.serving.refusal import RefusedError

JSON, CSV = "application/json", "text/csv"
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"
KINDS = (JSON, CSV, ARROW, PARQUET)
TABLES = ("series", "futr", "static", "events")
HALF = re.compile(rb"\\u[dD][89a-fA-F]")  # one of the two codes of a rare letter in JSON
CELLS = {str, int, float, bool, type(None)}
ROWS = 4096  # rows of a Parquet file that are unpacked at once
UNPACKED = (
    20  # size of a table in memory, as a multiple of the largest body, at which it is refused
)


@dataclass(frozen=True)
class ForecastRequest:
    """A request for forecasts. Its settings are those of ``predict``, and not checked yet.

    Attributes:
        series: series to continue; None continues those of ``fit``.
        model: name of the model; None is the only one.
        h: number of steps.
        level: interval levels in percent.
        quantiles: quantile levels.
        num_samples: number of sample paths.
        ids: ids of the series to forecast.
        futr: covariates of the steps to forecast.
        static: one row per series.
        events: statements.
        warnings: warnings about the tables.
        ids_are_text: True if ids are text because the body was CSV.
    """

    series: pd.DataFrame | None
    model: Any = None
    h: Any = None
    level: Any = None
    quantiles: Any = None
    num_samples: Any = None
    ids: Any = None
    futr: pd.DataFrame | None = None
    static: pd.DataFrame | None = None
    events: pd.DataFrame | None = None
    warnings: Sequence[str] = ()
    ids_are_text: bool = False

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables that were given, by name."""
        found = {name: getattr(self, name) for name in TABLES}
        return {name: table for name, table in found.items() if table is not None}

    @property
    def n_values(self) -> int:
        """Return the number of cells of the tables."""
        return sum(table.size for table in self.tables.values())


SETTINGS = [field.name for field in fields(ForecastRequest)][:-2]  # the last two are ours


def read_request(
    body: bytes,
    kind: str,
    query: Mapping[str, Sequence[str]],
    most: int,
    id_cols: Collection[str] = ("unique_id",),
) -> ForecastRequest:
    """Read the body and the query parameters of a request.

    Args:
        body: the body.
        kind: its content type.
        query: parameters of the address; settings for bodies that are a table.
        most: bytes that a body may have, to bound those of a table that it unpacks to.
        id_cols: columns of CSV bodies that stay text.

    Raises:
        RefusedError: 415 if the content type is unknown, 413 if a table is too large, 422 if the
            body or a setting cannot be read.
    """
    kind = kind.partition(";")[0].strip().lower() or JSON
    if kind not in KINDS:
        raise RefusedError(415, f"Content-Type: {kind} is not one of {', '.join(KINDS)}.")
    if kind == JSON:
        if query:
            raise RefusedError(422, f"Write {naming(query)} into the JSON body, not the address.")
        return _request(_json(body))
    settings = {name: _setting(name, words) for name, words in query.items()}
    if given := [name for name in TABLES if name in settings]:
        raise RefusedError(422, f"{given[0]} is a table: send a JSON body with {naming(TABLES)}.")
    with collected_warnings() as warnings:
        series = _csv(body, id_cols) if kind == CSV else READERS[kind](body, most)
    asked = _request({**settings, "series": series})
    return replace(asked, warnings=warnings, ids_are_text=kind == CSV)


def _request(content: dict[str, Any]) -> ForecastRequest:
    """Make a request from settings, and tables as frames or JSON."""
    if unknown := [name for name in content if name not in SETTINGS]:
        raise RefusedError(422, unknown_key(str(unknown[0]), SETTINGS))
    if "series" not in content:
        raise RefusedError(422, 'series is not given: {"series": {"unique_id": [...], ...}}.')
    made: dict[str, Any] = {
        name: _table(name, value) if name in TABLES else value for name, value in content.items()
    }
    return ForecastRequest(**made)


def _json(body: bytes) -> dict[str, Any]:
    """Read a JSON object."""
    try:
        content = json.loads(body)
    except RecursionError:
        raise RefusedError(422, "The JSON body is nested too deeply.") from None
    except ValueError as error:  # no JSON, no text, or a number of thousands of digits
        reason = getattr(error, "msg", None) or type(error).__name__
        place = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise RefusedError(422, f"The body is not JSON: {reason}{place}.") from None
    if HALF.search(body):
        try:
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise RefusedError(422, "The body has half of a surrogate pair, no letter.") from None
    if not isinstance(content, dict):
        raise RefusedError(422, 'The body must be an object: {"series": ..., "h": 12}.')
    return content


def _table(name: str, value: Any) -> pd.DataFrame | None:
    """Return records or columns as a frame.

    Raises:
        RefusedError: 422 if they are something else.
    """
    if value is None or isinstance(value, pd.DataFrame):
        return value
    columns = _columns(name, value)
    for title, cells in columns.items():
        if others := set(map(type, cells)) - CELLS:
            kind = {"dict": "an object", "list": "a list"}[others.pop().__name__]
            raise RefusedError(422, f"{name}: column {title!r} holds {kind}, not single values.")
    lengths = {title: len(cells) for title, cells in columns.items()}
    if len(set(lengths.values())) > 1:
        few, many = min(lengths, key=lengths.__getitem__), max(lengths, key=lengths.__getitem__)
        raise RefusedError(
            422,
            f"{name}: column {many!r} has {counted(lengths[many], 'value')} and {few!r} has "
            f"{lengths[few]}. Give columns of the same length, with null where a value is missing.",
        )
    return pd.DataFrame({title: _column(cells) for title, cells in columns.items()})


def _columns(name: str, value: Any) -> dict[str, list[Any]]:
    """Return columns, or records as columns; a cell that a record lacks is None."""
    if isinstance(value, dict) and all(isinstance(cells, list) for cells in value.values()):
        return value
    if isinstance(value, list) and all(isinstance(record, dict) for record in value):
        titles = dict.fromkeys(title for record in value for title in record)
        return {title: [record.get(title) for record in value] for title in titles}
    raise RefusedError(
        422,
        f"{name} must be a list of objects, one a row, or an object of lists, one a column: "
        '{"unique_id": ["a", "a"], "ds": ["2024-01-01", "2024-01-02"], "y": [3, 4]}.',
    )


def _column(cells: list[Any]) -> np.ndarray | list[Any]:
    """Return a column: numbers and missing values as float64, other cells as they are.

    Arrays and lists need no index, whose comparison takes longer than the rest of a short table.
    """
    kinds = set(map(type, cells))
    if kinds <= {float, type(None)} or kinds == {int, float} or kinds == {int, type(None)}:
        try:
            return np.array(cells, dtype="float64")
        except OverflowError:  # a whole number that float64 cannot hold
            return np.array(cells, dtype="object")
    return cells


def _setting(name: str, words: Sequence[str]) -> Any:
    """Read a parameter of the address: numbers, or several of them with commas between."""
    parts = [part for word in words for part in word.split(",")]
    if name == "model":
        return parts[0]
    if name == "ids":
        return parts
    if name not in SETTINGS:
        raise RefusedError(422, unknown_key(name, SETTINGS))
    try:
        numbers = [float(part) if "." in part or "e" in part else int(part) for part in parts]
    except ValueError:
        raise RefusedError(422, f"{name} must be a number, such as {name}=12.") from None
    return numbers[0] if name in ("h", "num_samples") and len(numbers) == 1 else numbers


def _csv(body: bytes, id_cols: Collection[str]) -> pd.DataFrame:
    """Read a CSV body; ids stay text."""
    try:
        return read_csv(lambda: io.BytesIO(body), "The body", ids=id_cols)
    except DataError as error:
        raise RefusedError(422, str(error)) from None


def _arrow(body: bytes, most: int) -> pd.DataFrame:
    """Read a stream of Arrow record batches, within a size in memory."""
    if is_compressed(body):  # it could unpack to any size
        raise RefusedError(422, "The Arrow stream is compressed. Send it as it is, or Parquet.")
    with _refusing("an Arrow stream"), pa.ipc.open_stream(body) as stream:
        return _frame(stream, stream.schema, most)


def _parquet(body: bytes, most: int) -> pd.DataFrame:
    """Read a Parquet file, within a size in memory."""
    with _refusing("a Parquet file"), pq.ParquetFile(pa.BufferReader(body)) as file:
        about = file.metadata
        sizes = [about.row_group(number).total_byte_size for number in range(about.num_row_groups)]
        _check_unpacked(max(sum(sizes), about.num_rows * about.num_columns), most)
        return _frame(file.iter_batches(ROWS), file.schema_arrow, most)


def _frame(batches: Iterable[pa.RecordBatch], schema: pa.Schema, most: int) -> pd.DataFrame:
    """Return batches as a frame, with columns of plain values only, within a size in memory."""
    for field in schema:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise RefusedError(422, f"series: column {field.name!r} has type {kind}. Leave it out.")
    if len(set(schema.names)) < len(schema):
        raise RefusedError(422, "series: two columns have the same name.")
    read, size = [], 0
    for batch in batches:
        size += batch.nbytes
        _check_unpacked(size, most)
        batch.validate(full=True)
        read.append(batch)
    table = pa.Table.from_batches(read, read[0].schema if read else schema)
    return table.to_pandas(ignore_metadata=True)


@contextmanager
def _refusing(kind: str) -> Iterator[None]:
    """Raise errors of a reader as a refusal with status 422."""
    try:
        yield
    except RefusedError:
        raise
    except Exception as error:  # the body is not trusted, so any error can occur
        raise RefusedError(422, f"The body is not {kind} ({type(error).__name__}).") from None


def _check_unpacked(size: int, most: int) -> None:
    if size > UNPACKED * most:
        raise RefusedError(413, f"The table is {size:,} bytes unpacked. Send fewer series.")


READERS: dict[str, Callable[[bytes, int], pd.DataFrame]] = {
    ARROW: _arrow,
    PARQUET: _parquet,
}
