"""Fit every arm on the same rows, score it on the same windows, and keep what it cost."""

import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from tslm.core.calendar import Ints, naming
from tslm.core.errors import DataError, TslmError
from tslm.core.spec import Spec
from tslm.core.types import Forecaster
from tslm.data.align import align_series
from tslm.data.frame import Frame
from tslm.data.origins import check_lengths
from tslm.data.panel import Floats, Panel
from tslm.estimators.fitting import TrainedForecaster
from tslm.estimators.training.weights import trained_weights
from tslm.estimators.validation.window_errors import WindowErrors, score
from tslm.evaluation.ablation.arms import ITSELF, Arm, Budget
from tslm.evaluation.ablation.comparison import Errors
from tslm.evaluation.ablation.probes import Probed
from tslm.models.forecast_model import ForecastModel

Reporter = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """What arms are fitted on and scored on.

    Args:
        name: of the data.
        known: rows they may learn from.
        val: rows they may validate on, or None to keep some of ``known``.
        frame: all rows.
        start: first row of each series that is scored.
        stop: row after the last one.
        season: steps of the main season.
        spread: what errors of these series are counted in, in the units of ``y``.
        stride: distance of scored windows.
    """

    name: str
    known: pd.DataFrame
    val: pd.DataFrame | None
    frame: Frame
    start: Ints
    stop: Ints
    season: int
    spread: Callable[[pd.Index], Floats]
    stride: int = 1

    def panel(self, fitted: TrainedForecaster) -> Panel:
        """All series, as a fitted model sees them."""
        return fitted.panel_of(self.frame)


def held_out(
    model: TrainedForecaster,
    df: pd.DataFrame,
    rows: int,
    *,
    static_df: pd.DataFrame | None = None,
    val_df: pd.DataFrame | None = None,
) -> Trial:
    """A trial on a user's frame: the last ``rows`` of each series are scored.

    Args:
        model: the estimator in question.
        df: the long frame.
        rows: how many are scored.
        static_df: what holds for each series, see ``TrainedForecaster.fit``.
        val_df: rows that follow those of ``df``; the last of them are scored, and those before
            them are what arms validate on.

    Raises:
        DataError: if the frame breaks the contract, or a series is not longer than that.
    """
    df = model.joined(df, static_df)
    if val_df is None:
        frame = model.read(df)
        check_lengths(frame, rows)
        kept = np.full(len(frame.ids), rows)
    else:
        val_df = model.joined(val_df, static_df)
        frame = model.read(pd.concat([df, val_df], ignore_index=True))
        kept = model.rows_given(frame, df, val_df)
        if (few := kept <= rows).any():
            raise DataError(
                f"The last {rows} rows of val_df are scored, and those before them validate. "
                f"Series {naming(frame.ids[few])} have no more than {rows} rows in val_df. Give "
                "more rows, or set a smaller h or n_windows."
            )
    lengths = np.diff(frame.offsets)
    row = np.arange(len(frame.table)) - frame.offsets[:-1].repeat(lengths)
    learnt, scored = (row < (lengths - part).repeat(lengths) for part in (kept, rows))
    spread = pd.Series(Panel.from_frame(frame, until=lengths - kept).spread, frame.ids)
    return Trial(
        name="the frame",
        known=model.renamed(frame.table[learnt]),
        val=None if val_df is None else model.renamed(frame.table[~learnt & scored]),
        frame=frame,
        start=lengths - rows,
        stop=lengths,
        season=model.season_length or frame.calendar.season_length,
        spread=lambda ids: np.asarray(spread[ids], np.float64),
    )


@dataclass(frozen=True)
class Failure:
    """An arm that could not be trained or scored, and why."""

    arm: Arm
    reason: str


@dataclass(frozen=True)
class Cost:
    """What one training run of an arm took.

    Args:
        trained: weights that are trained.
        weights: all weights.
        tokens: token passes through the body per window and channel; 0 without one.
        train_seconds: of the fit.
        score_seconds: per 1,000 windows and channels at the first horizon.
        memory_gb: peak of the process while it was trained and scored; NaN where unknown.
    """

    trained: int
    weights: int
    tokens: int
    train_seconds: float
    score_seconds: float
    memory_gb: float


@dataclass(frozen=True)
class Outcome:
    """All training runs of one arm.

    Args:
        arm: which.
        squared: squared errors by horizon.
        absolute: absolute errors by horizon.
        cost: mean over runs, of the first horizon where there is a fit for each.
        rate: the learning rate taken, None if nothing is trained.
        settings: what the first run was made with.
        probed: squared errors of the first run at the first horizon under each probe.
    """

    arm: Arm
    squared: dict[int, Errors]
    absolute: dict[int, Errors]
    cost: Cost
    rate: float | None
    settings: dict[str, Any]
    probed: dict[str, Errors] = field(default_factory=dict)


