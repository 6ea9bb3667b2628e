"""Anomalies that were put into real series: found by p-values, or by residual z-scores of the base.

    python docs/benchmarks/ideas/anomalies.py --work runs/anomalies --out anomalies.json

Models are fitted on the first rows of each series. Into rows after them, anomalies of five kinds
are put, at random places: spikes of one row, level shifts, lost seasons, frozen values, and larger
changes from hour to hour, of 24 rows each. All arms score the same rows from the same origins.
The baseline is the z-score of the residuals of a base: the absolute error, divided by the standard
deviation on the clean rows before the anomalies, by series and step ahead ("z"), or by series
("z of series"), which is the stronger one. The figure of merit is the area under the ROC curve
(AUC) of the rows in anomalies against all other rows. Differences are paired by series and seed;
intervals are of the bootstrap over series.
"""

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from tslm import BaselineForecaster, TSLMForecaster
from tslm.core.config.compose import compose
from tslm.core.files import write_json
from tslm.data.datasets import benchmarks, competitions

KINDS = ("spike", "shift", "season", "frozen", "variance")
H, LENGTH = 24, 24  # steps ahead; rows of an anomaly
TRAIN, CLEAN, DIRTY = 456, 168, 336
SERIES, SEEDS, ROUNDS = 10, (0, 1, 2), 2000
SIZE = 4  # of spikes and shifts, in robust standard deviations of the changes from day to day
ARMS = {
    "profile_ar": {"model": "profile_ar"},
    "AutoTimes, quantile": {"base": None, "decoder": "quantile"},
    "AutoTimes, student_t": {"base": None, "decoder": "student_t"},
    "mix, quantile": {"decoder": "quantile"},
}


