"""Ablation of a forecaster: train it and its arms, compare them, and report."""

from collections.abc import Mapping, Sequence
from typing import Any

from sklearn.base import clone

from tslm.core.errors import warn
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.evaluation.ablation.arms import Budget
from tslm.evaluation.ablation.outcome import Failure
from tslm.evaluation.ablation.report import Ablation
from tslm.evaluation.ablation.run import Reporter, run
from tslm.evaluation.ablation.trial import Trial


def ablate(
    model: TrainedForecaster,
    trial: Trial,
    horizons: Sequence[int],
    budget: Budget,
    language: Mapping[str, Mapping[str, Any]],
    say: Reporter | None = None,
) -> Ablation:
    """Train a model and all arms of a budget on a trial, and compare them.

    An arm that fails is left out of the report with a warning; ``failed`` has the reason.

    Args:
        model: the estimator to ablate, not fitted.
        trial: the data.
        horizons: forecast horizons to score.
        budget: the arms, seeds and learning rates.
        language: adapter options that remove parts of its text input, by the name of the arm;
            used if the budget has ``language``.
        say: called with a text when an arm is done; None prints nothing.
    """
    outcomes, failed = [], {}
    options = language if budget.language else {}
    for found in run(model, trial, horizons, budget, options, say or _silent):
        if isinstance(found, Failure):
            failed[found.arm.name] = found.reason
            warn(f"Arm {found.arm.name} failed and is left out: {found.reason}")
        else:
            outcomes.append(found)
    return Ablation.of(
        outcomes,
        data=trial.name,
        model=clone(model).name,
        budget=budget.name,
        season=trial.season,
        failed=failed,
    )


def _silent(text: str) -> None:
    """Print nothing."""
