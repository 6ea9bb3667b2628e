"""Tables of an ablation: one row per arm and horizon, per window, and per probe."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from tslm.evaluation.ablation.comparison import Effect, Verdict
from tslm.evaluation.ablation.outcome import Outcome


def arm_row(
    outcome: Outcome,
    horizon: int,
    effects: Mapping[tuple[str, int], Effect],
    corrected: Mapping[tuple[str, int], float],
    verdicts: Mapping[tuple[str, int], Verdict],
) -> dict[str, Any]:
    """Return the row of one arm and horizon: errors, comparison with the model, cost.

    Args:
        outcome: results of the arm.
        horizon: forecast horizon, in steps.
        effects: effect of the model against an arm, by arm and horizon.
        corrected: p value of that effect after Holm's correction, by arm and horizon.
        verdicts: verdict on that effect, by arm and horizon.
    """
    key = outcome.arm.name, horizon
    squared, cost = outcome.squared[horizon], outcome.cost
    effect = effects.get(key, Effect(np.nan, np.nan, np.nan, np.nan))
    return {
        "arm": outcome.arm.name,
        "claim": outcome.arm.claim,
        "horizon": horizon,
        "mse": squared.mean,
        "mse_sd": squared.spread * squared.mean / 100,
        "mae": outcome.absolute[horizon].mean,
        "runs": len(squared.runs),
        "windows": squared.runs.shape[1],
        "change_percent": effect.percent,
        "low": effect.low,
        "high": effect.high,
        "p": corrected.get(key, np.nan),
        "verdict": verdicts.get(key, ""),
        "learning_rate": outcome.rate,
        "trained_weights": cost.trained,
        "weights": cost.weights,
        "token_passes": cost.tokens,
        "train_seconds": cost.train_seconds,
        "score_seconds_per_1000": cost.score_seconds,
        "memory_gb": cost.memory_gb,
    }


def window_frame(outcome: Outcome, horizon: int) -> pd.DataFrame:
    """Return one row per window and training run of an arm: its errors."""
    squared, absolute = outcome.squared[horizon], outcome.absolute[horizon]
    runs, windows = squared.runs.shape
    return pd.DataFrame(
        {
            "arm": outcome.arm.name,
            "horizon": horizon,
            "run": np.repeat(np.arange(runs), windows),
            "series": np.tile(squared.series, runs),
            "position": np.tile(squared.position, runs),
            "squared": squared.runs.ravel(),
            "absolute": absolute.runs.ravel(),
        }
    )


def probe_frame(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    """Return one row per arm and probe: the rise of the squared error, in percent."""
    rows = []
    for outcome in outcomes:
        plain = float(np.nanmean(next(iter(outcome.squared.values())).runs[0]))
        for probe, errors in outcome.probed.items():
            rise = 100 * (errors.mean / plain - 1)
            rows.append({"arm": outcome.arm.name, "probe": probe, "rise_percent": rise})
    return pd.DataFrame(rows, columns=["arm", "probe", "rise_percent"])


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame, ready for JSON."""
    return [finite(row) for row in frame.to_dict(orient="records")]


def finite(value: Any) -> Any:
    """Return a value ready for JSON: NaN and infinity, which JSON lacks, become None."""
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
