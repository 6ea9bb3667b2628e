"""Forecasts of a Parquet data set by a saved model, block after block."""

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from tslm.core.errors import ConfigError, DataError
from tslm.core.hashing import sha256
from tslm.core.messages import check_choice
from tslm.core.plain_values import positive
from tslm.data.series_blocks import Block, SeriesBlocks
from tslm.distributed.output_folder import OutputFolder
from tslm.distributed.table_forecaster import Forecasted, TableForecaster

ENGINES = ("local",)
ROWS = 500_000  # of a block; chosen by hand


def predict(
    model: str | Path,
    data: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    h: int | None = None,
    level: Sequence[float | int] | None = None,
    quantiles: Sequence[float | int] | None = None,
    engine: str = "local",
    workers: int = 1,
    rows: int = ROWS,
    max_errors: int | None = None,
    device: str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Forecast every series of a Parquet data set with a saved model.

    Series are read, forecast and written in blocks, so memory does not grow with the data. Every
    series is forecast exactly once: a run that was killed continues where it was, by the same call.
    Series that the model refuses are listed in ``out/errors.parquet``.

    Args:
        model: folder of a saved model.
        data: a Parquet file, a folder of them, a pattern with ``*``, or a list of files: one row
            per series and time. If the rows of a series do not follow each other, the data are
            written once more into ``out``, and removed at the end.
        out: folder of the forecasts: one Parquet file a block, and ``manifest.json`` at the end.
        h: as in ``predict`` of the model.
        level: as there.
        quantiles: as there.
        engine: "local" works in this process, or in ``workers`` of it.
        workers: number of processes.
        rows: rows of a block.
        max_errors: number of refused series at which the run ends with an error; None never.
        device: device to forecast on; None follows the settings of the model.
        progress: True shows the number of series.

    Returns:
        The manifest: number of blocks, series and errors, and names of files.

    Raises:
        ConfigError: if a setting is impossible, or ``out`` has something else.
        DataError: if the data cannot be read, or more than ``max_errors`` series are refused.
    """
    check_choice("engine", engine, ENGINES)
    workers, rows = positive("workers", workers), positive("rows", rows)
    asked = {"level": level, "quantiles": quantiles}
    request = {"h": h, **{name: value and list(value) for name, value in asked.items()}}
    forecaster = TableForecaster(str(model), request, {"device": device})
    reader = forecaster.model.reader
    if reader.covariates or reader.prompt.names or reader.columns.parts:
        raise ConfigError(
            f"{model} reads covariates, a prompt with names or several id columns, which blocks "
            "cannot give it yet. Use predict of the model."
        )
    columns = reader.columns
    blocks = SeriesBlocks(data, columns.id, [columns.id, columns.time, columns.target], rows)
    run = {"model": sha256(Path(model) / "model.json"), **request, "rows": rows}
    folder = OutputFolder.begin(out, run)
    with folder.lock():
        if not blocks.is_grouped:
            shutil.rmtree(folder.work, ignore_errors=True)
            blocks = blocks.regrouped(folder.work)
        count, series, refused = 0, 0, 0
        with tqdm(unit=" series", disable=not progress) as bar:
            for block, found in _forecast(blocks, folder, forecaster, workers):
                if found is not None:
                    folder.write(block, found)
                    refused += found.errors.num_rows
                    _check_errors(refused, max_errors, found)
                number = len(pc.unique(block.table.column(columns.id)))
                count, series = count + 1, series + number
                bar.update(number)
        shutil.rmtree(folder.work, ignore_errors=True)
        return folder.close(count, series)


def _check_errors(refused: int, most: int | None, found: Forecasted) -> None:
    """End a run in which too many series are refused.

    Raises:
        DataError: with the last message.
    """
    if most is not None and refused > most:
        last = found.errors.column("message")[-1]
        raise DataError(
            f"{refused} series were refused, more than max_errors={most}. The last one: {last}"
        )


def _forecast(
    blocks: SeriesBlocks, folder: OutputFolder, forecaster: TableForecaster, workers: int
) -> Iterator[tuple[Block, Forecasted | None]]:
    """Yield each block with its forecasts; None if they are written already."""
    if workers == 1:
        for block in blocks:
            yield block, None if folder.is_done(block) else forecaster(block.table)
        return
    pending = iter(blocks)
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (forecaster,)) as pool:
        while some := list(islice(pending, 2 * workers)):
            jobs = [
                None if folder.is_done(block) else pool.submit(_work, block.table) for block in some
            ]
            for block, job in zip(some, jobs, strict=True):
                yield block, None if job is None else job.result()


_forecaster: TableForecaster | None = None  # of a worker process


def _begin(forecaster: TableForecaster) -> None:
    """Remember the forecaster of this worker; it loads the model once."""
    global _forecaster
    _forecaster = forecaster


def _work(table: pa.Table) -> Forecasted:
    """Forecast a table in a worker."""
    assert _forecaster is not None, "the worker has begun"
    return _forecaster(table)