def rows_of(name: str) -> pd.DataFrame:
    """Return the last rows of some series of a set, hour by hour."""
    if name == "m4_hourly":
        content = compose("verb/benchmark", [f"benchmark={name}"]).benchmark
        found = competitions.load(content).longer_than(TRAIN + CLEAN + DIRTY + 48 - 1).frame
        ids = found.unique_id.unique()
        found = found[found.unique_id.isin(ids[:: len(ids) // SERIES][:SERIES])]
    else:
        found = benchmarks.load(name).frame
        row = found.groupby("unique_id").cumcount()
        found = found[row % 6 == 0] if name == "weather" else found
        found = found[found.unique_id.isin(found.unique_id.unique()[:SERIES])]
    found = found.groupby("unique_id").tail(TRAIN + CLEAN + DIRTY).copy()
    found["ds"] = found.groupby("unique_id").cumcount()  # steps: no arm reads times
    return found.reset_index(drop=True)


def spoilt(y: np.ndarray, dice: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Put one anomaly of each kind, and two more spikes, into the last rows of a series.

    Returns:
        The values, and the number of the kind of each row; -1 for none.
    """
    y, kind = y.copy(), np.full(len(y), -1)
    train = y[:TRAIN]
    change = train[24:] - train[:-24]
    size = SIZE * max(1.4826 * np.median(np.abs(change - np.median(change))), 0.1 * train.std())
    slots = np.array_split(np.arange(TRAIN + CLEAN, len(y) - LENGTH), len(KINDS) + 2)
    for number, slot in zip(dice.permutation([*range(len(KINDS)), 0, 0]), slots, strict=True):
        first = int(dice.choice(slot[: max(1, len(slot) - LENGTH)]))
        rows = np.arange(first, first + (1 if KINDS[number] == "spike" else LENGTH))
        sign = dice.choice([-1, 1])
        kind[rows] = number
        if KINDS[number] in ("spike", "shift"):
            y[rows] += sign * size
        elif KINDS[number] == "season":
            y[rows] = y[first - 24 : first].mean() + np.diff(y[rows[0] - 1 : rows[-1] + 1]) / 2
        elif KINDS[number] == "frozen":
            y[rows] = y[first - 1]
        else:
            y[rows] += dice.normal(size=LENGTH) * size / 3
    return y, kind


def fitted(arm: str, train: pd.DataFrame, seed: int) -> Any:
    """Fit the model of an arm."""
    options = ARMS[arm]
    shared = {"h": H, "season_length": 24, "freq": 1, "context_length": 168, "verbose": 0}
    if "model" in options:
        return BaselineForecaster(options["model"], **shared).fit(train)
    usual = {"backbone": "smollm2-135m", "n_layers": 2, "max_steps": 100, "batch_size": 32}
    own = {"adapter": "autotimes", "random_state": seed, "val_size": 144}
    model = TSLMForecaster(**{**shared, **usual, **own, **options})
    return model.set_params(adapter__patch_len=24).fit(train)


def measured(name: str, seed: int, work: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the scores of each arm on a set, from a file if it exists."""
    clean = rows_of(name)
    dice = np.random.default_rng([seed, len(name)])
    dirty, kinds = clean.copy(), []
    for _, part in clean.groupby("unique_id", sort=False):
        y, kind = spoilt(part.y.to_numpy(), dice)
        dirty.loc[part.index, "y"] = y
        kinds.append(kind)
    dirty["kind"] = np.concatenate(kinds)
    train = clean[clean.ds < TRAIN]
    for arm in ARMS:
        file = work / f"{name}-{arm.replace(', ', '-')}-{seed}.parquet"
        if not file.exists():
            model = fitted(arm, train, 0 if "model" in ARMS[arm] else seed)
            seen = dirty[dirty.ds >= TRAIN - 168][["unique_id", "ds", "y"]]
            scores = model.score_samples(seen).rename(columns={model.name: "forecast"})
            scores.to_parquet(file)
            print(name, arm, seed, flush=True)
        found = pd.read_parquet(file)
        found = found.merge(dirty[["unique_id", "ds", "kind"]], on=["unique_id", "ds"])
        error = found.y - found.forecast
        rows = found.assign(error=error.abs(), lead=found.ds - found.cutoff)
        usual = rows[rows.ds < TRAIN + CLEAN].groupby(["unique_id", "lead"]).error
        scale = usual.apply(lambda e: float(np.sqrt((e**2).mean()))).rename("scale")
        rows = rows.merge(scale, on=["unique_id", "lead"])
        rows["z"] = rows.error / rows.scale.clip(lower=1e-9)
        size = rows[rows.ds < TRAIN + CLEAN].groupby("unique_id").error
        size = size.apply(lambda e: float(np.sqrt((e**2).mean())))
        rows["z of series"] = rows.error / rows.unique_id.map(size).clip(lower=1e-9)
        yield arm, rows[rows.ds >= TRAIN + CLEAN]


def areas(rows: pd.DataFrame, score: str) -> dict[str, np.ndarray]:
    """Return the AUC of each kind and of all together, one per series."""
    found: dict[str, list[float]] = {kind: [] for kind in (*KINDS, "all")}
    for _, own in rows.groupby("unique_id", sort=False):
        for number, kind in enumerate((*KINDS, "all")):
            chosen = own[(own.kind < 0) | (own.kind == number) | (kind == "all")]
            found[kind].append(roc_auc_score(chosen.kind >= 0, chosen[score]))
    return {kind: np.array(values) for kind, values in found.items()}


def window_areas(rows: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the AUC of the windows with an anomaly, one per series, by p-value and by z-scores."""
    windows = rows.assign(square=rows["z of series"] ** 2, bad=rows.kind >= 0).groupby(
        ["unique_id", "cutoff"]
    )
    table = windows.agg({"window_p_value": "first", "square": "mean", "bad": "max"}).reset_index()
    table["surprise"] = -np.log(table.window_p_value)
    found: dict[str, list[float]] = {"p": [], "z of series": []}
    for _, own in table.groupby("unique_id", sort=False):
        if own.bad.nunique() == 2:
            found["p"].append(roc_auc_score(own.bad, own.surprise))
            found["z of series"].append(roc_auc_score(own.bad, own.square))
    return {label: np.array(values) for label, values in found.items()}


def main() -> None:
    """Measure all sets and seeds, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=["etth1", "weather", "m4_hourly"])
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore", UserWarning)
    table = []
    for name in asked.sets:
        found: dict[str, list[dict[str, np.ndarray]]] = {}
        false: dict[str, list[float]] = {}
        joint: dict[str, list[dict[str, np.ndarray]]] = {}
        for seed in asked.seeds:
            for arm, rows in measured(name, seed, asked.work):
                rows = rows.assign(surprise=-np.log(rows.p_value), unlikely=-rows.log_likelihood)
                for label, score in (
                    ("p", "surprise"),
                    ("log-likelihood", "unlikely"),
                    ("z", "z"),
                    ("z of series", "z of series"),
                ):
                    found.setdefault(f"{arm}, {label}", []).append(areas(rows, score))
                fine = rows[rows.kind < 0]
                limits = {"p": fine.p_value <= 0.01, "z of series": fine["z of series"] >= 2.5758}
                for label, marked in limits.items():
                    false.setdefault(f"{arm}, {label}", []).append(float(marked.mean()))
                joint.setdefault(arm, []).append(window_areas(rows))
        base = "profile_ar, z of series"
        dice = np.random.default_rng(0)
        for label, runs in found.items():
            row: dict[str, Any] = {"set": name, "score": label}
            for kind in (*KINDS, "all"):
                mine = np.stack([run[kind] for run in runs])
                row[kind] = round(float(mine.mean()), 3)
            rival = label.rsplit(", ", 1)[0] + ", z of series"
            for title, other in (("against base z", base), ("against own z", rival)):
                gaps = np.stack(
                    [a["all"] - b["all"] for a, b in zip(runs, found[other], strict=True)]
                ).mean(0)
                draws = dice.choice(gaps, (ROUNDS, len(gaps))).mean(1)
                ends = np.quantile(draws, [0.025, 0.975])
                row[title] = [round(float(v), 3) for v in (gaps.mean(), *ends)]
            if label in false:
                arm, score = label.rsplit(", ", 1)
                row["normal rows marked at .01"] = round(float(np.mean(false[label])), 4)
                row["windows"] = round(float(np.mean([run[score].mean() for run in joint[arm]])), 3)
            table.append(row)
            print(json.dumps(row), flush=True)
        write_json({"settings": {**ARMS}, "seeds": list(asked.seeds), "results": table}, asked.out)


if __name__ == "__main__":
    main()