def run(
    model: TrainedForecaster,
    trial: Trial,
    horizons: Sequence[int],
    budget: Budget,
    language: Mapping[str, Mapping[str, Any]],
    say: Reporter,
) -> Iterator[Outcome | Failure]:
    """Outcomes of the model itself and of every arm of a budget.

    An arm that fails costs no other arm its result; a failure of the model itself is raised.

    Args:
        model: the estimator in question, not fitted.
        trial: the data.
        horizons: steps scored; a model that serves them all is trained for the first.
        budget: the arms, seeds and rates.
        language: options of the adapter that take its language away, by the name of the arm.
        say: told of each arm when it is done.

    Raises:
        ConfigError: if a setting of an arm is impossible.
        DataError: if an arm reads all series together and these do not end together.
    """
    arms = [Arm(ITSELF, ""), *budget.arms]
    arms += [Arm(name, "language", options=options) for name, options in language.items()]
    _check(model, arms, trial)
    context: int | None = None
    for arm in arms:
        try:
            outcome = _outcome(model, arm, trial, horizons, budget, context)
        except Exception as error:  # whatever it is, the other arms' training is worth keeping
            if arm.name == ITSELF:
                raise
            kind = "" if isinstance(error, TslmError) else f"{type(error).__name__}: "
            yield Failure(arm, f"{kind}{error}")
            continue
        context = context or outcome.settings["context_length"]
        first = horizons[0]
        say(
            f"{arm.name:<20} MSE {outcome.squared[first].mean:.4f}  "
            f"MAE {outcome.absolute[first].mean:.4f}  {outcome.cost.train_seconds:.0f} s a run"
        )
        yield outcome


def _check(model: TrainedForecaster, arms: Sequence[Arm], trial: Trial) -> None:
    """Refuse, before anything is trained, what an arm cannot be made with or cannot read."""
    for arm in arms:
        if not _maker(model, arm).multivariate:
            continue
        try:
            align_series(trial.frame)
        except DataError as error:
            raise DataError(
                f"Arm {arm.name}: {error} To leave the arm out, add ~budget.arms.{arm.name} to the "
                f'command, or pass budget=Budget.of("full").without("{arm.name}") in Python.'
            ) from error


@dataclass(frozen=True)
class _Fitted:
    """One training run."""

    model: TrainedForecaster
    seconds: float
    memory_gb: float


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
        maker.set_params(context_length=context)  # all look back as far
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
    """The outcome of an arm at the horizons that one fit serves."""
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
        _cost(fitted, 1000 * seconds / len(scored[0][horizons[0]])),
        rate if trained else None,
        first.model.settings,
        probed,
    )


def _maker(model: TrainedForecaster, arm: Arm) -> TrainedForecaster:
    """The estimator of an arm."""
    if arm.model is not None:
        return clone(model.baseline(arm.model))
    params = model.get_params(deep=False)
    changed = arm.params(params["backbone"], Spec.of(params["adapter"]))
    return clone(model).set_params(**changed)


def _best(
    maker: TrainedForecaster, arm: Arm, trial: Trial, budget: Budget
) -> tuple[_Fitted, float | None]:
    """The first seed's run at the learning rate that validation likes best."""
    usual = maker.settled_rate
    runs = []
    for factor in budget.rates:
        rate = None if usual is None else factor * usual
        runs.append((_fit(maker.set_params(learning_rate=rate), arm, trial, budget.seeds[0]), rate))
        if not trained_weights(runs[0][0].model.forecaster_):
            break  # there is no rate
    return min(runs, key=lambda run: _validation(run[0].model))


def _validation(model: TrainedForecaster) -> float:
    entries = model.verdict_.entries
    return entries[0].mse if entries else 0.0


def _fit(maker: TrainedForecaster, arm: Arm, trial: Trial, seed: int) -> _Fitted:
    drawn = arm.drawn(maker.get_params(deep=False).get("backbone", ""), seed)
    model = clone(maker).set_params(random_state=seed, **drawn)
    _forget_peak()
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the report is the answer
        model.fit(trial.known, val_df=trial.val)
    return _Fitted(model, time.perf_counter() - began, _peak_gb())


def _score(
    model: TrainedForecaster,
    trial: Trial,
    horizons: Sequence[int],
    context: int | None,
    probe: str | None = None,
) -> dict[int, WindowErrors]:
    """Errors by horizon; windows begin where the model in question has its whole context."""
    panel = trial.panel(model)
    model.prepare(panel)
    context = context or model.context_length_
    before = panel.lengths - np.diff(trial.frame.offsets)  # rows put there to align the series
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
    """Runs of one horizon, their windows series by series and in time."""
    errors = [run[horizon] for run in runs]
    order = np.lexsort((errors[0].position, errors[0].series))
    return Errors(
        np.stack([getattr(run, metric)[order] for run in errors]),
        errors[0].series[order],
        errors[0].position[order],
        trained,
    )


def _cost(fitted: Sequence[_Fitted], score_seconds: float) -> Cost:
    forecaster = fitted[0].model.forecaster_
    trained, every = trained_weights(forecaster), list(forecaster.parameters())
    tokens = forecaster.n_tokens if isinstance(forecaster, ForecastModel) else 0
    return Cost(
        trained=sum(weight.numel() for weight in trained),
        weights=sum(weight.numel() for weight in every),
        tokens=tokens,
        train_seconds=float(np.mean([run.seconds for run in fitted])),
        score_seconds=score_seconds,
        memory_gb=max(run.memory_gb for run in fitted),
    )


def _forget_peak() -> None:
    """Begin a new peak of memory, where the system can (Linux)."""
    forget = Path("/proc/self/clear_refs")
    if forget.exists() and os.access(forget, os.W_OK):
        forget.write_text("5")


def _peak_gb() -> float:
    """The largest resident size since ``_forget_peak``, NaN where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1e6
