"""Ablation of statements: does what they say help, and does it need the language model?"""

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import clone

from tslm.core.calendar import Ints
from tslm.core.errors import DataError
from tslm.data.events.table import EventTable
from tslm.data.panel import Floats
from tslm.estimators.statements.effects import StatementEffects
from tslm.estimators.statements.learning import learn
from tslm.estimators.statements.past import PastStatements
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.evaluation.ablation.arms import ITSELF, Arm
from tslm.evaluation.ablation.comparison import Errors
from tslm.evaluation.ablation.control_readers import control_readers
from tslm.evaluation.ablation.outcome import Fitted, Outcome, cost_of
from tslm.evaluation.ablation.report import Ablation
from tslm.evaluation.ablation.run import Reporter
from tslm.evaluation.ablation.trial import Trial
from tslm.evaluation.statements.text_swaps import SWAPS, swapped
from tslm.models.text.statement_reader import StatementReader

WITHOUT = "without"  # arm that reads no statements
BOUNDS = "bounds"  # arm that reads bounds and no texts


@dataclass(frozen=True)
class TextTrial:
    """Data for an ablation of statements.

    Attributes:
        trial: the rows; the scored ones are a multiple of the horizon.
        horizon: steps to forecast.
        events: the statements.
    """

    trial: Trial
    horizon: int
    events: EventTable


def ablate_text(
    model: TrainedForecaster, data: TextTrial, seeds: Sequence[int], say: Reporter | None = None
) -> Ablation:
    """Compare forecasts with statements to those without, with other texts, and by other readers.

    All arms share the trained forecaster. Errors are those of the steps that statements concern, at
    origins a horizon apart. Past statements are swapped as well.

    Args:
        model: the estimator, not fitted.
        data: rows and statements.
        seeds: seeds of the training runs.
        say: called with one line of text after each arm; None prints nothing.

    Raises:
        DataError: if no statement concerns a scored row.
    """
    name, reader = clone(model).name, model.statement_reader()
    fitted = [_fit(clone(model).set_params(random_state=seed, verbose=0), data) for seed in seeds]
    outcomes = []
    for arm, events, own in _arms(data.events, reader):
        began = time.perf_counter()
        scored = [_score(run.model, data, events, own) for run in fitted]
        seconds = time.perf_counter() - began
        squared, absolute = (_errors(scored, number) for number in range(2))
        cost = replace(cost_of(fitted, 0.0), score_seconds=seconds)
        settings = {**fitted[0].model.settings, "statements": arm.name}
        h = data.horizon
        outcomes.append(Outcome(arm, {h: squared}, {h: absolute}, cost, None, settings))
        if say is not None:
            say(f"{arm.name:<20} MSE {squared.mean:.4f}  MAE {absolute.mean:.4f}")
    season = data.trial.season
    about = {"data": data.trial.name, "model": name, "budget": "text", "season": season}
    return Ablation.of(outcomes, **about, failed={})


def _arms(
    events: EventTable, reader: StatementReader
) -> Iterator[tuple[Arm, EventTable | None, StatementReader]]:
    """Yield each arm, its table of statements (None for no table), and the reader of them."""
    yield Arm(ITSELF, ""), events, reader
    yield Arm(WITHOUT, "text"), None, reader
    for name, other in control_readers(reader):
        yield Arm(name, "text"), events, other
    if events.bounded.any():
        yield Arm(BOUNDS, "text"), events.take(events.bounded), reader
    for how in SWAPS:
        yield Arm(how, "" if how == "paraphrase" else "text"), swapped(events, how), reader


def _fit(model: TrainedForecaster, data: TextTrial) -> Fitted:
    """Fit a model without statements."""
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the report has the errors
        model.fit(data.trial.known, val_df=data.trial.val)
    return Fitted(model, time.perf_counter() - began, np.nan)


def _score(
    model: TrainedForecaster, data: TextTrial, events: EventTable | None, reader: StatementReader
) -> list[tuple[Floats, Ints, Ints]]:
    """Return errors, series and position of each window: squared ones, then absolute ones.

    A window is a series and an origin; its error is the mean over the steps that a statement of the
    data, swapped or not, concerns.
    """
    panel, forecaster, h = data.trial.panel(model), model.panel_forecaster, data.horizon
    given = StatementEffects(reader, PastStatements(), data.events, model.calendar_)
    effects = None
    if events is not None:
        effects = replace(given, table=events)
        known = panel.head(data.trial.start)
        effects = replace(effects, past=learn(effects, forecaster, known, h))
    found: list[tuple[float, float, int, int]] = []
    scored = int((data.trial.stop - data.trial.start).min())
    unit = data.trial.spread(panel.ids)
    y = panel.in_units()
    for back in range(scored, 0, -h):
        position = data.trial.stop - back
        known = panel.head(position)
        ahead = (
            forecaster.forecast(known, h)
            if effects is None
            else effects.forecast(forecaster, known, h)
        ).values[0]
        rows = (panel.offsets[:-1] + position)[:, None] + np.arange(h)
        error = (y[rows] - ahead) / unit[:, None]
        spoken = np.zeros(error.shape, dtype=bool)
        pairs = given.ahead(known, h)
        np.logical_or.at(spoken, pairs.series, pairs.inside)
        spoken &= np.isfinite(error)
        found += [
            (np.square(error[s][spoken[s]]).mean(), np.abs(error[s][spoken[s]]).mean(), s, place)
            for s, place in enumerate(position.tolist())
            if spoken[s].any()
        ]
    if not found:
        raise DataError(
            f"No statement concerns the last {scored} rows of a series, which are scored. Add such "
            "statements, or set a larger n_windows."
        )
    squared, absolute, series, place = (np.array(column) for column in zip(*found, strict=True))
    return [(squared, series, place), (absolute, series, place)]


def _errors(scored: Sequence[list[tuple[Floats, Ints, Ints]]], number: int) -> Errors:
    """Stack the runs of one kind of error; windows are sorted by series, then by time."""
    parts = [run[number] for run in scored]
    _, series, place = parts[0]
    order = np.lexsort((place, series))
    runs = np.stack([errors[order] for errors, _, _ in parts])
    return Errors(runs, series[order], place[order], len(parts) > 1)
