"""Backtest of a saved model on a Parquet data set, block after block."""

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
from tslm.distributed.predict import ROWS
from tslm.distributed.run import run
from tslm.distributed.table_backtester import TableBacktester


def backtest(
    model: str | Path,
    data: Source,
    out: str | Path,
    *,
    static: Source | None = None,
    events: str | Path | pd.DataFrame | None = None,
    ids: Sequence[Any] | None = None,
    h: int | None = None,
    n_windows: int = 1,
    step_size: int | None = None,
    level: Sequence[float | int] | None = None,
    quantiles: Sequence[float | int] | None = None,
    baselines: str | Sequence[str] = ("SeasonalNaive",),
    examples: str | Path | pd.DataFrame | None = None,
    engine: str = "local",
    workers: int = 1,
    rows: int = ROWS,
    max_errors: int | None = None,
    device: str | None = None,
    backbone: str | Path | None = None,
    download: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Forecast the last rows of every series of a data set with a saved model, and measure errors.

    The model is used as it is. If it was fitted on the rows before the first origin, the result is
    that of ``cross_validation`` with ``refit=False``. Baselines are fitted on the series of each
    block, on the rows before the first origin; those that learn from other series, or calibrate
    intervals on them, therefore depend on ``rows``.

    Blocks, workers, refused series and interrupted runs are treated as in ``predict``. Errors are
    added up over blocks, so that ``out/metrics.csv`` has what ``evaluate`` returns, and the mean
    squared error.

    Args:
        model: folder of a saved model.
        data: as in ``predict``, with the covariates of all rows.
        out: folder of the result: one Parquet file a block, ``metrics.csv`` and ``manifest.json``
            at the end.
        static: as in ``predict``.
        events: as in ``predict``; at each origin only those that were said before are read.
        ids: as in ``predict``.
        h: steps forecast from each origin, those of the model by default.
        n_windows: number of origins; the last one leaves exactly ``h`` rows to the end of each
            series.
        step_size: rows between origins, ``h`` by default.
        level: as in ``predict``, for the model and the baselines.
        quantiles: as in ``predict``, for the model and the baselines.
        baselines: names of ``conf/model`` to compare with.
        examples: as in ``predict``; the baselines have none.
        engine: as in ``predict``.
        workers: as in ``predict``.
        rows: as in ``predict``.
        max_errors: as in ``predict``.
        device: as in ``predict``.
        backbone: as in ``predict``.
        download: as in ``predict``.
        progress: as in ``predict``.

    Returns:
        The manifest: number of blocks, series and refused series, names of files, and the metrics
        of each forecast.

    Raises:
        ConfigError: if a setting is impossible, or ``out`` has something else.
        DataError: if the data cannot be read, or more than ``max_errors`` series are refused.
    """
    place, rows = engine_of(engine, workers), positive("rows", rows)
    saved = Path(model).expanduser().absolute()
    options = {"device": device, "backbone": plain(backbone), "download": download}
    loaded = TableBacktester(str(saved), options=options)
    panels = loaded.model.panel_reader
    tables = DataTables.find(panels, data, None, static)
    request = {
        "h": None if h is None else positive("h", h),
        "n_windows": positive("n_windows", n_windows),
        "step_size": None if step_size is None else positive("step_size", step_size),
        "level": plain(level),
        "quantiles": plain(quantiles),
        "baselines": [baselines] if isinstance(baselines, str) else list(baselines),
        "examples": tables.examples(examples),
    }
    worker = loaded.for_request(request, tables.events(events))
    worker.check()
    blocks = tables.blocks(rows, ids)
    facts = {"model": sha256(saved / "model.json"), **request, "rows": rows}
    facts |= {"events": worker.events, "ids": plain(ids)}
    folder = OutputFolder.begin(out, facts)
    return run(blocks, folder, worker, place, max_errors=max_errors, progress=progress)
