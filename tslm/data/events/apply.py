"""Effects and bounds of statements, applied to draws of a forecast."""

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64

from tslm.data.events.disturbances import elapsed
from tslm.data.events.rules import effect_of

Samples = Float64[np.ndarray, "n H"]


def apply_rules(samples: Samples, times: pd.DatetimeIndex, events: pd.DataFrame) -> Samples:
    """Apply the effects that rules find in statements without bounds.

    Args:
        samples: draws of one series.
        times: times of its steps to forecast.
        events: statements about this series.
    """
    changed = samples.copy()
    for event in events.to_dict("records"):
        rule = None if _bounded(event["lower"], event["upper"]) else effect_of(event["text"])
        if rule is None:
            continue
        inside = _inside(times, event["start"], event["end"])
        changed[:, inside] *= rule.factor * (1 - rule.replaced)
        if rule.slope and not pd.isna(event["start"]):
            changed[:, inside] += (rule.slope * elapsed(times, event["start"], rule.unit))[inside]
    return changed


def apply_bounds(samples: Samples, times: pd.DatetimeIndex, events: pd.DataFrame) -> Samples:
    """Clip draws to the bounds of statements; the arguments are those of ``apply_rules``."""
    clipped = samples.copy()
    for event in events.to_dict("records"):
        if not _bounded(event["lower"], event["upper"]):
            continue
        inside = _inside(times, event["start"], event["end"])
        low = -np.inf if pd.isna(event["lower"]) else event["lower"]
        high = np.inf if pd.isna(event["upper"]) else event["upper"]
        clipped[:, inside] = clipped[:, inside].clip(low, high)
    return clipped


def _bounded(lower: float, upper: float) -> bool:
    return not (pd.isna(lower) and pd.isna(upper))


def _inside(times: pd.DatetimeIndex, start: Any, end: Any) -> np.ndarray:
    """Return True for the steps of a statement; all of them if it names no time."""
    if pd.isna(start):
        return np.ones(len(times), dtype=bool)
    return np.asarray((times >= start) & (times <= (start if pd.isna(end) else end)))
