"""Exits by window: how far a window must be read, from the files that depth.py writes.

    python docs/benchmarks/ideas/exits.py runs/depth exits.json

A window is read on until its forecast moves by less than tau (root of the mean square, in standard
deviations of the series) from one candidate depth to the next. The table has the mean number of
blocks and the error beside those of each fixed depth, on validation windows. ``oracle`` takes of
each window the depth with the least error, which nobody knows in advance.
"""

import json
import sys
from pathlib import Path

import numpy as np

TAUS = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3)


def rows_of(file: Path) -> dict[str, object]:
    """Return errors and blocks of the fixed depths, of each tau and of the oracle."""
    found = np.load(file)
    depths, mse, moved = found["depths"], found["mse"], found["moved"]
    kept = ~np.isnan(mse).any(0)
    mse, moved = mse[:, kept], moved[:, kept]
    row = {"file": file.stem, "windows": int(kept.sum())}
    row["fixed"] = {int(n): round(float(e), 5) for n, e in zip(depths, mse.mean(1), strict=True)}
    row["still_after_last"] = {tau: round(float((moved[-1] < tau).mean()), 3) for tau in TAUS}
    row["exits"] = {}
    for tau in TAUS:
        stopped = np.vstack([moved < tau, np.ones((1, moved.shape[1]), bool)])
        at = np.minimum(stopped.argmax(0) + 1, len(depths) - 1)  # the depth that was compared
        blocks, error = depths[at].mean(), mse[at, np.arange(mse.shape[1])].mean()
        row["exits"][tau] = [round(float(blocks), 2), round(float(error), 5)]
    best = mse.argmin(0)
    row["oracle"] = [round(float(depths[best].mean()), 2), round(float(mse.min(0).mean()), 5)]
    return row


if __name__ == "__main__":
    rows = [rows_of(file) for file in sorted(Path(sys.argv[1]).glob("exits-*.npz"))]
    Path(sys.argv[2]).write_text(json.dumps(rows, indent=1) + "\n")
    for row in rows:
        print(json.dumps(row))
