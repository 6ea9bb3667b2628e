"""Time and memory of forecasts of many short series: monthly, h = 12, AutoTimes.

    python docs/benchmarks/many_series.py 10000 6

The number of series, then the blocks of the backbone.
"""

import resource
import sys
import time

import numpy as np
import pandas as pd

from tslm import TSLMForecaster


def months(series: int, rows: int = 96) -> pd.DataFrame:
    """Return monthly series with a yearly season and a random walk."""
    dice = np.random.default_rng(0)
    season = np.sin(2 * np.pi * np.arange(rows) / 12)
    y = dice.normal(size=(series, rows)).cumsum(1) + 5 * dice.random((series, 1)) * season
    ids = np.repeat([f"s{i:06d}" for i in range(series)], rows)
    ds = np.tile(pd.date_range("2016-01-01", periods=rows, freq="MS"), series)
    return pd.DataFrame({"unique_id": ids, "ds": ds, "y": y.ravel()})


def peak() -> float:
    """Return the peak memory of the process, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(series: int, blocks: int) -> None:
    """Fit on some series; forecast increasing numbers of them."""
    model = TSLMForecaster(h=12, base=None, n_layers=blocks, max_steps=20, random_state=0, verbose=0)
    model.fit(months(min(series, 500)))
    passes: list[int] = []
    model.model_.backbone.register_forward_pre_hook(
        lambda _, given: passes.append(given[0].embeds.shape[:2].numel())
    )
    for number in sorted({series // 10, series}):
        frame = months(number)
        passes.clear()
        began, spent = time.perf_counter(), time.process_time()
        ahead = model.predict(frame)
        seconds, spent = time.perf_counter() - began, time.process_time() - spent
        print(
            f"{number} series, {len(ahead)} rows, {sum(passes)} tokens: {seconds:.1f} s, "
            f"of a processor {spent:.1f} s, peak {peak():.2f} GB",
            flush=True,
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
