"""Coverage and width of intervals on short series of a known distribution, each fitted alone.

Prints a table of simulated series (random walks, an autoregression, a season with noise), or, with
``--real``, of the short series of a frame of M1, M3 or M4:

    python docs/benchmarks/short_intervals.py [--series 200] [--models "last;profile_ar;tiny"]
    TSLM_DATA=... python docs/benchmarks/short_intervals.py --real

Coverage is the percentage of true values inside the intervals, over all steps of the horizon;
width is the mean over steps of the median width over series, relative to the width of the true
distribution.
"""

import argparse
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from tslm import BaselineForecaster, DataError, TSLMForecaster
from tslm.core.config.compose import compose
from tslm.data.datasets.competitions import load

H, SEASON = 12, 12
LEVELS = (80, 95)
ROWS = (5, 10, 20, 50, 105, 300)
KINDS = ("walk", "ar", "season")


@dataclass(frozen=True)
class Found:
    """Interval ends of one series, ``[levels, 2, h]``, and the true values; None if refused."""

    truth: np.ndarray
    ends: np.ndarray | None


def simulated(kind: str, rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a series with the steps to forecast, and the true standard deviation of each."""
    dice = np.random.default_rng([seed, rows, KINDS.index(kind)])
    noise, ahead = dice.normal(size=rows + H + 200), np.arange(H)
    if kind == "walk":
        return 100 + noise.cumsum()[200:], np.sqrt(ahead + 1)
    if kind == "ar":
        for t in range(1, len(noise)):
            noise[t] += 0.7 * noise[t - 1]
        return 100 + noise[200:], np.sqrt(np.cumsum(0.49**ahead))
    step = np.arange(rows + H)
    return 100 + 3 * np.sin(step * 2 * np.pi / SEASON) + noise[200:], np.ones(H)


def forecaster(name: str, h: int, season: int) -> Any:
    """Return a baseline, or AutoTimes on two random blocks."""
    shared = {"h": h, "season_length": season, "alias": "m", "random_state": 0, "verbose": 0}
    if name.partition("-")[0] != "tiny":
        return BaselineForecaster(name, **shared)
    options = {"decoder": name.partition("-")[2] or "point", "max_steps": 20, "accelerator": "cpu"}
    return TSLMForecaster(base=None, backbone="tiny", **options, **shared)


def asked(name: str, known: np.ndarray, truth: np.ndarray, season: int) -> Found:
    """Return the intervals of a model that is fitted to one series alone."""
    frame = pd.DataFrame({"unique_id": "a", "ds": np.arange(len(known)), "y": known})
    try:
        table = forecaster(name, len(truth), season).fit(frame).predict(level=list(LEVELS))
    except DataError:
        return Found(truth, None)
    ends = [[table[f"m-{end}-{n}"] for end in ("lo", "hi")] for n in LEVELS]
    return Found(truth, np.array(ends))


def row(found: list[Found], deviations: np.ndarray | None) -> str:
    """Format the fraction refused, coverage and width at each level."""
    given = [one for one in found if one.ends is not None]
    cells = [f"{100 * (1 - len(given) / len(found)):.0f}"]
    for i, level in enumerate(LEVELS):
        if not given:
            cells += ["-", "-"]
            continue
        low, high = np.stack([one.ends[i] for one in given], 1)
        truth = np.stack([one.truth for one in given])
        cells.append(f"{100 * np.mean((low <= truth) & (truth <= high)):.1f}")
        width = np.median(high - low, 0)
        if deviations is not None:
            width = width / (2 * ndtri(0.5 + level / 200) * deviations)
            cells.append(f"{width.mean():.2f}")
        else:
            cells.append(f"{100 * np.mean(high - low <= 0):.0f}")
    return " | ".join(cells)


def of_simulations(models: list[str], series: int) -> None:
    """Print a line for each model, kind of series and length."""
    print("| model | series | rows | refused % | 80 % | width | 95 % | width |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for name in models:
        for kind in KINDS:
            for rows in ROWS:
                found = []
                count = series if not name.startswith("tiny") else max(series // 4, 1)
                for seed in range(count):
                    y, deviations = simulated(kind, rows, seed)
                    found.append(asked(name, y[:-H], y[-H:], SEASON))
                print(f"| {name} | {kind} | {rows} | {row(found, deviations)} |", flush=True)


def of_real(models: list[str], series: int, benchmarks: list[str]) -> None:
    """Print a line for each model and set of short series."""
    print("| model | set | series | refused % | 80 % | zero width % | 95 % | zero width % |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for name in models:
        for benchmark in benchmarks:
            cfg = compose("verb/benchmark", [f"benchmark={benchmark}"]).benchmark
            data = load(cfg)
            ids = list(data.known)[:series]
            found = [
                asked(name, np.array(data.known[i]), np.array(data.truth[i]), data.season_length)
                for i in ids
            ]
            print(f"| {name} | {benchmark} | {len(ids)} | {row(found, None)} |", flush=True)


def main() -> None:
    """Read the command line and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--models", default="last;seasonal_naive;profile_ar;tiny;tiny-quantile")
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--benchmarks", default="m3_yearly;m3_other")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    begun = time.monotonic()
    if given.real:
        of_real(given.models.split(";"), given.series, given.benchmarks.split(";"))
    else:
        of_simulations(given.models.split(";"), given.series)
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
