"""Scores of Context is Key: RCRPS, its averages by source, and the share of failures.

Williams et al., "Context is Key", ICML 2025, section 5: CRPS of samples, scaled, with half of the
weight on the region that the text is about, and a penalty for samples outside stated bounds.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from tslm.data.datasets.context_is_key import SOURCES, Instance

WORST = 5.0  # the score of a failure, and the highest score of an instance
PENALTY = 10.0  # factor on the excess over bounds


def crps(
    truth: Float64[np.ndarray, "..."], samples: Float64[np.ndarray, "n ..."]
) -> Float64[np.ndarray, "..."]:
    """Return the CRPS of samples, without bias for their number.

    The form by probability weighted moments: Zamo & Naveau, "Estimation of the Continuous Ranked
    Probability Score with Limited Information", Mathematical Geosciences 50, 2018.
    """
    n = len(samples)
    ordered = np.sort(samples, axis=0)
    places = np.arange(n).reshape(-1, *[1] * (ordered.ndim - 1))
    second = (places * ordered).sum(axis=0) / (n * (n - 1))
    error = np.abs(ordered - truth).mean(axis=0)
    return np.asarray(error + ordered.mean(axis=0) - 2 * second)


def score(instance: Instance, samples: Float64[np.ndarray, "n H"] | None) -> float:
    """Return the score of one instance; lower is better.

    Args:
        instance: the truth, its scaling, region and bounds.
        samples: draws of the steps to forecast; None if the forecast failed.
    """
    if samples is None or not np.isfinite(samples).all():
        return WORST
    steps = crps(instance.truth, samples)
    error = steps.mean()
    inside = np.zeros(len(steps), dtype=bool)
    inside[instance.region] = True
    if inside.any() and not inside.all():
        error = (steps[inside].mean() + steps[~inside].mean()) / 2
    penalty = crps(np.zeros(()), PENALTY * violation(instance, samples))
    return min(float(instance.scaling * error + penalty), WORST)


def violation(instance: Instance, samples: Float64[np.ndarray, "n H"]) -> Float64[np.ndarray, " n"]:
    """Return the scaled mean excess of each sample over the bounds of an instance, summed."""
    excess = np.zeros(len(samples))
    if instance.upper is not None:
        excess += np.maximum(samples - instance.upper, 0).mean(axis=1)
    if instance.lower is not None:
        excess += np.maximum(instance.lower - samples, 0).mean(axis=1)
    if instance.limits:
        limited = samples[:, list(instance.limits)]
        excess += np.maximum(limited - np.array(list(instance.limits.values())), 0).mean(axis=1)
    return excess * instance.scaling


def averages(instances: Sequence[Instance], scores: Sequence[float]) -> dict[str, float]:
    """Return the weighted mean score of all instances, and of those of each source.

    A source that no instance has is left out.
    """
    weights = np.array([each.weight for each in instances])
    values = np.array(scores)
    found = {"average": float(np.average(values, weights=weights))}
    for source in SOURCES.values():
        own = np.array([source in each.sources for each in instances])
        if own.any():
            found[source] = float(np.average(values[own], weights=weights[own]))
    return found
