"""Pinball loss and coverage of every adapter beside conformal seasonal naive and profile_ar.

Backtests the adapters on five public sets, without covariates, and prints one table:

    TSLM_DATA=... python docs/benchmarks/uncertainty.py [--sets bike,epf_DE]
        [--models AutoTimes,LiPCoT] [--steps 60] [--keep results.json]

``wQL`` is twice the pinball loss at 11 quantiles over the mean size of the truth, averaged over
series; coverage is the share of truths inside the intervals of 80 and 95 percent. All models read
the same context, are fitted once, before the first origin, and forecast every origin.
"""

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from tslm import BaselineForecaster, TSLMForecaster
from tslm.config import compose
from tslm.data.competitions import Competition
from tslm.data.competitions import load as competition
from tslm.intervals import Beside
from tslm.nn.laws.quantile import DEFAULT


@dataclass(frozen=True)
class Trial:
    """A frame and how it is forecast."""

    read: Callable[[], pd.DataFrame]
    h: int
    season: int
    context: int
    origins: int
    val_size: int | None = None


@dataclass(frozen=True)
class Entrant:
    """A model; those with an adapter are trained."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


def hourly(file: str, time_col: str, target: str, id_col: str | None = None) -> pd.DataFrame:
    """One of the data sets as a long frame."""
    raw = pd.read_csv(Path(os.environ["TSLM_DATA"]) / file).rename(columns=str.strip)
    ids = file.partition(".")[0] if id_col is None else raw[id_col]
    ds = pd.to_datetime(raw[time_col]).dt.tz_localize(None)
    return pd.DataFrame({"unique_id": ids, "ds": ds, "y": raw[target].astype(float)})


def m4() -> pd.DataFrame:
    """M4 Hourly with the steps that were to be forecast."""
    data: Competition = competition(compose("verb/benchmark", ["benchmark=m4_hourly"]).benchmark)
    parts = []
    for name, known in data.known.items():
        y = [*known, *data.truth[name]]
        parts.append(pd.DataFrame({"unique_id": name, "ds": range(len(y)), "y": y}))
    return pd.concat(parts, ignore_index=True)


TRIALS = {
    "bike": Trial(
        lambda: hourly("bike_sharing_hourly.csv.gz", "date_time", "users"), 24, 168, 672, 60, 1440
    ),
    "epf_DE": Trial(lambda: hourly("epf_DE.csv.gz", "date", "OT"), 24, 168, 672, 60, 1440),
    "pedestrian": Trial(
        lambda: hourly("pedestrian.csv.gz", "Date_Time", "Count", "Sensor"), 24, 168, 672, 30, 1440
    ),
    "m4_hourly": Trial(m4, 48, 24, 336, 1),
    "vic": Trial(
        lambda: hourly("vic_electricity.csv.gz", "Time", "Demand"), 48, 336, 1344, 30, 2880
    ),
}
ENTRANTS = [
    Entrant("seasonal_naive, residual", {"model": "seasonal_naive"}),
    Entrant("profile_ar, Gaussian", {"model": "profile_ar", "conformal": "none"}),
    Entrant("profile_ar, residual", {"model": "profile_ar"}),
    Entrant("AutoTimes, point, residual", {"adapter": "autotimes"}),
    Entrant(
        "AutoTimes, quantile, cqr",
        {"adapter": "autotimes", "decoder": "quantile", "conformal": "cqr"},
    ),
    Entrant("LiPCoT, point, residual", {"adapter": "lipcot"}),
    Entrant(
        "LiPCoT, mixture, cqr", {"adapter": "lipcot", "decoder": "mixture", "conformal": "cqr"}
    ),
    Entrant("S2IP, quantile, cqr", {"adapter": "s2ip", "decoder": "quantile", "conformal": "cqr"}),
    Entrant(
        "TimeLLM, quantile, cqr",
        {"adapter": "time_llm", "decoder": "quantile", "conformal": "cqr"},
    ),
]


def run(trial: Trial, entrant: Entrant, steps: int, backbone: str) -> dict[str, float]:
    """Backtest one model on one set."""
    shared: dict[str, Any] = {
        "h": trial.h,
        "season_length": trial.season,
        "context_length": trial.context,
        "val_size": trial.val_size,
        "random_state": 0,
        "verbose": 0,
        "alias": "it",
    }
    if "model" in entrant.options:
        model: Any = BaselineForecaster(**shared, **entrant.options)
    else:
        trained = {"backbone": backbone, "base": "profile_ar", "max_steps": steps, "batch_size": 16}
        model = TSLMForecaster(**shared, **trained, **entrant.options)
    begin = time.perf_counter()
    table = model.cross_validation(
        trial.read(), n_windows=trial.origins, quantiles=list(DEFAULT), baselines=[]
    )
    seconds = time.perf_counter() - begin
    return {**scores(table), "seconds": seconds}


def scores(table: pd.DataFrame) -> dict[str, float]:
    """wQL, coverage of 80 and 95 percent, and the absolute error of the point in units of wQL."""
    table = table.dropna(subset=["y"])
    columns = Beside.of("it", table.columns).quantiles
    loss = sum(
        (share - (table.y < table[column])) * (table.y - table[column])
        for share, column in columns.items()
    )
    size = table.y.abs().groupby(table.unique_id).sum()
    by_series = 2 * loss.groupby(table.unique_id).sum() / len(columns) / size
    error = (table.y - table["it"]).abs().groupby(table.unique_id).sum() / size

    def inside(low: float, high: float) -> float:
        return float(table.y.between(table[columns[low]], table[columns[high]]).mean())

    return {
        "wql": float(by_series.mean()),
        "point": float(error.mean()),
        "inside_80": inside(0.1, 0.9),
        "inside_95": inside(0.025, 0.975),
    }


def show(results: dict[str, dict[str, float]]) -> None:
    """The table, as Markdown."""
    print("| data | model | wQL | point MAE / size | 80 % | 95 % | seconds |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for name, found in results.items():
        data, model = name.split(": ")
        print(
            f"| {data} | {model} | {found['wql']:.4f} | {found['point']:.4f} | "
            f"{100 * found['inside_80']:.1f} | {100 * found['inside_95']:.1f} | "
            f"{found['seconds']:.0f} |"
        )


def main() -> None:
    """Run what is not in the file of results yet, then print all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default=",".join(TRIALS))
    parser.add_argument("--models", default="", help="the beginning of their names; all if empty")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--backbone", default="smollm2-135m")
    parser.add_argument("--keep", type=Path, help="JSON of results, gone on with if it is there")
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    warnings.simplefilter("ignore", UserWarning)
    results = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}
    for data in given.sets.split(","):
        for entrant in ENTRANTS:
            if not entrant.name.startswith(tuple(given.models.split(","))):
                continue
            name = f"{data}: {entrant.name}"
            if name not in results:
                results[name] = run(TRIALS[data], entrant, given.steps, given.backbone)
                if given.keep:
                    given.keep.write_text(json.dumps(results, indent=1) + "\n")
    show(results)


if __name__ == "__main__":
    main()
