"""Measure forecasts of Parquet data sets of many series: series a second, and peak memory.

    python docs/benchmarks/data_set.py [10000 100000 ...]

Each size is 48 monthly values a series, forecast 12 steps ahead by ``tslm.distributed.predict`` in
a process of its own, with one worker and the cheapest model, so that reading and writing count most.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tslm import BaselineForecaster
from tslm.distributed import predict

MONTHS, PART = 48, 10_000  # values of a series, series of a file


def write(count: int, folder: Path) -> None:
    """Write a data set of so many series."""
    dice = np.random.default_rng(0)
    months = pd.date_range("2020-01-01", periods=MONTHS, freq="MS")
    for first in range(0, count, PART):
        ids = np.char.add("s", np.arange(first, min(first + PART, count)).astype(str))
        values = dice.normal(100, 10, len(ids) * MONTHS)
        columns = {"unique_id": ids.repeat(MONTHS), "ds": np.tile(months, len(ids)), "y": values}
        pq.write_table(pa.table(columns), folder / f"{first:08d}.parquet")


def measure(count: int) -> dict[str, float]:
    """Forecast a data set of so many series; return seconds, series a second and GB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        write(count, folder / "data")
        first = pd.read_parquet(folder / "data" / "00000000.parquet").head(100 * MONTHS)
        BaselineForecaster("seasonal_naive", h=12, verbose=0).fit(first).save(folder / "model")
        began = time.perf_counter()
        predict(folder / "model", folder / "data", folder / "out", progress=False)
        seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return {"series": count, "seconds": seconds, "rate": count / seconds, "peak_gb": peak}


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measure(int(sys.argv[2]))))
    else:
        for size in sys.argv[1:] or ["10000", "100000"]:
            done = subprocess.run(
                [sys.executable, __file__, "one", size], capture_output=True, text=True, check=True
            )
            found = json.loads(done.stdout)
            print(", ".join(f"{key} {value:,.2f}" for key, value in found.items()), flush=True)
