"""Results of one arm of an ablation: errors of every window, cost, or the reason of its failure."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.training.weights import trained_weights
from tslm.evaluation.ablation.arms import Arm
from tslm.evaluation.ablation.comparison import Errors
from tslm.models.forecast_model import ForecastModel


@dataclass(frozen=True)
class Failure:
    """Failed training or scoring of an arm.

    Attributes:
        arm: the arm.
        reason: the error message.
    """

    arm: Arm
    reason: str


@dataclass(frozen=True)
class Cost:
    """Cost of one training run of an arm.

    Attributes:
        trained: number of trained weights.
        weights: number of all weights.
        tokens: tokens that pass through the backbone per window and channel; 0 without a backbone.
        train_seconds: duration of the fit.
        score_seconds: seconds per 1,000 windows and channels at the first horizon.
        memory_gb: peak memory of the process during the fit; NaN where unknown.
    """

    trained: int
    weights: int
    tokens: int
    train_seconds: float
    score_seconds: float
    memory_gb: float


@dataclass(frozen=True)
class Outcome:
    """Results of one arm over all its training runs.

    Attributes:
        arm: the arm.
        squared: squared errors, by horizon.
        absolute: absolute errors, by horizon.
        cost: mean over runs; of the first horizon, if each horizon has a fit of its own.
        rate: the chosen learning rate; None if nothing is trained.
        settings: settings of the first run.
        probed: squared errors of the first run at the first horizon, by probe.
    """

    arm: Arm
    squared: dict[int, Errors]
    absolute: dict[int, Errors]
    cost: Cost
    rate: float | None
    settings: dict[str, Any]
    probed: dict[str, Errors] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitted:
    """One training run.

    Attributes:
        model: the fitted estimator.
        seconds: duration of the fit.
        memory_gb: peak memory of the process during the fit; NaN where unknown.
    """

    model: TrainedForecaster
    seconds: float
    memory_gb: float


def cost_of(fitted: Sequence[Fitted], score_seconds: float) -> Cost:
    """Return the mean cost of several training runs of one arm."""
    forecaster = fitted[0].model.forecaster_
    trained, every = trained_weights(forecaster), list(forecaster.parameters())
    learner = forecaster.learner
    tokens = learner.n_tokens if isinstance(learner, ForecastModel) else 0
    return Cost(
        trained=sum(weight.numel() for weight in trained),
        weights=sum(weight.numel() for weight in every),
        tokens=tokens,
        train_seconds=float(np.mean([run.seconds for run in fitted])),
        score_seconds=score_seconds,
        memory_gb=max(run.memory_gb for run in fitted),
    )


def reset_peak_memory() -> None:
    """Start measuring a new memory peak; does nothing where the system cannot (not Linux)."""
    forget = Path("/proc/self/clear_refs")
    if forget.exists() and os.access(forget, os.W_OK):
        forget.write_text("5")


def peak_memory_gb() -> float:
    """Return the largest resident size since ``reset_peak_memory`` in GB; NaN if unknown."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6
