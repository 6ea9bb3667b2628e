"""Run of an ablation: fit every arm on the same rows and score it on the same windows."""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import clone

from tslm.core.errors import DataError, TslmError
from tslm.core.forecaster import Forecaster
from tslm.core.spec import Spec
from tslm.data.align import align_series
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.training.weights import trained_weights
from tslm.estimators.validation.window_errors import WindowErrors, score
from tslm.evaluation.ablation.arms import ITSELF, Arm, Budget
from tslm.evaluation.ablation.comparison import Errors
from tslm.evaluation.ablation.outcome import (
    Failure,
    Fitted,
    Outcome,
    cost_of,
    peak_memory_gb,
    reset_peak_memory,
)
from tslm.evaluation.ablation.probes import Probed
from tslm.evaluation.ablation.trial import Trial

Reporter = Callable[[str], None]


def run(
    model: TrainedForecaster,
    trial: Trial,
    horizons: Sequence[int],
    budget: Budget,
    language: Mapping[str, Mapping[str, Any]],
    say: Reporter,
) -> Iterator[Outcome | Failure]:
    """Fit and score the model and every arm of a budget, one after the other.

    An arm that fails is reported as a ``Failure``, and the other arms go on. If the model itself
    fails, the error is raised.

    Args:
        model: the estimator to ablate, not fitted.
        trial: the data.
        horizons: forecast horizons to score. A model that can forecast all of them is trained once,
            for the first.
        budget: the arms, seeds and learning rates.
        language: adapter options that remove parts of its text input, by the name of the arm.
        say: called with one line of text after each arm.

    Yields:
        The result of the model, then of every arm.

    Raises:
        ConfigError: if a setting of an arm is impossible.
        DataError: if an arm reads all series together and the series do not end together.
    """
    arms = [Arm(ITSELF, ""), *budget.arms]
    arms += [Arm(name, "language", options=options) for name, options in language.items()]
    _check(model, arms, trial)
    context: int | None = None
    for arm in arms:
        try:
            outcome = _outcome(model, arm, trial, horizons, budget, context)
        except Exception as error:  # any error: keep the results of the other arms
            if arm.name == ITSELF:
                raise
            kind = "" if isinstance(error, TslmError) else f"{type(error).__name__}: "
            yield Failure(arm, f"{kind}{error}")
            continue
        context = context or outcome.settings["context_length"]
        first = horizons[0]
        say(
            f"{arm.name:<20} MSE {outcome.squared[first].mean:.4f}  "
            f"MAE {outcome.absolute[first].mean:.4f}  {outcome.cost.train_seconds:.0f} s per run"
        )
        yield outcome


def _check(model: TrainedForecaster, arms: Sequence[Arm], trial: Trial) -> None:
    """Raise before training if an arm cannot be made, or cannot read the data."""
    for arm in arms:
        if not _maker(model, arm).reads_all_series:
            continue
        try:
            align_series(trial.frame)
        except DataError as error:
            raise DataError(
                f"Arm {arm.name}: {error} To leave the arm out, add ~budget.arms.{arm.name} to the "
                f'command, or pass budget=Budget.of("full").without("{arm.name}") in Python.'
            ) from error


def _outcome(
    model: TrainedForecaster,
    arm: Arm,
    trial: Trial,
    horizons: Sequence[int],
    budget: Budget,
    context: int | None,
) -> Outcome:
    maker = _maker(model, arm).set_params(verbose=0)
    if arm.model is not None:
        maker.set_params(context_length=context)  # the same context for all arms
    one = maker.any_horizon
    parts = [
        _part(clone(maker), arm, trial, served, budget, context)
        for served in ([list(horizons)] if one else [[horizon] for horizon in horizons])
    ]
    return replace(
        parts[0],
        squared={h: errors for part in parts for h, errors in part.squared.items()},
        absolute={h: errors for part in parts for h, errors in part.absolute.items()},
    )


