"""Past covariates with rules that do, and do not, resemble the rule of their regression.

    python docs/benchmarks/past.py

MSE without the covariate, with its full effect, and with the effect shrunk on validation rows:
four series that a covariate pushes, h = 12, 20 windows each, without refitting.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pandas as pd

from tslm import BaselineForecaster
from tslm.estimators.trained_forecaster import TrainedForecaster

SERIES, ROWS, H = 4, 1200, 12


def pushed(seed: int) -> pd.DataFrame:
    """Return a series driven by an autoregression, with that covariate."""
    dice = np.random.default_rng(seed)
    push, level = np.zeros(ROWS), np.zeros(ROWS)
    for step, (a, b) in enumerate(dice.normal(0, 1, (ROWS, 2))):
        push[step] = 0.9 * push[step - 1] + a
        level[step] = 0.9 * level[step - 1] + 0.5 * push[step - 1] + 0.1 * b
    ds = pd.date_range("2024", periods=ROWS, freq="h")
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": level, "push": push})


@contextmanager
def no_shrinkage() -> Iterator[None]:
    """Use past covariates without shrinkage."""
    with patch.object(TrainedForecaster, "_share_led", lambda *_: 1.0):
        yield


def error(model: str, df: pd.DataFrame, hist: list[str] | None) -> float:
    """Return the MSE of a backtest."""
    rule = BaselineForecaster(model, h=H, context_length=240, hist_exog=hist, alias="f", verbose=0)
    table = rule.cross_validation(df, n_windows=20, baselines=[])
    return float(((table.f - table.y) ** 2).mean())


def main() -> None:
    """Print a line per rule."""
    warnings.simplefilter("ignore", UserWarning)
    for model in ("last", "profile_ar"):
        rows = []
        for seed in range(SERIES):
            df = pushed(seed)
            with no_shrinkage():
                whole = error(model, df, ["push"])
            rows.append([error(model, df, None), whole, error(model, df, ["push"])])
        print(model, "without, full effect, shrunk:", np.mean(rows, 0).round(2))


if __name__ == "__main__":
    main()
