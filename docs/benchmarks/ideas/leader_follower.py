"""Forecast noise that repeats another series 8 steps later, with series alone and together.

python docs/benchmarks/ideas/leader_follower.py docs/results/ideas/leader_follower.json

The last 400 of 2,000 rows are forecast, 8 steps from every eighth row. The error of the follower is
divided by its variance: 0 is perfect, and 1 is the best without the leader, whose own future is
not known to any model.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from multivariate import ORDERS
from pairs import autotimes

from tslm import BaselineForecaster
from tslm.core.files import write_json
from tslm.core.spec import Spec
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.models import forecast_model

ROWS, TEST, H, CONTEXT = 2000, 400, 8, 32
SIZES = {"context_length": CONTEXT, "max_steps": 150, "learning_rate": 5e-3, "val_size": 0}


def frame(seed: int) -> pd.DataFrame:
    """Return the two series."""
    noise = np.random.default_rng(seed).normal(size=ROWS + H + 2)
    noise = np.convolve(noise, [0.5, 0.3, 0.2], "valid")
    parts = {"follower": noise[:ROWS], "leader": noise[H:]}
    tables = [
        pd.DataFrame({"unique_id": name, "ds": np.arange(ROWS), "y": y})
        for name, y in parts.items()
    ]
    return pd.concat(tables, ignore_index=True)


def model_of(arm: str, seed: int) -> TrainedForecaster:
    """Return one arm, not fitted."""
    shared = {**SIZES, "random_state": seed, "freq": 1}
    if arm == "itransformer":
        return BaselineForecaster(arm, h=H, verbose=0, batch_size=64, **shared)
    adapter, _, order = arm.partition(", ")
    forecast_model.read_together = ORDERS.get(order, ORDERS["set"])  # type: ignore[assignment]
    alone = order == "alone"
    part = Spec("autotimes", patch_len=H) if adapter == "autotimes" else adapter
    return autotimes(
        None,  # type: ignore[arg-type]
        H,
        adapter=part,
        multivariate="independent" if alone else "tokens",
        **{**shared, "batch_size": 128 if alone else 64},
    )


def main(out: Path) -> None:
    """Fit and score every arm, and write the result after each."""
    results = json.loads(out.read_text()) if out.exists() else {}
    arms = ["variates, alone", "variates, set", "variates, columns", "variates, two copies"]
    for seed in (0, 1, 2):
        for arm in [*arms, "itransformer"]:
            if f"{arm} {seed}" in results:
                continue
            df, model = frame(seed), model_of(arm, seed)
            warnings.simplefilter("ignore", UserWarning)
            found = model.cross_validation(df, n_windows=TEST // H, baselines=())
            rows = found[found.unique_id == "follower"]
            error = float((rows.y - rows[model.name]).pow(2).mean() / rows.y.var())
            results[f"{arm} {seed}"] = round(error, 4)
            print(arm, seed, round(error, 4), flush=True)
            write_json(results, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
