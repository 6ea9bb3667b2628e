"""The likeliest of 100 sample paths as a forecast, beside the median and the mean of the paths.

TSLM_DATA=... python docs/benchmarks/ideas/likely.py --out docs/results/ideas/likely.json
"""

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from anomalies import TRAIN, rows_of
from scipy.stats import norm

from tslm import BaselineForecaster
from tslm.estimators.likelihood_scores import REQUEST
from tslm.uncertainty.conformal.likelihood import likelihood

H, PATHS, DAYS, SEEDS = 24, 100, 20, (0, 1, 2)
SETS = ("etth1", "weather", "m4_hourly")
SHRINKAGE = 0.1  # of the correlation of steps, towards none


def errors_of(name: str, seed: int) -> dict[str, float]:
    """Return the mean squared error of each forecast, in variances of the past of each series."""
    rows = rows_of(name)
    model = BaselineForecaster(
        "profile_ar", h=H, season_length=H, freq=1, context_length=168, verbose=0, random_state=seed
    ).fit(rows[rows.ds < TRAIN])
    errors: dict[str, list[float]] = {}
    for end in range(TRAIN, TRAIN + DAYS * H, H):
        known, ahead = rows[rows.ds < end], rows[(rows.ds >= end) & (rows.ds < end + H)]
        found = model.predict(known, num_samples=PATHS)
        panel = model.panel_reader.read(known)
        paths = found.filter(like="-sample-").to_numpy().T.reshape(PATHS, -1, H)
        quantiles = model.forecast_panel(panel, H, REQUEST).values[1:]
        spread = known.groupby("unique_id", sort=False).y.std().to_numpy()[:, None]
        seen = [likelihood(quantiles, path, spread) for path in paths]
        alone = np.stack([each.log_density.sum(1) for each in seen])
        scores = np.stack([each.score for each in seen])
        joint = alone + _dependence(model, scores)
        number = np.arange(paths.shape[1])
        forecasts = {
            "point forecast": found[model.name].to_numpy().reshape(-1, H),
            "mean of the paths": paths.mean(0),
            "likeliest path, step by step": paths[alone.argmax(0), number],
            "likeliest path, jointly": paths[joint.argmax(0), number],
            "first path": paths[0],
        }
        truth = ahead.y.to_numpy().reshape(-1, H)
        for kind, values in forecasts.items():
            gap = ((values - truth) / spread) ** 2
            errors.setdefault(kind, []).append(float(gap.mean()))
    return {kind: float(np.mean(values)) for kind, values in errors.items()}


def _dependence(model: BaselineForecaster, scores: Any) -> Any:
    """Return the log-density of the Gaussian copula of the validation errors, for normal scores."""
    ranks = model.calibration_.template.ranks.numpy()
    correlation = np.corrcoef(norm.ppf(ranks / (len(ranks) + 1)).T)
    whole = (1 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(H)
    inverse = np.linalg.inv(whole) - np.eye(H)
    return -0.5 * np.einsum("psh,hk,psk->ps", scores, inverse, scores)


if __name__ == "__main__":
    warnings.simplefilter("ignore", UserWarning)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    records = []
    args = parser.parse_args()
    for name in SETS:
        runs = [errors_of(name, seed) for seed in SEEDS]
        for kind in runs[0]:
            values = [run[kind] for run in runs]
            over = [100 * (run[kind] / run["point forecast"] - 1) for run in runs]
            records.append({"set": name, "forecast": kind, "mse": values, "percent": over})
            print(f"{name:10} {kind:30} {np.mean(values):.4f} {np.mean(over):+.1f} %", flush=True)
        args.out.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
