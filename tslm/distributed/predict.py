"""Forecasts of a Parquet data set by a saved model, block after block."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tslm.core.hashing import sha256
from tslm.core.plain_values import plain, positive
from tslm.data.parquet_table import Source
from tslm.distributed.data_tables import DataTables
from tslm.distributed.engines import engine_of
from tslm.distributed.output_folder import OutputFolder
from tslm.distributed.run import run
from tslm.distributed.table_forecaster import TableForecaster

ROWS = 500_000  # of a block; chosen by hand


def predict(
    model: str | Path,
    data: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    futr: Source | None = None,
    static: Source | None = None,
    events: str | Path | pd.DataFrame | None = None,
    ids: Sequence[Any] | None = None,
    h: int | None = None,
    level: Sequence[float | int] | None = None,
    quantiles: Sequence[float | int] | None = None,
    num_samples: int | None = None,
    examples: str | Path | pd.DataFrame | None = None,
    engine: str = "local",
    workers: int = 1,
    threads: int | None = None,
    address: str | None = None,
    rows: int = ROWS,
    max_errors: int | None = None,
    device: str | None = None,
    backbone: str | Path | None = None,
    download: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Forecast every series of a Parquet data set with a saved model.

    Series are read, forecast and written in blocks, so memory does not grow with the data. Every
    series is forecast exactly once: a run that was killed continues where it was, by the same call.
    Series that the model refuses are listed in ``out/errors.parquet``.

    Args:
        model: folder of a saved model.
        data: a Parquet file, a folder of them, a pattern with ``*``, or a list of files: one row
            per series and time. If the rows of a series do not follow each other, or there are
            further tables, the data are written once more into ``out``, and removed at the end.
        out: folder of the forecasts: one Parquet file a block, and ``manifest.json`` at the end.
        futr: Parquet files like ``data``, with id, time and ``futr_exog`` of the steps to forecast.
        static: Parquet files with one row per series: the columns of ``static_exog`` and those
            that ``prompt`` and ``titles`` name; None takes them from ``data``.
        events: statements, as in ``predict`` of the model; a frame, or a file of it.
        ids: ids of the series to forecast; None forecasts all. Several id columns are one id in
            JSON, such as '["tea", 3]'.
        h: as in ``predict`` of the model.
        level: as there.
        quantiles: as there.
        num_samples: as there.
        examples: as there.
        engine: "local" works in this process, or in ``workers`` of it; "ray" in actors of Ray.
        workers: number of processes or actors.
        threads: number of threads of each; None is 1 for an actor, and divides the threads of this
            process among its processes.
        address: address of a running Ray cluster; None takes the one to which this process is
            connected or ``RAY_ADDRESS`` names, and else starts one on this machine.
        rows: rows of a block.
        max_errors: number of refused series at which the run ends with an error; None never.
        device: device to forecast on; None follows the settings of the model.
        backbone: folder or name of the language model, if it has moved since ``fit``.
        download: True downloads the language model if it is missing.
        progress: True shows the number of series.

    Returns:
        The manifest: number of blocks, series and errors, and names of files.

    Raises:
        ConfigError: if a setting is impossible, or ``out`` has something else.
        DataError: if the data cannot be read, or more than ``max_errors`` series are refused.
    """
    place = engine_of(engine, workers, threads=threads, address=address, device=device)
    rows = positive("rows", rows)
    saved = Path(model).expanduser().absolute()
    options = {"device": device, "backbone": plain(backbone), "download": download}
    loaded = TableForecaster(str(saved), options=options)
    panels = loaded.model.panel_reader
    tables = DataTables.find(panels, data, futr, static)
    request = {
        "h": h,
        "level": plain(level),
        "quantiles": plain(quantiles),
        "num_samples": num_samples,
        "examples": tables.examples(examples),
    }
    tables.check_future()
    forecaster = loaded.for_request(request, tables.events(events))
    forecaster.check()
    blocks = tables.blocks(rows, ids)
    facts = {"model": sha256(saved / "model.json"), **request, "rows": rows}
    facts |= {"events": forecaster.events, "ids": plain(ids)}
    folder = OutputFolder.begin(out, facts)
    return run(blocks, folder, forecaster, place, max_errors=max_errors, progress=progress)
