"""Change of a forecast when part of its context is missing, by adapter.

    python docs/benchmarks/gaps.py tiny

The name of the backbone. Each adapter is trained briefly on the load HUFL of ETTh1 and
forecasts 16 later days, from whole contexts and from contexts with values masked at random.
"""

import sys
import warnings

import numpy as np
import pandas as pd

from tslm import TSLMForecaster
from tslm.core.config.choices import choices
from tslm.data.datasets.benchmarks import load

DAY = 24
SHARES = (0.05, 0.2, 0.5)


def main(backbone: str) -> None:
    """Print a row per adapter and fraction of missing values."""
    warnings.simplefilter("ignore", UserWarning)  # gaps, and models that could be better
    frame = load("etth1").frame
    known = frame[frame.unique_id == "HUFL"].reset_index(drop=True)
    ends = range(2000, 2000 + 16 * DAY, DAY)
    past = pd.concat([known[end - 14 * DAY : end].assign(unique_id=end) for end in ends])
    truth = np.stack([known.y[end : end + DAY] for end in ends])
    spread = past.groupby("unique_id").y.std(ddof=0).to_numpy()[:, None]
    for adapter in choices("adapter"):
        model = TSLMForecaster(
            h=DAY, adapter=adapter, base=None, backbone=backbone, context_length=4 * DAY, val_size=DAY,
            max_steps=80, batch_size=16, accelerator="cpu", random_state=0, verbose=0,
        ).fit(known[:1600])  # fmt: skip
        whole = ahead_of(model, past)
        print(f"{adapter:<10} whole          MAE {(abs(whole - truth) / spread).mean():.3f}")
        for share in SHARES:
            gone = np.random.default_rng(0).random(len(past)) < share
            ahead = ahead_of(model, past.assign(y=past.y.mask(gone)))
            moved, error = ((abs(ahead - other) / spread).mean() for other in (whole, truth))
            print(
                f"{adapter:<10} {share:.0%} missing  MAE {error:.3f}, moved by {moved:.3f}",
                flush=True,
            )


def ahead_of(model: TSLMForecaster, df: pd.DataFrame) -> np.ndarray:
    """Forecast; return one row per series."""
    return model.predict(df)[model.name].to_numpy().reshape(-1, DAY)


if __name__ == "__main__":
    main(*sys.argv[1:2])
