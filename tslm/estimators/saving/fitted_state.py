"""Result of a fit: everything a fitted estimator holds, and its way into a saved model and back."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import narwhals as nw
import pandas as pd
import torch
from omegaconf import DictConfig
from torch import Tensor

from tslm.core.calendar import Calendar
from tslm.core.config.estimator_settings import configure
from tslm.core.forecaster import Forecaster
from tslm.core.seeds import seeded
from tslm.core.spec import Spec
from tslm.core.types import Task
from tslm.data.covariates.known import treatment_from_state
from tslm.data.covariates.selection import CovariateColumns
from tslm.data.covariates.treatment import CovariateTreatment
from tslm.data.frame_report import Report
from tslm.data.interchange import Kind
from tslm.data.panel import Panel
from tslm.estimators.saving.checks import check_settings, count, fill, no_larger
from tslm.estimators.saving.folder import Saved, damage
from tslm.estimators.saving.values import joined, parted, plain_settings, restored_spec
from tslm.estimators.statements.past import PastStatements
from tslm.estimators.titles.known_titles import KnownTitles
from tslm.estimators.training.history import history_from_state, history_state
from tslm.estimators.training.weights import trained_state
from tslm.estimators.validation.verdict import Verdict
from tslm.models.assembly import device_of, task_of
from tslm.uncertainty.conformal.base import Conformal
from tslm.uncertainty.conformal.methods import conformal_class, from_state

EFFECTS = "effects."  # in a saved model the names of the arrays of effects begin with this
INTERVALS = "intervals."  # in a saved model the names of the tensors of intervals begin with this
STATEMENTS = "statements."  # and those of past statements with this
TITLES = "titles."  # and those of titles with this

Assemble = Callable[[DictConfig, Task, AbstractContextManager[None]], Forecaster]


@dataclass(frozen=True)
class FittedState:
    """Result of a fit: everything that forecasts need, and that a saved model holds.

    Attributes:
        config: settings, with the sizes that the data suggested.
        task: lengths, season and frequency.
        calendar: frequency and time zone of the series.
        forecaster: the trained model, or a rule.
        calibration: intervals.
        contexts: the last rows of each series.
        effects: effects of covariates; None without covariates.
        history: loss of each training step.
        verdict: comparison with baselines on validation windows.
        report: findings in the frame; None in models of earlier versions.
        kind: library of the frame of ``fit``.
        statements: effects of the statements of ``fit``.
        titles: what the titles of the series of ``fit`` told.
    """

    config: DictConfig
    task: Task
    calendar: Calendar
    forecaster: Forecaster
    calibration: Conformal
    contexts: Panel
    effects: CovariateTreatment | None
    history: pd.DataFrame
    verdict: Verdict
    report: Report | None
    kind: Kind | None = None
    statements: PastStatements = field(default_factory=PastStatements)
    titles: KnownTitles = field(default_factory=KnownTitles)

    def without_series(self) -> "FittedState":
        """Return the state without the rows, ids, levels and texts of the series of ``fit``."""
        effects = None if self.effects is None else self.effects.without_series()
        contexts = self.contexts.without_series()
        return replace(self, contexts=contexts, effects=effects, report=None, titles=KnownTitles())

    def to_saved(self, kind: str, params: Mapping[str, Any], identity: Mapping[str, Any]) -> Saved:
        """Return the content of a saved model.

        Args:
            kind: class name of the estimator.
            params: its parameters, ready for JSON.
            identity: facts about the weights that the model needs and the folder does not hold.
        """
        series, arrays = parted(self.contexts.state())
        effects, more = ({}, {}) if self.effects is None else parted(self.effects.state(), EFFECTS)
        intervals, tensors = parted(self.calibration.state(), INTERVALS)
        known = len(self.statements.memory) > 0
        statements, memory = parted(self.statements.state(), STATEMENTS) if known else ({}, {})
        titles, learnt = parted(self.titles.state(), TITLES)
        facts = {
            "kind": kind,
            "params": params,
            "settled": plain_settings(self.config),
            "season_length": self.task.season_length,
            "calendar": self.calendar.state(),
            **series,
            "report": None if self.report is None else self.report.state(),
            "frames": self.kind and self.kind.library.value,
            "verdict": self.verdict.state(),
            "training": history_state(self.history),
            "effects": effects or None,
            **identity,
            "intervals": intervals,
            "statements": statements or None,
            "titled": titles or None,
        }
        weights = trained_state(self.forecaster) | tensors | memory | learnt
        return Saved(facts, weights, arrays | more)


def restore(
    saved: Saved,
    path: str | Path,
    parts: Sequence[str],
    covariates: CovariateColumns,
    assemble: Assemble,
    device: torch.device | None = None,
) -> FittedState:
    """Build the state of a saved model, and check each part of it.

    Args:
        saved: content of the folder.
        path: the folder, for messages.
        parts: parameters of the estimator that name a part.
        covariates: covariates that the saved parameters name.
        assemble: builds the untrained forecaster from settings, a task and a watch on its size.
        device: device to forecast on; None follows the settings.

    Raises:
        DataError: if a part is damaged, or parts do not fit together.
    """
    facts = saved.facts
    with damage(f"{path}: its settings"):
        cfg = _settings(facts["settled"], parts)
        check_settings(cfg, saved)
        count(cfg.context_length)
    with damage(f"{path}: its calendar"):
        calendar = Calendar.from_state(facts["calendar"])
        task = task_of(cfg, count(facts["season_length"]), calendar)
    apart = (INTERVALS, STATEMENTS, TITLES)
    weights = {name: t for name, t in saved.weights.items() if not name.startswith(apart)}
    # new weights are drawn, and saved ones take their place
    with damage(f"{path}: its weights"), seeded(0):
        model = assemble(cfg, task, no_larger(weights))
        fill(model, weights)
    with damage(f"{path}: its intervals"):
        calibration = _calibration(facts, saved.weights, task)
    with damage(f"{path}: its series"):
        series = {name: facts.get(name) for name in ("ids", "about", "titles", "known.names")}
        contexts = Panel.from_state(joined(series, saved.history))
        calendar.check(contexts.time.numpy(), contexts.offsets)
    with damage(f"{path}: its covariates"):
        effects = None
        if (state := facts.get("effects")) is not None:  # absent in models of earlier versions
            effects = treatment_from_state(joined(state, saved.history, EFFECTS), contexts.ids)
            effects.check(covariates, calendar)
    with damage(f"{path}: its past statements"):
        past = PastStatements()
        if (state := facts.get("statements")) is not None:  # absent in earlier versions
            past = PastStatements.from_state(joined(state, saved.weights, STATEMENTS))
    with damage(f"{path}: its titles"):
        titled = facts.get("titled")  # absent in earlier versions
        titles = KnownTitles.from_state(joined(titled, saved.weights, TITLES) if titled else {})
    with damage(f"{path}: its report and verdict"):
        verdict = Verdict.from_state(facts["verdict"])
        history = history_from_state(facts.get("training"))
        report = facts.get("report")  # absent in models of earlier versions
        report = None if report is None else Report.from_state(report)
        frames = facts.get("frames")
        kind = frames and Kind(nw.Implementation(frames))
    return FittedState(
        config=cfg,
        task=task,
        calendar=calendar,
        forecaster=model.eval().to(device or device_of(cfg)),
        calibration=calibration,
        contexts=contexts,
        effects=effects,
        history=history,
        verdict=verdict,
        report=report,
        kind=kind,
        statements=past,
        titles=titles,
    )


def _settings(settled: Mapping[str, Any], parts: Sequence[str]) -> DictConfig:
    specs = {part: restored_spec(settled[part]) for part in parts if part in settled}
    values = dict(settled["values"])
    if "rollout" in values:  # a model of an earlier version: a name without options
        specs["rollout"] = Spec(values.pop("rollout"))
    return configure(specs, values)


def _calibration(facts: Mapping[str, Any], tensors: Mapping[str, Tensor], task: Task) -> Conformal:
    if "intervals" not in facts:  # a model of an earlier version
        return conformal_class("residual").of_changes(task.season_length, task.horizon)
    return from_state(joined(facts["intervals"], tensors, INTERVALS))
