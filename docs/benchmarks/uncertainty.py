"""Pinball loss and coverage of every adapter beside conformal seasonal naive and profile_ar.

Backtests the adapters on five public sets, three of them also with covariates, and prints a table:

    TSLM_DATA=... python docs/benchmarks/uncertainty.py [--sets "bike;epf_DE"]
        [--models "AutoTimes;LiPCoT"] [--steps 300] [--keep results.json]

``wQL`` is twice the pinball loss at 11 quantiles over the mean size of the truth, averaged over
series; coverage is the percentage of true values inside the intervals of 80 and 95 percent.
All models read the same context, are fitted once, before the first origin, and forecast every
origin; "renewed" ones are recalibrated at each. Covariates of the steps to forecast are those of
the file: the observed weather, which a forecast would not know exactly, and (epf_DE) forecasts of
load and wind made a day ahead, as published.
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
from tslm.core.config.compose import compose
from tslm.data.datasets.competitions import Competition
from tslm.data.datasets.competitions import load as competition
from tslm.uncertainty.distributions.quantile import DEFAULT
from tslm.uncertainty.requested_columns import ForecastColumns


@dataclass(frozen=True)
class Trial:
    """Data set with its horizon, season, context and origins."""

    read: Callable[[], pd.DataFrame]
    h: int
    season: int
    context: int
    origins: int
    val_size: int | None = None
    futr_exog: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entrant:
    """Model of the table; one with an adapter is trained, a "renewed" one recalibrated."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def renewed(self) -> bool:
        """Return True if it is recalibrated at every origin."""
        return self.name.endswith("renewed")


def table(
    file: str, time_col: str, target: str, id_col: str | None = None, zone: str | None = None
) -> pd.DataFrame:
    """Read a data set as a long frame with its other columns."""
    raw = pd.read_csv(Path(os.environ["TSLM_DATA"]) / file).rename(columns=str.strip)
    ids = file.partition(".")[0] if id_col is None else raw[id_col]
    ds = pd.to_datetime(raw[time_col])
    ds = ds.dt.tz_localize(None) if zone is None else ds.dt.tz_convert(zone)
    long = pd.DataFrame({"unique_id": ids, "ds": ds, "y": raw[target].astype(float)})
    return long.join(raw.drop(columns=[time_col, target]))


def bike() -> pd.DataFrame:
    """Read hourly bike rentals, with weather and holidays."""
    return table("bike_sharing_hourly.csv.gz", "date_time", "users")


def epf_de() -> pd.DataFrame:
    """Read day-ahead prices of Germany, with forecasts of load and wind."""
    return table("epf_DE.csv.gz", "date", "OT")


def pedestrian() -> pd.DataFrame:
    """Read hourly counts of pedestrians at four sensors, with gaps."""
    return table("pedestrian.csv.gz", "Date_Time", "Count", "Sensor")


def vic() -> pd.DataFrame:
    """Read the half-hourly demand of Victoria, with temperature and holidays."""
    return table("vic_electricity.csv.gz", "Time", "Demand", zone="Australia/Melbourne")


def m4() -> pd.DataFrame:
    """Read M4 Hourly with its test part."""
    data: Competition = competition(compose("verb/benchmark", ["benchmark=m4_hourly"]).benchmark)
    parts = []
    for name, known in data.known.items():
        y = [*known, *data.truth[name]]
        parts.append(pd.DataFrame({"unique_id": name, "ds": range(len(y)), "y": y}))
    return pd.concat(parts, ignore_index=True)


WEATHER = ("holiday", "weather", "temp", "hum", "windspeed")
AHEAD = ("Wind power forecast", "Ampirion zonal load forecast")

TRIALS = {
    "bike": Trial(bike, 24, 168, 672, 60, 1440),
    "bike, with covariates": Trial(bike, 24, 168, 672, 60, 1440, WEATHER),
    "epf_DE": Trial(epf_de, 24, 168, 672, 60, 1440),
    "epf_DE, with covariates": Trial(epf_de, 24, 168, 672, 60, 1440, AHEAD),
    "pedestrian": Trial(pedestrian, 24, 168, 672, 30, 1440),
    "m4_hourly": Trial(m4, 48, 24, 336, 1),
    "vic": Trial(vic, 48, 336, 1344, 30, 2880),
    "vic, with covariates": Trial(vic, 48, 336, 1344, 30, 2880, ("Temperature", "Holiday")),
}
ENTRANTS = [
    Entrant("seasonal_naive, residual", {"model": "seasonal_naive"}),
    Entrant("profile_ar, Gaussian", {"model": "profile_ar", "conformal": "none"}),
    Entrant("profile_ar, residual", {"model": "profile_ar"}),
    Entrant("profile_ar, adaptive, renewed", {"model": "profile_ar", "conformal": "adaptive"}),
    Entrant("AutoTimes, quantile", {"adapter": "autotimes", "decoder": "quantile"}),
    Entrant(
        "AutoTimes, quantile, cqr, renewed",
        {"adapter": "autotimes", "decoder": "quantile", "conformal": "cqr"},
    ),
    Entrant(
        "AutoTimes without a backbone, quantile",
        {"adapter": "autotimes", "decoder": "quantile", "backbone": "none"},
    ),
    Entrant(
        "AutoTimes on random weights, quantile",
        {"adapter": "autotimes", "decoder": "quantile", "backbone": "random_matched:smollm2-135m"},
    ),
    Entrant("LiPCoT, mixture", {"adapter": "lipcot", "decoder": "mixture"}),
    Entrant("LiPCoT, point, residual", {"adapter": "lipcot"}),
    Entrant("LiPCoT, point, adaptive, renewed", {"adapter": "lipcot", "conformal": "adaptive"}),
    Entrant(
        "LiPCoT, flatten, quantile",
        {"adapter": "lipcot", "decoder": "flatten", "distribution": "quantile"},
    ),
    Entrant("S2IP, quantile", {"adapter": "s2ip", "decoder": "quantile"}),
    Entrant("TimeLLM, quantile", {"adapter": "time_llm", "decoder": "quantile"}),
]


