"""Retrieval: futures of similar past windows, as a base that is corrected and as inputs.

    python docs/benchmarks/ideas/retrieval.py long --work runs/retrieval \
        --out docs/results/ideas/retrieval-long.json
    python docs/benchmarks/ideas/retrieval.py m4_hourly --work runs/retrieval \
        --out docs/results/ideas/retrieval-m4_hourly.json

The first word is ``long`` (ETTh1 and ETTh2, 96 steps ahead) or a set of the M protocol (m4_hourly,
m3_monthly, hospital), of which one window per series is scored: the horizon after the known rows,
or with ``--rows val`` the one before. Arms, all on 32 similar windows:

- none: AutoTimes without retrieval;
- inputs: the mean of the futures is an input of each token (retrieval=32);
- base: AutoTimes corrects this mean (base=analogues);
- rule: this mean alone;
- profile_ar: AutoTimes corrects the seasonal profile with an autoregression;
- profile_ar, inputs: the same with retrieval=32.
"""

import argparse
import functools
import sys
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pairs
from pairs import Study, autotimes, study

from tslm import BaselineForecaster
from tslm.core.config.choices import node
from tslm.data.columns import Columns
from tslm.data.datasets import benchmarks, competitions
from tslm.data.datasets.competitions import Competition
from tslm.data.frame import read_frame
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.training.weights import trained_weights
from tslm.estimators.validation.window_errors import score

LONG = {"etth1": 24, "etth2": 24}
SHORT = ("m4_hourly", "m3_monthly", "hospital")
ensure_long = pairs._ensure


def model(data: Any, h: int, base: str | None, retrieval: int = 0) -> TrainedForecaster:
    """Return AutoTimes with a base, with or without retrieved inputs."""
    settings = {"base": base, "retrieval": retrieval, "max_steps": 120, "batch_size": 32}
    return autotimes(data, h, **settings)


def rule(data: Any, h: int) -> TrainedForecaster:
    """Return the analogues alone."""
    return BaselineForecaster("analogues", h=h, context_length=7 * h, verbose=0)


ARMS = {
    "none": functools.partial(model, base=None),
    "inputs": functools.partial(model, base=None, retrieval=32),
    "base": functools.partial(model, base="analogues"),
    "rule": rule,
    "profile_ar": functools.partial(model, base="profile_ar"),
    "profile_ar, inputs": functools.partial(model, base="profile_ar", retrieval=32),
}


def load(name: str) -> Any:
    """Return a set of either protocol."""
    if name in SHORT:
        return competitions.load(node("benchmark", name))
    return benchmarks.load(name)


def ensure(
    plan: Study, data: Any, name: str, arm: str, seed: int, asked: argparse.Namespace
) -> None:
    """Fit and score one arm with one seed, unless its file exists."""
    if not isinstance(data, Competition):
        return ensure_long(plan, data, name, arm, seed, asked)
    file = pairs._file(asked.work, asked.rows, name, arm, seed)
    if file.exists():
        return None
    h, frame = data.horizon, whole(data, asked.rows)
    fitted = plan.arms[arm](data, h)
    fitted.set_params(freq=1, season_length=data.season_length, random_state=seed)
    if arm == "rule":
        fitted.set_params(context_length=None)
    left = frame.groupby("unique_id", sort=False).cumcount(ascending=False)
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fitted.fit(frame[left >= h])
    fit_seconds = time.process_time() - began
    panel = fitted.panel_reader.panel_of(read_frame(frame, Columns(), freq=1))
    began = time.process_time()
    found = score(
        fitted.forecaster_,
        panel,
        context_length=fitted.context_length_,
        horizons=[h],
        start=panel.lengths - h,
        stop=panel.lengths,
        batch_size=plan.batch_size,
    )
    facts = {
        "settings": fitted.settings,
        "weights": sum(weight.numel() for weight in trained_weights(fitted.forecaster_)),
        "fit_cpu_seconds": round(fit_seconds, 1),
        "score_cpu_seconds": round(time.process_time() - began, 1),
    }
    pairs._save(file, found, facts)
    print(f"{name} {arm} seed {seed}  {h}: {found[h].means()[0]:.4f}", flush=True)
    return None


def whole(data: Competition, rows: str) -> pd.DataFrame:
    """Return the series up to the end of the rows to score."""
    parts = {
        key: values if rows == "val" else np.concatenate([values, data.truth[key]])
        for key, values in data.known.items()
    }
    return pd.concat(
        [pd.DataFrame({"unique_id": k, "ds": np.arange(len(v)), "y": v}) for k, v in parts.items()],
        ignore_index=True,
    )


if __name__ == "__main__":
    kind = sys.argv.pop(1)
    pairs.load, pairs._ensure = load, ensure
    sets = LONG if kind == "long" else {kind: 1}
    horizons = (96,) if kind == "long" else (load(kind).horizon,)
    study(Study(arms=ARMS, reference="none", sets=sets, horizons=horizons))
