"""Seconds and memory of a fit and a forecast with the default settings, by the size of the panel.

    python docs/benchmarks/fit_time.py --out docs/results/fit_time.json

Monthly series of a trend, a season and a random walk; h = 12. Every size runs in a process of its
own, so that its peak of memory is its own; the first fit of a process also loads the language
model.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SIZES = ((1, 8), (1, 120), (10, 120), (100, 120), (1_000, 24), (1_000, 120), (10_000, 120))


def panel(series: int, rows: int) -> pd.DataFrame:
    """Return monthly series as a long frame."""
    dice = np.random.default_rng(0)
    step = np.arange(rows)
    phase = dice.uniform(0, 2 * np.pi, (series, 1))
    values = 100 + dice.normal(0, 0.3, (series, 1)) * step
    values = values + 10 * np.sin(2 * np.pi * step / 12 + phase)
    values = values + dice.normal(0, 2, (series, rows)).cumsum(1)
    return pd.DataFrame(
        {
            "unique_id": np.repeat([f"s{i}" for i in range(series)], rows),
            "ds": np.tile(pd.date_range("2010-01-01", periods=rows, freq="MS"), series),
            "y": values.ravel(),
        }
    )


def measure(series: int, rows: int) -> dict[str, Any]:
    """Fit and forecast one panel in this process."""
    from tslm import TSLMForecaster

    frame = panel(series, rows)
    start, busy = time.perf_counter(), time.process_time()
    model = TSLMForecaster(h=12, base="auto", verbose=0).fit(frame)
    fitted, fit_busy = time.perf_counter(), time.process_time()
    found = model.predict(level=[80])
    assert len(found) == series * 12
    assert not found.isna().any().any()
    return {
        "series": series,
        "rows": rows,
        "fit_seconds": round(fitted - start, 1),
        "fit_cpu_seconds": round(fit_busy - busy, 1),
        "predict_seconds": round(time.perf_counter() - fitted, 1),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> None:
    """Measure every size, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--one", type=int, nargs=2, help="series and rows of one size")
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(measure(*asked.one)))
        return
    found = []
    print("| series | rows each | fit, s | of one CPU, s | forecast, s | memory, MB |")
    print("|--:|--:|--:|--:|--:|--:|")
    for series, rows in SIZES:
        command = [sys.executable, __file__, "--one", str(series), str(rows)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        row = json.loads(done.stdout.splitlines()[-1])
        found.append(row)
        print("| " + " | ".join(f"{value:,}" for value in row.values()) + " |", flush=True)
    if asked.out:
        asked.out.write_text(json.dumps({"cpus": os.cpu_count(), "sizes": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
