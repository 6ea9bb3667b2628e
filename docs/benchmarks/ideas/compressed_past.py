"""A year of context in few tokens: the far past as averages, beside plain contexts.

    python docs/benchmarks/ideas/compressed_past.py --work runs/compressed_past \
        --out docs/results/ideas/compressed_past.json

Hourly series with a yearly season; segments of 96 steps, so a year is 91 of them:

- plain: 15 tokens, 60 days;
- short: 7 tokens, 28 days, the default;
- far: 7 tokens as in short, and 4 tokens each of 4 and 16 averaged steps in front, 348 days.

All windows of one set have the same targets. Training windows of an arm are those with its context.
"""

import functools
from pathlib import Path

import numpy as np
import pairs
import pandas as pd
from pairs import Study, autotimes, study

from tslm import Spec
from tslm.core.paths import data_folders
from tslm.data.datasets.benchmarks import Benchmark, Borders, load

SEGMENT = 96
ARMS = {"plain": (15, None), "short": (7, None), "far": (7 + 4 * (4 + 16), [4, 16])}


def arm(data: Benchmark, h: int, tokens: int, far_past: list[int] | None):
    """Return AutoTimes with a context of so many segments."""
    adapter = Spec("autotimes", patch_len=SEGMENT, far_past=far_past)
    return autotimes(
        data, h, adapter=adapter, context_length=tokens * SEGMENT, max_steps=120, batch_size=32
    )


def hourly(name: str) -> Benchmark:
    """Return a set by its name: one of ``conf/benchmark``, or one of the tables here."""
    if name.startswith("epf"):
        return load(name)
    table = {"air": air, "demand": demand}[name]()
    borders = Borders(*(int(share * len(table)) for share in (0.6, 0.8, 1.0)))
    return Benchmark(
        name=name,
        columns=tuple(map(str, table.columns)),
        values=table.to_numpy(np.float64),
        time=table.index.to_numpy().astype("datetime64[s]").astype(np.int64),
        borders=borders,
        season_length=24,
        freq="h",
        horizons=(96,),
    )


def file(name: str) -> Path:
    """Return a table in one of the data folders."""
    return next(path for folder in data_folders() if (path := folder / f"{name}.csv.gz").exists())


def air() -> pd.DataFrame:
    """Return temperature, dew point and pressure in Beijing, 2010 to 2014."""
    table = pd.read_csv(file("beijing_pm25"))
    table.index = pd.to_datetime(table[["year", "month", "day", "hour"]])
    return table[["TEMP", "DEWP", "PRES"]]


def demand() -> pd.DataFrame:
    """Return hourly means of the demand for electricity and the temperature in Victoria."""
    table = pd.read_csv(file("vic_electricity"), parse_dates=["Time"])
    table = table.set_index(table["Time"].dt.tz_localize(None))[["Demand", "Temperature"]]
    return table.resample("h").mean()


if __name__ == "__main__":
    pairs.load = hourly
    study(
        Study(
            arms={
                name: functools.partial(arm, tokens=tokens, far_past=far)
                for name, (tokens, far) in ARMS.items()
            },
            reference="plain",
            sets={"air": 48, "demand": 48, "epf_np": 48},
            horizons=(96, 336),
        )
    )
