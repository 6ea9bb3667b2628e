"""Share of new rows and windows without anomalies whose p-value is at most p.

    python docs/benchmarks/ideas/p_values.py --out p_values.json

Series are a daily sine and an autoregressive error of .7, with normal innovations or those of
Student's t with 4 degrees of freedom. ``profile_ar`` is fitted on the first rows, and those after
them are scored from origins 1 or 24 rows apart.
"""

import argparse
import json
from typing import Any

import numpy as np
import pandas as pd

from tslm import BaselineForecaster
from tslm.core.files import write_json

SHARES = (0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9)
PANELS = ((20, 1500, 800), (1, 4000, 1000), (4, 800, 400))  # series, rows, training rows


def series(number: int, rows: int, heavy: bool) -> pd.DataFrame:
    """Return one series."""
    dice, error = np.random.default_rng(number), np.zeros(rows)
    new = dice.standard_t(4, rows) if heavy else dice.normal(size=rows)
    for row in range(1, rows):
        error[row] = 0.7 * error[row - 1] + new[row]
    y = 50 + 10 * np.sin(2 * np.pi * np.arange(rows) / 24) + error
    days = pd.date_range("2024", periods=rows, freq="h")
    return pd.DataFrame({"unique_id": f"s{number}", "ds": days, "y": y})


def measured(count: int, rows: int, training: int, heavy: bool) -> list[dict[str, Any]]:
    """Return the shares of rows and windows of a panel, by distance of origins."""
    df = pd.concat([series(number, rows, heavy) for number in range(count)], ignore_index=True)
    times = df.ds.unique()
    model = BaselineForecaster("profile_ar", h=24, context_length=96, verbose=0)
    model.fit(df[df.ds < times[training]])
    found = []
    for h in (1, 24):
        scores = model.score_samples(df[df.ds >= times[training - 96]], h=h)
        windows = scores.drop_duplicates(["unique_id", "cutoff"])
        row: dict[str, Any] = {"series": count, "training rows": training, "h": h}
        row |= {"innovations": "t, 4 degrees" if heavy else "normal", "rows": len(scores)}
        row["independent windows"] = round(model.calibration_.independent, 1)
        for share in SHARES:
            row[f"rows, p <= {share}"] = round(float((scores.p_value <= share).mean()), 4)
        for share in SHARES[1:]:
            marked = (windows.window_p_value <= share).mean()
            row[f"windows, p <= {share}"] = round(float(marked), 3)
        found.append(row)
        print(json.dumps(row), flush=True)
    return found


def main() -> None:
    """Measure all panels."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", required=True)
    asked = parser.parse_args()
    results = [
        row for panel in PANELS for heavy in (False, True) for row in measured(*panel, heavy)
    ]
    write_json({"results": results}, asked.out)


if __name__ == "__main__":
    main()
