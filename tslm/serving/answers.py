"""Answers with forecasts, in JSON, CSV, Arrow or Parquet."""

import io
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tslm.serving.refusal import RefusedError
from tslm.serving.requests import ARROW, CSV, JSON, KINDS, PARQUET

ANY = ("", "*/*", "application/*")


def kind_of_answer(accept: str) -> str:
    """Return the first kind of answer that an ``Accept`` header names.

    Raises:
        RefusedError: 406 if it names only others.
    """
    for part in accept.split(","):
        name = part.partition(";")[0].strip().lower()
        if name in KINDS:
            return name
        if name in ANY:
            return JSON
        if name == "text/*":
            return CSV
    raise RefusedError(406, f"Accept: {accept[:100]} has none of {', '.join(KINDS)}.")


def written(model: str, forecast: pd.DataFrame, warnings: Sequence[str], kind: str) -> bytes:
    """Write a forecast.

    Args:
        model: name of the model.
        forecast: the result of ``predict``.
        warnings: messages about the request; in JSON they are complete.
        kind: content type of the answer.
    """
    if kind == CSV:
        return forecast.to_csv(index=False).encode()
    if kind == JSON:
        columns = {str(name): _cells(column) for name, column in forecast.items()}
        answer = {"model": model, "forecast": columns, "warnings": list(warnings)}
        return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()
    table = pa.Table.from_pandas(forecast, preserve_index=False).replace_schema_metadata(None)
    sink = io.BytesIO()
    if kind == PARQUET:
        pq.write_table(table, sink)
        return sink.getvalue()
    assert kind == ARROW, "kinds of answers are checked"
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def answer_headers(version: int, warnings: Sequence[str]) -> dict[str, str]:
    """Return the headers of an answer: the version of the model, and the warnings.

    Warnings are cut to 400 characters and percent-encoded: proxies refuse headers above 4 kB.
    """
    headers = {"tslm-version": str(version)}
    if warnings:
        headers["tslm-warnings"] = quote(" ".join(warnings)[:400], errors="replace")
    return headers


def _cells(column: pd.Series) -> list[Any]:
    """Return the cells of a column as JSON values: times in ISO 8601, missing ones None."""
    if column.dtype.kind == "f":
        finite = np.isfinite(column.to_numpy())
        return (
            column.tolist() if finite.all() else column.astype(object).where(finite, None).tolist()
        )
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        return [time.isoformat() for time in column]
    if column.dtype.kind == "M":
        times = column.to_numpy()
        seconds = times.astype("datetime64[s]")
        return list(np.datetime_as_string(seconds if (seconds == times).all() else times).tolist())
    return [cell if isinstance(cell, str | int | float) else str(cell) for cell in column.tolist()]
