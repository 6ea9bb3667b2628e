"""Arms of a study on published sets: the same windows, every seed, paired intervals.

A script of a study says which arms there are, and calls ``study``:

    from pairs import Study, study

    study(Study(
        arms={
            "sliding": lambda data, h: autotimes(data, h, rollout="sliding"),
            "cached": lambda data, h: autotimes(data, h, rollout="cached"),
        },
        reference="sliding",
        sets={"etth1": 24, "etth2": 24},   # name of conf/benchmark: distance of scored windows
        horizons=(96, 720),
    ))

    python docs/benchmarks/ideas/NAME.py --work runs/NAME --out NAME.json
    python docs/benchmarks/ideas/NAME.py --work runs/NAME --out NAME.json --rows val

Models are fitted on the training rows for the first horizon. ``--rows val`` scores the validation
rows, on which settings are chosen; without it the test rows are scored. ``--work`` keeps the errors
of every window, one file per set, arm and seed, so a stopped study goes on. The result has the
settings of each arm beside its errors. Errors are those of series that are standardised by their
training rows. Intervals are those of ``tslm.evaluation.ablation.comparison``.
"""

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tslm import TSLMForecaster
from tslm.core.files import write_json
from tslm.data.columns import Columns
from tslm.data.datasets.benchmarks import Benchmark, load
from tslm.data.frame import read_frame
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.training.weights import trained_weights
from tslm.estimators.validation.window_errors import WindowErrors, score
from tslm.evaluation.ablation.comparison import Errors, compare, holm, pooled

Maker = Callable[[Benchmark, int], TrainedForecaster]  # data, horizon -> unfitted estimator
Change = Callable[[TrainedForecaster], None]  # changes a fitted estimator before it is scored
Found = dict[int, WindowErrors]  # horizon -> errors of its windows


@dataclass(frozen=True)
class Study:
    """Arms, data sets and horizons of a study.

    Attributes:
        arms: name and maker of each arm; one fit per arm, set and seed.
        reference: arm that the others are compared with.
        sets: names of ``conf/benchmark`` and the steps between scored windows.
        horizons: scored horizons; models are fitted for the first one.
        seeds: one training run each.
        readings: name and change of each way to forecast with the same fitted model, such as the
            roll-outs; arms are then called ``ARM/READING``. ``reference`` is one of these names.
        batch_size: windows forecast at once.
    """

    arms: Mapping[str, Maker]
    reference: str
    sets: Mapping[str, int]
    horizons: Sequence[int] = (96, 192, 336, 720)
    seeds: Sequence[int] = (0, 1, 2)
    readings: Mapping[str, Change] = field(default_factory=dict)
    batch_size: int = 256


def autotimes(data: Benchmark, h: int, **settings: Any) -> TSLMForecaster:
    """Return AutoTimes on two blocks of SmolLM2-135M, 200 steps; ``settings`` replace these."""
    usual = {
        "adapter": "autotimes",
        "base": None,
        "backbone": "smollm2-135m",
        "n_layers": 2,
        "max_steps": 200,
        "batch_size": 64,
        "verbose": 0,
    }
    return TSLMForecaster(h=h, **{**usual, **settings})


