"""Protocol of the suite: one fit per task on the rows before the first window, one score.

A model is fitted once per task and seed. It then forecasts every window from the rows up to its
origin, without another fit.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from omegaconf import OmegaConf

from tslm import __version__
from tslm.core.errors import ConfigError, TslmError
from tslm.data.datasets import benchmarks
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.training.weights import trained_weights
from tslm.evaluation.metrics.panel_errors import DECILES
from tslm.evaluation.protocols import long_horizon
from tslm.evaluation.speed import peak_memory
from tslm.evaluation.suite import forecasts, reference
from tslm.evaluation.suite.combination import combine
from tslm.evaluation.suite.entrants import Entrant
from tslm.evaluation.suite.forecasts import QUANTILES, WindowForecast
from tslm.evaluation.suite.groups import WINDOWS, Group, TaskSettings
from tslm.evaluation.suite.panels import Panel, Window, read_panel
from tslm.evaluation.suite.store import REFERENCE, Record, Store

Run = dict[str, Any]


def asked_of(group: Group, task: TaskSettings, entrant: Entrant) -> dict[str, Any]:
    """Return the settings and the task that a result depends on."""
    facts = asdict(task)
    for name in ("published", "note"):
        del facts[name]
    return {"settings": dict(entrant.settings), "task": facts, "stride": group.stride}


def run_entrant(
    group: Group, task: TaskSettings, entrant: Entrant, seeds: Sequence[int], store: Store
) -> None:
    """Fit and score a model on a task for every seed that has no run yet.

    Each run is stored before the next one begins.
    """
    record = store.fresh(task.name, entrant.name, asked_of(group, task, entrant))
    record.failed, record.version = None, __version__
    if entrant.combination is not None:
        record.runs = []  # members may have changed
    for seed in record.missing(list(seeds)):
        if entrant.combination is not None:
            run = _run_combination(group, task, entrant, seed, store)
        elif group.kind == WINDOWS:
            run, record.config = _run_windows(group, read_panel(task), entrant, seed, store)
        else:
            run, record.config = _run_long(group, task, entrant, seed)
        run["memory_mb"] = _peak_memory()
        record.runs.append(run)
        store.write(record)
        if run["seed"] is None:
            return


def run_reference(group: Group, task: TaskSettings, store: Store) -> Run:
    """Return the errors of the reference forecast; they are computed once and stored."""
    asked = {"reference": asdict(group.reference), "average": group.average}
    entrant = Entrant(REFERENCE, {"model": "seasonal_naive"})
    record = store.fresh(task.name, REFERENCE, asked_of(group, task, entrant) | asked)
    if not record.runs:
        if group.kind == WINDOWS:
            windows = list(read_panel(task).windows())
            found = [
                reference.forecast(window, task.season_length, group.reference)
                for window in windows
            ]
            scores = forecasts.score(windows, found, task.season_length, group.average)
            record.runs = [{"seed": None, "scores": scores}]
        else:
            run, _ = _run_long(group, task, entrant, 0)
            record.runs = [run | {"seed": None}]
        store.write(record)
    return record.runs[0]


def score_stored(group: Group, task: TaskSettings, store: Store) -> list[Record]:
    """Score the forecasts of other libraries: results without ``scores``, with a file beside them.

    Returns:
        The results that are new.
    """
    unscored = [
        record
        for record in store.records(task.name)
        if any("scores" not in run for run in record.runs)
    ]
    windows = list(read_panel(task).windows()) if unscored else []
    for record in unscored:
        for run in record.runs:
            found = forecasts.read(store.folder / task.name / run["forecasts"], windows)
            run["scores"] = forecasts.score(windows, found, task.season_length, group.average)
        store.write(record)
    return unscored


def _run_windows(
    group: Group, panel: Panel, entrant: Entrant, seed: int, store: Store
) -> tuple[Run, dict[str, Any]]:
    """Fit once, forecast every window, and store and score the forecasts."""
    task, windows = panel.settings, list(panel.windows())
    model = entrant.estimator(
        h=task.h,
        freq=panel.freq,
        season_length=task.season_length,
        random_state=seed,
        verbose=0,
        **({"futr_exog": panel.covariates} if _reads_covariates(panel, entrant) else {}),
    )
    began = time.perf_counter()
    model.fit(windows[0].history)
    fitted = time.perf_counter()
    found, notes = [], set()
    for window in windows:
        forecast, note = _forecast(model, window)
        found.append(forecast)
        notes |= {note} - {""}
    seconds = time.perf_counter() - fitted
    weights = trained_weights(model.forecaster_)
    own = seed if weights else None  # other seeds give the same forecasts
    path = store.forecasts(task.name, entrant.name, own)
    forecasts.write(found, windows[0].ids, path)
    return {
        "seed": own,
        "scores": forecasts.score(windows, found, task.season_length, group.average),
        "fit_seconds": round(fitted - began, 2),
        "predict_seconds": round(seconds, 2),
        "trainable_parameters": sum(weight.numel() for weight in weights),
        "forecasts": path.name,
        "note": " ".join(sorted(notes)),
    }, model.settings


def _run_combination(
    group: Group, task: TaskSettings, entrant: Entrant, seed: int, store: Store
) -> Run:
    """Combine stored forecasts of other entrants; the cost is that of all members."""
    if group.kind != WINDOWS:
        raise ConfigError(f"Group {group.name} stores no forecasts, so none can be combined.")
    assert entrant.combination is not None
    key, members = entrant.combination
    windows = list(read_panel(task).windows())
    found, runs = combine(store, task.name, members, key, seed, windows)
    own = None if all(run["seed"] is None for run in runs) else seed
    path = store.forecasts(task.name, entrant.name, own)
    forecasts.write(found, windows[0].ids, path)
    return {
        "seed": own,
        "scores": forecasts.score(windows, found, task.season_length, group.average),
        "fit_seconds": round(sum(run["fit_seconds"] for run in runs), 2),
        "predict_seconds": round(sum(run["predict_seconds"] for run in runs), 2),
        "forecasts": path.name,
        "note": "",
    }


def _reads_covariates(panel: Panel, entrant: Entrant) -> bool:
    return bool(panel.covariates) and entrant.reads_covariates


def _forecast(model: TrainedForecaster, window: Window) -> tuple[WindowForecast, str]:
    """Forecast one window; a model that has no intervals has its point as each decile.

    Returns:
        The forecast, and a note if there are no intervals.
    """
    known = window.future if model.futr_exog else None
    try:
        rows, note = model.predict(window.history, quantiles=list(DECILES), futr_df=known), ""
    except TslmError as error:
        rows = model.predict(window.history, futr_df=known)
        rows = rows.assign(**{f"{model.name}-{name}": rows[model.name] for name in QUANTILES})
        note = f"Without intervals: {error}"
    columns = [model.name, *(f"{model.name}-{name}" for name in QUANTILES)]
    return forecasts.arrange(rows, window, columns, "ds", model.name), note


def _run_long(
    group: Group, task: TaskSettings, entrant: Entrant, seed: int
) -> tuple[Run, dict[str, Any]]:
    """Score every window of the test rows at every horizon; errors are standardised."""
    (name,) = task.datasets
    data = benchmarks.load(name)
    model = entrant.estimator(
        freq=data.freq, season_length=data.season_length, random_state=seed, verbose=0
    )
    horizons = list(task.horizons)
    cfg = OmegaConf.create({"stride": group.stride})
    records: list[Run] = []
    for served in [horizons] if model.any_horizon else [[horizon] for horizon in horizons]:
        model.set_params(h=served[0])
        records += long_horizon.fit_and_score(cfg, data, served, model)
    scores = {
        f"{metric}_{record['horizon']}": record[metric]
        for metric in ("mse", "mae")
        for record in records
    }
    for metric in ("mse", "mae"):
        scores[metric] = sum(record[metric] for record in records) / len(records)
    fits = {record["trained_for"]: record["train_seconds"] for record in records}
    passes = {record["trained_for"]: record["score_seconds"] for record in records}
    return {
        "seed": seed if trained_weights(model.forecaster_) else None,
        "scores": scores,
        "fit_seconds": round(sum(fits.values()), 2),
        "predict_seconds": round(sum(passes.values()), 2),
        "trainable_parameters": records[0]["trainable_parameters"],
        "note": "",
    }, model.settings


def _peak_memory() -> int | None:
    """Return the largest memory of this process so far, in MB; None if it is unknown."""
    size = peak_memory()
    return None if math.isnan(size) else round(1000 * size)
