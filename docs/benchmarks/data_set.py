"""Measure forecasts of Parquet data sets of many series: series a second, and peak memory.

    python docs/benchmarks/data_set.py [seasonal_naive|autotimes] [10000 100000 ...]

Each size is 48 monthly values a series, forecast 12 steps ahead by ``tslm.distributed.predict`` in
a process of its own, with one worker. seasonal_naive is the cheapest model, so that reading and
writing count most. autotimes reads two blocks of the language model and corrects the seasonal
profile. The share of the model is the part of the processor time that is spent in its forecasts;
the rest is reading, checking and writing. Seconds are those of the processor, since the machine may
be busy with other things.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tslm import BaselineForecaster, TSLMForecaster
from tslm.distributed import predict
from tslm.estimators.inference import PanelForecaster

MONTHS, PART = 48, 10_000  # values of a series, series of a file
MODELS = ("seasonal_naive", "autotimes")


def write(count: int, folder: Path) -> None:
    """Write a data set of so many series."""
    dice = np.random.default_rng(0)
    months = pd.date_range("2020-01-01", periods=MONTHS, freq="MS")
    for first in range(0, count, PART):
        ids = np.char.add("s", np.arange(first, min(first + PART, count)).astype(str))
        values = dice.normal(100, 10, len(ids) * MONTHS)
        columns = {"unique_id": ids.repeat(MONTHS), "ds": np.tile(months, len(ids)), "y": values}
        pq.write_table(pa.table(columns), folder / f"{first:08d}.parquet")


def fitted(name: str, first: pd.DataFrame) -> BaselineForecaster | TSLMForecaster:
    """Return the model of a name, fitted on some series."""
    if name == "seasonal_naive":
        return BaselineForecaster(name, h=12, verbose=0).fit(first)
    options = {"n_layers": 2, "base": "profile", "max_steps": 20, "verbose": 0}
    return TSLMForecaster(12, name, "smollm2-135m", **options).fit(first)


def timed(seconds: list[float]) -> None:
    """Note the processor time of each forecast of a panel."""
    forecast = PanelForecaster.forecast

    def measured(*args: Any, **options: Any) -> Any:
        began = time.process_time()
        found = forecast(*args, **options)
        seconds.append(time.process_time() - began)
        return found

    PanelForecaster.forecast = measured


def measure(name: str, count: int) -> dict[str, float]:
    """Forecast a data set of so many series; return seconds, series a second, share and GB."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "data").mkdir()
        write(count, folder / "data")
        first = pd.read_parquet(folder / "data" / "00000000.parquet").head(100 * MONTHS)
        fitted(name, first).save(folder / "model")
        of_model: list[float] = []
        timed(of_model)
        began = time.process_time()
        predict(folder / "model", folder / "data", folder / "out", progress=False)
        seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    share = 100 * sum(of_model) / seconds
    rate = count / seconds
    return {"series": count, "seconds": seconds, "rate": rate, "model_%": share, "peak_gb": peak}


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measure(sys.argv[2], int(sys.argv[3]))))
    else:
        words = sys.argv[1:]
        named = [word for word in words if word in MODELS] or ["seasonal_naive"]
        for size in [word for word in words if word not in MODELS] or ["10000", "100000"]:
            for one in named:
                done = subprocess.run(
                    [sys.executable, __file__, "one", one, size],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                found = json.loads(done.stdout)
                numbers = ", ".join(f"{key} {value:,.2f}" for key, value in found.items())
                print(f"{one}: {numbers}", flush=True)