def study(plan: Study) -> None:
    """Run the study that the command line asks for, and write its result."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", type=Path, required=True, help="folder of errors by window")
    parser.add_argument("--out", type=Path, required=True, help="JSON file of the result")
    parser.add_argument("--rows", choices=["val", "test"], default="test")
    parser.add_argument("--sets", nargs="*", default=list(plan.sets))
    parser.add_argument("--arms", nargs="*", default=list(plan.arms))
    parser.add_argument("--seeds", nargs="*", type=int, default=list(plan.seeds))
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    tables = []
    for name in asked.sets:
        data = load(name)
        for seed in asked.seeds:
            for arm in asked.arms:
                _ensure(plan, data, name, arm, seed, asked)
        tables += _table(plan, data, name, asked)
        write_json({"rows": asked.rows, "seeds": asked.seeds, "results": tables}, asked.out)
    _show(tables)


def _file(work: Path, rows: str, name: str, arm: str, seed: int) -> Path:
    return work / f"{rows}-{name}-{arm.replace('/', '+')}-{seed}.npz"


def _ensure(
    plan: Study, data: Benchmark, name: str, arm: str, seed: int, asked: argparse.Namespace
) -> None:
    """Fit and score one arm with one seed, unless its files exist."""
    names = [f"{arm}/{reading}" for reading in plan.readings] or [arm]
    files = [_file(asked.work, asked.rows, name, each, seed) for each in names]
    if all(file.exists() for file in files):
        return
    row = data.frame.groupby("unique_id", sort=False).cumcount()
    train_end, val_end, _ = data.borders
    model = plan.arms[arm](data, plan.horizons[0])
    own = {"freq": data.freq, "season_length": data.season_length, "random_state": seed}
    model.set_params(**own)
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        val = data.frame[(row >= train_end) & (row < val_end)]
        model.fit(data.frame[row < train_end], val_df=val)
    fit_seconds = time.process_time() - began
    changes = list(plan.readings.values()) or [lambda model: None]
    for each, file, change in zip(names, files, changes, strict=True):
        change(model)
        began = time.process_time()
        found = scored(model, data, plan.horizons, asked.rows, plan.sets[name], plan.batch_size)
        facts = {
            "settings": model.settings,
            "weights": sum(weight.numel() for weight in trained_weights(model.forecaster_)),
            "fit_cpu_seconds": round(fit_seconds, 1),
            "score_cpu_seconds": round(time.process_time() - began, 1),
        }
        _save(file, found, facts)
        means = "  ".join(f"{h}: {errors.means()[0]:.4f}" for h, errors in found.items())
        print(f"{name} {each} seed {seed}  {means}", flush=True)


def scored(
    model: TrainedForecaster,
    data: Benchmark,
    horizons: Sequence[int],
    rows: str,
    stride: int,
    batch_size: int = 256,
) -> Found:
    """Return the errors of a fitted model on the validation or test rows of a benchmark.

    Args:
        model: fitted estimator.
        data: the benchmark.
        horizons: horizons to score.
        rows: "val" or "test".
        stride: steps between windows.
        batch_size: windows forecast at once.
    """
    panel = model.panel_reader.panel_of(read_frame(data.frame, Columns(), freq=data.freq))
    model.prepare(panel)
    start, stop = (np.full(len(panel), row) for row in data.target_rows(rows))
    errors = score(
        model.forecaster_,
        panel,
        context_length=model.context_length_,
        horizons=horizons,
        start=start,
        stop=stop,
        stride=stride,
        batch_size=batch_size,
    )
    unit = data.spread_of(panel.ids) / panel.spread
    return {horizon: found.per(unit) for horizon, found in errors.items()}


def _save(file: Path, found: Found, facts: Mapping[str, Any]) -> None:
    columns = {
        f"{horizon}.{part}": getattr(errors, part)
        for horizon, errors in found.items()
        for part in ("series", "position", "mse", "mae")
    }
    draft = file.with_suffix(".draft.npz")
    np.savez(draft, facts=json.dumps(facts), **columns)
    draft.replace(file)


def _table(
    plan: Study, data: Benchmark, name: str, asked: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return one row per horizon and arm of a set, beside the reference."""
    arms = [
        f"{arm}/{reading}" if reading else arm
        for arm in asked.arms
        for reading in (list(plan.readings) or [""])
    ]
    rows = []
    for horizon in plan.horizons:
        found, facts = {}, {}
        for arm in arms:
            files = [_file(asked.work, asked.rows, name, arm, seed) for seed in asked.seeds]
            runs = [np.load(file) for file in files]
            order = np.lexsort((runs[0][f"{horizon}.position"], runs[0][f"{horizon}.series"]))
            series, position = (runs[0][f"{horizon}.{k}"][order] for k in ("series", "position"))
            every = [json.loads(run["facts"].item()) for run in runs]
            trained = every[0]["weights"] > 0
            values = {
                part: np.stack([run[f"{horizon}.{part}"][order] for run in runs])
                for part in ("mse", "mae")
            }
            found[arm] = Errors(values["mse"], series, position, trained), values["mae"].mean()
            facts[arm] = every[0] | {
                kind: round(float(np.mean([each[kind] for each in every])), 1)
                for kind in ("fit_cpu_seconds", "score_cpu_seconds")
            }
        noise = pooled([errors for errors, _ in found.values()])
        block = max(horizon, data.season_length)
        others = [arm for arm in arms if arm != plan.reference]
        known = plan.reference in found
        reference = found[plan.reference][0] if known else None
        effects = {arm: compare(found[arm][0], reference, block, noise) for arm in others if known}
        p = dict(zip(effects, holm([effect.p for effect in effects.values()]), strict=True))
        for arm in arms:
            errors, mae = found[arm]
            row = {
                "set": name,
                "horizon": horizon,
                "arm": arm,
                "mse": round(errors.mean, 5),
                "mae": round(float(mae), 5),
                "seeds_percent": round(errors.spread, 2),
                "windows": errors.runs.shape[1],
                "stride": plan.sets[name],
            }
            if arm in effects:
                effect = effects[arm]
                row |= {
                    "percent": round(effect.percent, 2),
                    "low": round(effect.low, 2),
                    "high": round(effect.high, 2),
                    "verdict": effect.verdict(p[arm]),
                }
            rows.append(row | facts[arm])
    return rows


def _show(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows as a Markdown table."""
    print("| set | h | arm | MSE | MAE | seeds, % | against the reference, % | verdict |")
    print("|---|--:|---|--:|--:|--:|---|---|")
    for row in rows:
        gap = ""
        if "percent" in row:
            gap = f"{row['percent']:+.1f} ({row['low']:+.1f} to {row['high']:+.1f})"
        print(
            f"| {row['set']} | {row['horizon']} | {row['arm']} | {row['mse']:.4f} | "
            f"{row['mae']:.4f} | {row['seeds_percent']:.1f} | {gap} | {row.get('verdict', '')} |"
        )
