"""Errors of cold starts, and paired comparisons of two ways to read titles."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64

DRAWS = 2000  # bootstrap samples

Errors = Float64[np.ndarray, " n"]


def summary(errors: Mapping[str, Errors], of: Mapping[str, Errors] | None) -> dict[str, Any]:
    """Return the means of errors, and the difference to those of another forecast.

    Args:
        errors: by measure, one value per series and split.
        of: those of the forecast to compare with, in the same order; None compares with none.

    Returns:
        Each mean; for ``mase`` and ``log_error`` also ``_change``: percent by which the error is
        above that of the other forecast, and the ends of its 95 % interval.
    """
    found: dict[str, Any] = {name: round(float(each.mean()), 4) for name, each in errors.items()}
    if of is not None:
        for name in ("mase", "log_error"):
            found[f"{name}_change"] = change(errors[name], of[name])
    return found


def change(errors: Errors, others: Errors) -> list[float]:
    """Return by how many percent mean errors are above others, and a 95 % bootstrap interval."""
    rows = np.random.default_rng(0).integers(len(errors), size=(DRAWS, len(errors)))
    ratios = 100 * (errors[rows].mean(1) / others[rows].mean(1) - 1)
    point = 100 * (errors.mean() / others.mean() - 1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return [round(float(each), 1) for each in (point, low, high)]
