"""Measure forecasts on Ray: series a second of two actors, beside one, in turn.

    OMP_NUM_THREADS=1 python docs/benchmarks/ray_actors.py [5]

The data set is 2,000 series of 48 monthly values, forecast 12 steps ahead by AutoTimes on two
blocks of smollm2-135m, in blocks of 50 series. An actor has one thread. The start of actors and the
load of the model are left out: a rate counts the files that follow the first one of each actor.
Each round measures one actor and two in turn, so that both meet the same load of the machine.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

import pandas as pd
import ray
from data_set import MONTHS, write

from tslm import TSLMForecaster
from tslm.distributed import predict

SERIES, BLOCK = 2_000, 50  # in all, in a block


def prepare(folder: Path) -> None:
    """Write the data set and a model, trained for a few steps."""
    (folder / "data").mkdir()
    write(SERIES, folder / "data")
    first = pd.read_parquet(folder / "data").head(100 * MONTHS)
    options = {"context_length": 36, "max_steps": 20, "verbose": 0, "random_state": 0}
    model = TSLMForecaster(h=12, adapter="autotimes", n_layers=2, **options)
    model.fit(first).save(folder / "model")


def rate(folder: Path, workers: int) -> float:
    """Return the series a second of so many actors."""
    with tempfile.TemporaryDirectory(dir=folder) as out:
        predict(
            folder / "model",
            folder / "data",
            out,
            engine="ray",
            workers=workers,
            rows=BLOCK * MONTHS,
            progress=False,
        )
        times = sorted(path.stat().st_mtime for path in Path(out).glob("part-*"))
    return BLOCK * (len(times) - workers) / (times[-1] - times[workers - 1])


def main(rounds: int) -> None:
    """Print the rates of each round, and the median of their ratios."""
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    with tempfile.TemporaryDirectory() as name:
        prepare(Path(name))
        ratios = []
        for _ in range(rounds):
            one, two = (rate(Path(name), workers) for workers in (1, 2))
            ratios.append(two / one)
            print(f"one {one:.1f}, two {two:.1f}, ratio {two / one:.2f}", flush=True)
        print(f"median ratio {median(ratios):.2f}, of 2: {median(ratios) / 2:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
