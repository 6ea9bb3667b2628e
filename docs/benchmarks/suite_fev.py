"""Errors of the electricity prices of tslm suite, computed again by fev from stored forecasts.

It runs in the environment of ``make suite-peers`` and imports nothing of tslm. It reads the data
files itself, so that it also checks how the suite cuts windows.
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
TOLERANCE = 2e-5  # relative


def main() -> None:
    """Compare SQL and MASE of every stored run with those of fev; exit with 1 if they differ."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="folder with epf_DE.csv.gz")
    parser.add_argument("--out", type=Path, required=True, help="folder of the group's results")
    arguments = parser.parse_args()
    worst = 0.0
    for folder in sorted(path for path in arguments.out.iterdir() if path.is_dir()):
        for path in sorted(folder.glob("*.json")):
            record = json.loads(path.read_text())
            for run in (run for run in record["runs"] if "forecasts" in run):
                scores = by_fev(folder.name, folder / run["forecasts"], arguments.data)
                ours = {metric: run["scores"][metric.lower()] for metric in scores}
                gaps = {metric: abs(ours[metric] / scores[metric] - 1) for metric in scores}
                worst = max(worst, *gaps.values())
                shown = "  ".join(f"{m} {scores[m]:.6f} (ours {ours[m]:.6f})" for m in scores)
                print(f"{folder.name} {record['model']} seed {run['seed']}: {shown}", flush=True)
    print(f"largest relative difference {worst:.1e}")
    raise SystemExit(int(worst > TOLERANCE))


def by_fev(name: str, forecasts: Path, data: Path) -> dict[str, float]:
    """Return the errors that fev computes for the forecasts of one run."""
    import datasets
    import fev

    table = pd.read_csv(data / f"epf_{name.removeprefix('epf_').upper()}.csv.gz")
    rows = {
        "id": ["OT"],
        "timestamp": [pd.to_datetime(table.iloc[:, 0]).to_numpy()],
        "target": [table["OT"].to_numpy(dtype=np.float64)],
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.parquet"
        datasets.Dataset.from_dict(rows).to_parquet(path)
        task = fev.Task(
            dataset_path=str(path),
            horizon=24,
            num_windows=20,
            seasonality=24,
            eval_metric="SQL",
            extra_metrics=["MASE"],
            quantile_levels=LEVELS,
        )
        predictions = [of_window(pd.read_parquet(forecasts), number) for number in range(20)]
        summary = task.evaluation_summary(predictions, model_name=name)
    return {"SQL": float(summary["SQL"]), "MASE": float(summary["MASE"])}


def of_window(table: pd.DataFrame, number: int) -> list[dict[str, np.ndarray]]:
    """Return the forecast of one window in the form of fev: one row per series."""
    rows = table[table.window == number].sort_values("step")
    quantiles = {f"{level:g}": rows[f"q-{100 * level:g}"].to_numpy() for level in LEVELS}
    return [{"predictions": rows.point.to_numpy(), **quantiles}]


if __name__ == "__main__":
    main()
