"""Row 6: a joint law of the path by flow matching, beside quantiles with Schaake paths.

    python docs/benchmarks/ideas/flow.py --work runs/flow --out flow.json [--rows val]

Fits AutoTimes with ``decoder=quantile`` and ``decoder=flow`` on two blocks of SmolLM2-135M, draws
100 sample paths of every scored window with the same fitted model, and scores them as a whole
(energy score, variogram score) and step by step (wQL: twice the pinball loss of the paths'
quantiles). Values are standardised by the training rows. Scores of every window are kept in
``--work``, one file per set, arm and seed. ``--rows val`` scores the first half of the validation
rows. ``--beyond`` draws paths of twice the trained horizon, for which segments are rolled out.
Seconds are of processor time, medians of runs in turn.
"""

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from pairs import autotimes

from tslm import TSLMForecaster
from tslm.core.config.compose import compose
from tslm.core.files import write_json
from tslm.core.types import Batch
from tslm.data.columns import Columns
from tslm.data.datasets.benchmarks import load
from tslm.data.datasets.competitions import Competition, long_frame
from tslm.data.datasets.competitions import load as read_competition
from tslm.data.frame import read_frame
from tslm.data.windows import Windows
from tslm.evaluation.ablation.comparison import Errors, compare, holm, pooled
from tslm.evaluation.metrics.sample_paths import energy_score, variogram_score
from tslm.uncertainty.conformal.window_forecast import WindowForecast
from tslm.uncertainty.distributions.quantile import DEFAULT

SETS = {"etth1": (96, 48), "etth2": (96, 48), "exchange": (96, 24), "weather": (96, 480)}
SHORT = {"m4_hourly": (48, 1)}  # horizon, and steps between windows
ARMS = ("quantile", "flow")
SEEDS = (0, 1, 2)
PATHS = 100
STEPS = 150
VALIDATION = 960  # rows whose errors give the ranks of Schaake paths; ten horizons, to save time
TOKENS = 4  # segments of a context
SCORES = ("energy", "variogram", "wql")


def competition(name: str) -> Competition:
    """Read a set of ``conf/benchmark`` with one origin per series."""
    return read_competition(compose("verb/benchmark", [f"benchmark={name}"]).benchmark)