def settings(trial: Trial, entrant: Entrant, steps: int, backbone: str) -> dict[str, Any]:
    """Return the parameters of the forecaster."""
    shared = {
        "h": trial.h,
        "season_length": trial.season,
        "context_length": trial.context,
        "val_size": trial.val_size,
        "random_state": 0,
        "futr_exog": [*trial.futr_exog],
        "calendar": bool(trial.futr_exog),
    }
    trained = {"backbone": backbone, "base": "profile_ar", "max_steps": steps, "batch_size": 32}
    return shared | ({} if "model" in entrant.options else trained) | entrant.options


def run(trial: Trial, entrant: Entrant, steps: int, backbone: str) -> dict[str, Any]:
    """Backtest one model on one set."""
    params = settings(trial, entrant, steps, backbone)
    kind = BaselineForecaster if "model" in params else TSLMForecaster
    model: Any = kind(**params, verbose=0, alias="it")
    frame = trial.read()[["unique_id", "ds", "y", *trial.futr_exog]]
    begin = time.perf_counter()
    found = model.cross_validation(
        frame,
        n_windows=trial.origins,
        recalibrate=entrant.renewed,
        quantiles=list(DEFAULT),
        baselines=[],
    )
    seconds = time.perf_counter() - begin
    how = {"n_windows": trial.origins, "recalibrate": entrant.renewed, **params}
    return {**scores(found), "seconds": seconds, "settings": how}


def scores(found: pd.DataFrame) -> dict[str, float]:
    """Return wQL, coverage of 80 and 95 %, and the absolute error of the point in units of wQL."""
    found = found.dropna(subset=["y"])
    columns = ForecastColumns.of("it", found.columns).quantiles
    loss = sum(
        (share - (found.y < found[column])) * (found.y - found[column])
        for share, column in columns.items()
    )
    size = found.y.abs().groupby(found.unique_id).sum()
    by_series = 2 * loss.groupby(found.unique_id).sum() / len(columns) / size
    error = (found.y - found["it"]).abs().groupby(found.unique_id).sum() / size

    def inside(low: float, high: float) -> float:
        return float(found.y.between(found[columns[low]], found[columns[high]]).mean())

    return {
        "wql": float(by_series.mean()),
        "point": float(error.mean()),
        "inside_80": inside(0.1, 0.9),
        "inside_95": inside(0.025, 0.975),
    }


def show(results: dict[str, dict[str, Any]]) -> None:
    """Return the table as Markdown."""
    print("| data | model | wQL | point MAE / size | 80 % | 95 % | seconds |")
    print("|---|---|--:|--:|--:|--:|--:|")
    order = [f"{data}: {entrant.name}" for data in TRIALS for entrant in ENTRANTS]
    for name in sorted(results, key=order.index):
        found = results[name]
        data, model = name.split(": ")
        print(
            f"| {data} | {model} | {found['wql']:.4f} | {found['point']:.4f} | "
            f"{100 * found['inside_80']:.1f} | {100 * found['inside_95']:.1f} | "
            f"{found['seconds']:.0f} |"
        )


def main() -> None:
    """Run the models that are missing in the file of results, then print all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", default="", help="the beginning of their names; all if empty")
    parser.add_argument("--models", default="", help="the beginning of their names; all if empty")
    parser.add_argument("--steps", type=int, default=300, help="of training, 32 windows each")
    parser.add_argument("--backbone", default="smollm2-135m")
    parser.add_argument("--keep", type=Path, help="JSON of results, gone on with if it is there")
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
    warnings.simplefilter("ignore", UserWarning)
    results = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}
    for data, trial in TRIALS.items():
        for entrant in ENTRANTS:
            if not data.startswith(tuple(given.sets.split(";"))):
                continue
            if not entrant.name.startswith(tuple(given.models.split(";"))):
                continue
            name = f"{data}: {entrant.name}"
            if name not in results:
                results[name] = run(trial, entrant, given.steps, given.backbone)
                if given.keep:
                    given.keep.write_text(json.dumps(results, indent=1) + "\n")
    show(results)


if __name__ == "__main__":
    main()
