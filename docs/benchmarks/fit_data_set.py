"""Measure a fit on a Parquet data set: seconds, and peak memory beside that of a fit on the frame.

    python docs/benchmarks/fit_data_set.py [2000000 20000000 ...]

Each size is rows of hourly series of 2,000 rows. A model with a tiny language model is trained on
them for 100 steps in a process of its own: ``files`` passes the path, ``frame`` reads the data set
first and passes the frame. ``private`` is the peak of memory that belongs to the process alone;
``resident`` counts mapped files too, whose pages the system takes back when it needs them.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tslm import TSLMForecaster

LENGTH, PART = 2_000, 100  # rows of a series, series of a file


def write(rows: int, folder: Path) -> None:
    """Write a data set of so many rows."""
    dice = np.random.default_rng(0)
    hours = pd.date_range("2024-01-01", periods=LENGTH, freq="h")
    day = np.tile(np.sin(np.arange(LENGTH) / 24 * 2 * np.pi), PART)
    for first in range(0, rows // LENGTH, PART):
        ids = np.array([f"s{number:07d}" for number in range(first, first + PART)])
        values = 100 + 10 * day + dice.normal(size=PART * LENGTH)
        columns = {"unique_id": ids.repeat(LENGTH), "ds": np.tile(hours, PART), "y": values}
        pq.write_table(pa.table(columns), folder / f"{first:08d}.parquet")


class Peak(Thread):
    """Thread that reads the private memory of this process, and keeps the largest, in GB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.done, self.private = Event(), 0.0

    def run(self) -> None:
        while not self.done.wait(0.02):
            self.private = max(self.private, memory("RssAnon"))


def memory(name: str) -> float:
    """Return a line of the status of this process, in GB."""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) / 1e6 for line in status.splitlines() if name in line)


def measure(rows: int, way: str, folder: Path) -> dict[str, float | str]:
    """Fit on a data set of so many rows; return seconds and GB."""
    peak, began = Peak(), time.perf_counter()
    peak.start()
    model = TSLMForecaster(24, "autotimes", backbone="tiny", base="none", context_length=96)
    model.set_params(max_steps=100, random_state=0, verbose=0, accelerator="cpu")
    model.fit(folder if way == "files" else pd.read_parquet(folder))
    seconds = time.perf_counter() - began
    peak.done.set()
    found = {"seconds": seconds, "private": peak.private, "resident": memory("VmHWM")}
    loss = float(model.history_.loss.iloc[-1])
    return {"way": way, "rows": rows, "series": rows // LENGTH, **found, "loss": loss}


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        print(json.dumps(measure(int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))))
    else:
        for size in map(int, sys.argv[1:] or ["2000000", "20000000"]):
            with tempfile.TemporaryDirectory() as name:
                write(size, Path(name))
                for way in ("files", "frame"):
                    words = [sys.executable, "-W", "ignore", __file__, "one", str(size), way, name]
                    done = subprocess.run(words, capture_output=True, text=True, check=False)
                    print(done.stdout.strip() or done.stderr[-500:], flush=True)