def fitted(name: str, arm: str, seed: int, horizon: int) -> tuple[TSLMForecaster, Any]:
    """Return an arm fitted on the training rows, and the windows to score."""
    model = autotimes(
        None,
        horizon,
        decoder=arm,
        max_steps=STEPS,
        batch_size=32,
        context_length=TOKENS * horizon,
        random_state=seed,
        accelerator="cpu",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if name in SHORT:
            data = competition(name)
            model.set_params(season_length=data.season_length)
            return model.fit(data.frame), data
        data = load(name)
        model.set_params(freq=data.freq, season_length=data.season_length)
        row = data.frame.groupby("unique_id", sort=False).cumcount()
        train_end, val_end, _ = data.borders
        stop = min(train_end + VALIDATION, val_end)
        val = data.frame[(row >= train_end) & (row < stop)]
        return model.fit(data.frame[row < train_end], val_df=val), data


def windows(model: TSLMForecaster, data: Any, name: str, rows: str, h: int) -> Iterator[Any]:
    """Yield batches of windows with their targets, and the series and rows of these."""
    if name in SHORT:
        whole = long_frame({k: np.append(v, data.truth[k]) for k, v in data.known.items()})
        until = np.array([len(v) for v in data.known.values()])
        panel = model.panel_reader.panel_of(read_frame(whole, Columns(), freq=1), until)
        start, stop, stride = panel.lengths - h, panel.lengths, 1
    else:
        panel = model.panel_reader.panel_of(read_frame(data.frame, Columns(), freq=data.freq))
        first, last = data.target_rows(rows)
        last = (first + last) // 2 if rows == "val" else last
        start, stop = (np.full(len(panel), row) for row in (first, last))
        stride = SETS[name][1]
    model.prepare(panel)
    every = Windows(
        panel,
        context_length=model.context_length_,
        future_length=h,
        start=start,
        stop=stop,
        stride=stride,
    )
    for index in torch.arange(len(every)).split(64):
        yield every.cut(index), every.series(index).numpy(), every.position(index).numpy()


def paths(model: TSLMForecaster, batch: Batch, keys: list[Any], h: int) -> np.ndarray:
    """Draw sample paths of one channel, ``[n, B, H]``."""
    point = model.forecaster_.forecast(batch, h)
    forecast = WindowForecast(model.forecaster_, batch._replace(future=point[:, :0]), point, keys)
    with torch.no_grad():
        return model.calibration_.paths(forecast, PATHS, 0)[..., 0].double().numpy()


def scores(truth: np.ndarray, drawn: np.ndarray) -> list[tuple[float, float, float]]:
    """Return the energy score, variogram score and wQL of each window."""
    level = np.array(DEFAULT)[:, None, None]
    gap = truth - np.quantile(drawn, DEFAULT, axis=0)
    wql = 2 * np.maximum(level * gap, (level - 1) * gap).mean((0, 2))
    found = []
    for number, own in enumerate(truth):
        whole = drawn[:, number]
        found.append((energy_score(own, whole), variogram_score(own, whole), wql[number]))
    return found


def ensure(name: str, arm: str, seed: int, asked: argparse.Namespace) -> None:
    """Fit, draw and score one arm with one seed, unless its file exists."""
    file = asked.work / f"{asked.rows}-{name}-{arm}-{seed}{'-beyond' * asked.beyond}.npz"
    if file.exists():
        return
    horizon = {**SETS, **SHORT}[name][0]
    model, data = fitted(name, arm, seed, horizon)
    h = 2 * horizon if asked.beyond else horizon
    kept, seconds = [], []
    for batch, series, position in windows(model, data, name, asked.rows, h):
        keys = [f"{s} {p}" for s, p in zip(series, position, strict=True)]
        began = time.process_time()
        drawn = paths(model, batch, keys, h)
        seconds.append((time.process_time() - began) / len(keys))
        kept += [
            (s, p, *row)
            for s, p, row in zip(
                series, position, scores(batch.future[..., 0].double().numpy(), drawn), strict=True
            )
        ]
    facts = {"settings": model.settings, "milliseconds": 1000 * median(seconds)}
    draft = file.with_suffix(".draft.npz")
    np.savez(draft, kept=np.array(kept), facts=json.dumps(facts))
    draft.replace(file)
    print(name, arm, seed, np.array(kept)[:, 2:].mean(0).round(4), flush=True)


def table(name: str, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each score and arm of a set, beside quantiles."""
    rows, ending = [], "-beyond" * asked.beyond
    runs = {
        arm: [
            np.load(asked.work / f"{asked.rows}-{name}-{arm}-{seed}{ending}.npz")
            for seed in asked.seeds
        ]
        for arm in asked.arms
    }
    horizon, stride = {**SETS, **SHORT}[name]
    for column, score in enumerate(SCORES, 2):
        found = {}
        for arm, files in runs.items():
            kept = [file["kept"] for file in files]
            order = np.lexsort((kept[0][:, 1], kept[0][:, 0]))
            series, position = kept[0][order, :2].astype(int).T
            found[arm] = Errors(np.stack([part[order, column] for part in kept]), series, position)
        noise = pooled(list(found.values()))
        others = [arm for arm in asked.arms if arm != "quantile"]
        block = horizon * (1 + asked.beyond)
        effects = [compare(found[arm], found["quantile"], block, noise) for arm in others]
        p = holm([effect.p for effect in effects])
        for arm, errors in found.items():
            facts = json.loads(runs[arm][0]["facts"].item())
            row = {"set": name, "score": score, "arm": arm, "value": round(errors.mean, 5)}
            row |= {"seeds_percent": round(errors.spread, 2), "windows": errors.runs.shape[1]}
            row |= {"stride": stride, "horizon": block}
            row["milliseconds"] = round(facts["milliseconds"], 2)
            if arm in others:
                effect = effects[others.index(arm)]
                row |= {"percent": round(effect.percent, 2), "low": round(effect.low, 2)}
                row |= {"high": round(effect.high, 2)}
                row["verdict"] = effect.verdict(p[others.index(arm)])
            rows.append(row | ({"settings": facts["settings"]} if score == "energy" else {}))
    return rows


def main() -> None:
    """Run what is missing, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", choices=["val", "test"], default="test")
    parser.add_argument("--sets", nargs="*", default=[*SETS, *SHORT])
    parser.add_argument("--arms", nargs="*", default=list(ARMS))
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--beyond", action="store_true")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in asked.sets:
        for seed in asked.seeds:
            for arm in asked.arms:
                ensure(name, arm, seed, asked)
        rows += table(name, asked)
        write_json({"rows": asked.rows, "seeds": asked.seeds, "results": rows}, asked.out)
    for row in rows:
        gap = (
            f"{row['percent']:+.1f} ({row['low']:+.1f} to {row['high']:+.1f})"
            if "low" in row
            else ""
        )
        print(f"| {row['set']} | {row['score']} | {row['arm']} | {row['value']:.4f} | {gap} |")


if __name__ == "__main__":
    main()
