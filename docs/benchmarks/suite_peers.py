"""Forecasts of other libraries for tslm suite, in an environment of their own.

``make suite-peers`` makes that environment, writes the tasks, runs this script and scores what it
wrote. It imports nothing of tslm. Each model gets the last ``--rows`` rows of a history, and all of
its seconds are counted. AutoARIMA gets the last ``--arima-rows`` rows, because its search takes
minutes on longer ones.
"""

import argparse
import json
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
QUANTILES = [f"q-{100 * level:g}" for level in LEVELS]
LOCAL = ("auto_ets", "dynamic_theta", "auto_ces", "auto_arima", "flair")
GLOBAL = ("nhits", "patchtst")
FLAIR_FREQUENCIES = {"h": "H", "15min": "15T", "10min": "10T", "D": "D", "W-TUE": "W"}
FLAIR_SEASONS = {1: "Y", 4: "Q", 7: "D", 12: "M", 24: "H", 52: "W"}  # if times are counted
FLAIR_TASKS = {"us_births": "D", "saugeen": "D", "m4_weekly": "W"}  # the season is 1 there

Rows = np.ndarray
Forecast = tuple[np.ndarray, np.ndarray]  # points [H], deciles [H, 9]


def main() -> None:
    """Forecast every task with every model that has no result yet."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=Path, required=True, help="folder of a group of tasks")
    parser.add_argument("--out", type=Path, required=True, help="folder of the group's results")
    parser.add_argument("--models", nargs="+", default=[*LOCAL, *GLOBAL])
    parser.add_argument("--only", nargs="+", default=None, help="names of tasks")
    parser.add_argument("--rows", type=int, default=500, help="rows of history that a model reads")
    parser.add_argument("--arima-rows", type=int, default=200)
    parser.add_argument("--steps", type=int, default=500, help="training steps of a network")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for model in arguments.models:
        for folder in sorted(path for path in arguments.tasks.iterdir() if path.is_dir()):
            wanted = arguments.only is None or folder.name in arguments.only
            if wanted and not (arguments.out / folder.name / f"{model}.json").exists():
                run(model, folder, arguments)


def run(model: str, folder: Path, arguments: argparse.Namespace) -> None:
    """Forecast one task with one model, and write the forecasts and their cost."""
    task = json.loads((folder / "task.json").read_text())
    history = pd.read_parquet(folder / "history.parquet")
    rows = arguments.arima_rows if model == "auto_arima" else arguments.rows
    settings: dict[str, Any] = {"rows": rows}
    if model in GLOBAL:
        settings |= {"steps": arguments.steps}
    began = time.perf_counter()
    try:
        parts = list(windows(history, task, rows))
        if model in GLOBAL:
            table = by_network(model, parts, task, arguments.steps)
        else:
            table = one_by_one(local(model, task), parts, task)
    except Exception as error:  # the next model goes on
        print(f"{folder.name} {model} failed: {type(error).__name__}: {error}", flush=True)
        return
    seconds = time.perf_counter() - began
    place = arguments.out / folder.name
    place.mkdir(parents=True, exist_ok=True)
    table.to_parquet(place / f"{model}.parquet", index=False)
    note = table.attrs.get("note", "")
    run_facts = {
        "seed": None,
        "fit_seconds": round(seconds, 2),
        "predict_seconds": 0.0,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "forecasts": f"{model}.parquet",
        "note": note,
    }
    library = {"flair": "flaircast", "nhits": "neuralforecast", "patchtst": "neuralforecast"}
    package = library.get(model, "statsforecast")
    record = {
        "task": folder.name,
        "model": model,
        "asked": {"settings": settings},
        "runs": [run_facts],
        "config": settings,
        "failed": None,
        "version": f"{package} {version(package)}",
    }
    draft = place / f"{model}.json.part"
    draft.write_text(json.dumps(record, indent=1) + "\n")
    draft.replace(place / f"{model}.json")
    print(f"{folder.name} {model} {seconds:.1f} s {note}", flush=True)


def windows(history: pd.DataFrame, task: dict[str, Any], rows: int) -> Iterator[pd.DataFrame]:
    """Cut the history of each window, and its last rows."""
    left = history.groupby("unique_id", sort=False).cumcount(ascending=False)
    for after in task["rows_after"]:
        yield history[(left >= after) & (left < after + rows)]


def one_by_one(
    forecast: Callable[[Rows], Forecast], parts: list[pd.DataFrame], task: dict[str, Any]
) -> pd.DataFrame:
    """Fit a local model to each series of each window."""
    found, replaced = [], 0
    for number, part in enumerate(parts):
        for key, series in part.groupby("unique_id", sort=False):
            past = series.y.to_numpy(dtype=np.float64)
            try:
                points, quantiles = forecast(past)
                fine = np.isfinite(points).all() and np.isfinite(quantiles).all()
            except Exception:
                fine = False
            if not fine:
                points, quantiles = naive(past, task)
                replaced += 1
            found.append(rows_of(key, number, points, quantiles))
    table = pd.concat(found, ignore_index=True)
    if replaced:
        table.attrs["note"] = f"{replaced} failed fits are seasonal naive forecasts."
    return table


def rows_of(key: object, window: int, points: np.ndarray, quantiles: np.ndarray) -> pd.DataFrame:
    """Return the forecast of one series as rows of the result."""
    table = pd.DataFrame(quantiles, columns=QUANTILES)
    table.insert(0, "point", points)
    table.insert(0, "step", np.arange(len(points)))
    table.insert(0, "window", window)
    table.insert(0, "unique_id", key)
    return table


def naive(past: Rows, task: dict[str, Any]) -> Forecast:
    """Return the seasonal naive forecast; each decile is the point."""
    season = task["season_length"] if len(past) >= task["season_length"] else 1
    points = np.resize(past[-season:], task["h"])
    return points, np.repeat(points[:, None], len(LEVELS), axis=1)


def local(model: str, task: dict[str, Any]) -> Callable[[Rows], Forecast]:
    """Return the function that forecasts one series with a local model."""
    if model == "flair":
        return flair(task)
    from statsforecast import models

    season, h = task["season_length"], task["h"]
    kinds = {
        "auto_ets": models.AutoETS,
        "dynamic_theta": models.DynamicOptimizedTheta,
        "auto_ces": models.AutoCES,
        "auto_arima": models.AutoARIMA,
    }
    made = kinds[model](season_length=season)

    def forecast(past: Rows) -> Forecast:
        found = made.forecast(y=past, h=h, level=[20, 40, 60, 80])
        low = [found[f"lo-{level}"] for level in (80, 60, 40, 20)]
        high = [found[f"hi-{level}"] for level in (20, 40, 60, 80)]
        middle = [(low[-1] + high[0]) / 2]
        return np.asarray(found["mean"]), np.stack([*low, *middle, *high], axis=1)

    return forecast


def flair(task: dict[str, Any]) -> Callable[[Rows], Forecast]:
    """Return the forecast of FLAIR: its point is the mean of 200 paths, as its authors use it."""
    from flaircast import forecast as sample

    freq = FLAIR_TASKS.get(task["task"]) or FLAIR_FREQUENCIES.get(str(task["freq"]))
    freq = freq or FLAIR_SEASONS[task["season_length"]]

    def forecast(past: Rows) -> Forecast:
        paths = sample(past, horizon=task["h"], freq=freq, seed=0)
        return paths.mean(axis=0), np.quantile(paths, LEVELS, axis=0).T

    return forecast


def by_network(
    model: str, parts: list[pd.DataFrame], task: dict[str, Any], steps: int
) -> pd.DataFrame:
    """Train a network once on the first window, and forecast all windows with it."""
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import NHITS, PatchTST

    h = task["h"]
    shortest = min(part.groupby("unique_id").size().min() for part in parts)
    context = int(min(max(2 * h, 2 * task["season_length"]), max(shortest, h)))
    kind = {"nhits": NHITS, "patchtst": PatchTST}[model]
    network = kind(
        h=h,
        input_size=context,
        max_steps=steps,
        loss=MQLoss(quantiles=LEVELS),
        start_padding_enabled=True,
        scaler_type="standard",
        random_seed=0,
        accelerator="cpu",
        enable_progress_bar=False,
        logger=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    # times are counted: the networks read none
    counted = [
        part.assign(ds=part.groupby("unique_id", sort=False).cumcount())[["unique_id", "ds", "y"]]
        for part in parts
    ]
    trained = NeuralForecast(models=[network], freq=1)
    trained.fit(df=counted[0])
    found = []
    for number, part in enumerate(counted):
        ahead = trained.predict(df=part)
        names = [name for name in ahead.columns if name not in ("unique_id", "ds")]
        values = np.sort(ahead[names].to_numpy(dtype=np.float64), axis=1)
        for key, place in ahead.groupby("unique_id", sort=False).indices.items():
            quantiles = values[place]
            found.append(rows_of(key, number, quantiles[:, 4], quantiles))
    return pd.concat(found, ignore_index=True)


if __name__ == "__main__":
    main()