def _part(
    maker: TrainedForecaster,
    arm: Arm,
    trial: Trial,
    horizons: Sequence[int],
    budget: Budget,
    context: int | None,
) -> Outcome:
    """Fit and score an arm at the horizons that one fitted model can forecast."""
    first, rate = _best(maker.set_params(h=horizons[0]), arm, trial, budget)
    trained = bool(trained_weights(first.model.forecaster_))
    maker.set_params(learning_rate=rate)
    fitted = [first]
    if trained:
        fitted += [_fit(maker, arm, trial, seed) for seed in budget.seeds[1:]]
    began = time.perf_counter()
    scored = [_score(run.model, trial, horizons, context) for run in fitted]
    seconds = (time.perf_counter() - began) / len(fitted)
    probed = {
        probe: _errors([_score(first.model, trial, horizons[:1], context, probe)], horizons[0])
        for probe in budget.probes
        if trained
    }
    return Outcome(
        arm,
        {h: _errors(scored, h, "mse", trained) for h in horizons},
        {h: _errors(scored, h, "mae", trained) for h in horizons},
        cost_of(fitted, 1000 * seconds / len(scored[0][horizons[0]])),
        rate if trained else None,
        first.model.settings,
        probed,
    )


def _maker(model: TrainedForecaster, arm: Arm) -> TrainedForecaster:
    """Return the unfitted estimator of an arm."""
    if arm.model is not None:
        return clone(model.baseline(arm.model))
    params = model.get_params(deep=False)
    changed = arm.params(params["backbone"], Spec.of(params["adapter"]))
    return clone(model).set_params(**changed)


def _best(
    maker: TrainedForecaster, arm: Arm, trial: Trial, budget: Budget
) -> tuple[Fitted, float | None]:
    """Fit the first seed at every learning rate; return the run with the least validation MSE."""
    usual = maker.settled_rate
    runs = []
    for factor in budget.rates:
        rate = None if usual is None else factor * usual
        runs.append((_fit(maker.set_params(learning_rate=rate), arm, trial, budget.seeds[0]), rate))
        if not trained_weights(runs[0][0].model.forecaster_):
            break  # nothing is trained, so the rate has no effect
    return min(runs, key=lambda run: _validation(run[0].model))


def _validation(model: TrainedForecaster) -> float:
    entries = model.verdict_.entries
    return entries[0].mse if entries else 0.0


def _fit(maker: TrainedForecaster, arm: Arm, trial: Trial, seed: int) -> Fitted:
    drawn = arm.drawn(maker.get_params(deep=False).get("backbone", ""), seed)
    model = clone(maker).set_params(random_state=seed, **drawn)
    reset_peak_memory()
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the report has the validation errors
        model.fit(trial.known, val_df=trial.val)
    return Fitted(model, time.perf_counter() - began, peak_memory_gb())


def _score(
    model: TrainedForecaster,
    trial: Trial,
    horizons: Sequence[int],
    context: int | None,
    probe: str | None = None,
) -> dict[int, WindowErrors]:
    """Return errors by horizon, of windows that have the whole context of the ablated model."""
    panel = trial.panel(model)
    model.prepare(panel)
    context = context or model.context_length_
    before = panel.lengths - np.diff(trial.frame.offsets)  # rows added in front to align the series
    forecaster: Forecaster = model.forecaster_
    errors = score(
        forecaster if probe is None else Probed(forecaster, probe),
        panel,
        context_length=context,
        horizons=horizons,
        start=trial.start + before,
        stop=trial.stop + before,
        look_back=model.context_length_,
        stride=trial.stride,
    )
    unit = trial.spread(panel.ids) / panel.spread
    first = {h: np.maximum(trial.start, np.minimum(context, trial.stop - h)) for h in horizons}
    return {h: found.per(unit).since(before, first[h]) for h, found in errors.items()}


def _errors(
    runs: Sequence[dict[int, WindowErrors]], horizon: int, metric: str = "mse", trained: bool = True
) -> Errors:
    """Stack the runs of one horizon; windows are sorted by series, then by time."""
    errors = [run[horizon] for run in runs]
    order = np.lexsort((errors[0].position, errors[0].series))
    return Errors(
        np.stack([getattr(run, metric)[order] for run in errors]),
        errors[0].series[order],
        errors[0].position[order],
        trained,
    )
