"""Run of the suite: every entrant on every task, each in a process of its own.

What is stored is not run again, so an interrupted command continues. An entrant that fails or is
killed leaves the others; the next command tries it again.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from tslm.core.errors import ConfigError, TslmError
from tslm.estimators.baseline_forecaster import BaselineForecaster
from tslm.estimators.tslm_forecaster import TSLMForecaster
from tslm.evaluation.suite.entrants import Entrant
from tslm.evaluation.suite.groups import WINDOWS, Group, TaskSettings
from tslm.evaluation.suite.protocol import asked_of, run_entrant, run_reference, score_stored
from tslm.evaluation.suite.store import Record, Store

Reporter = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """One entrant on one task.

    Args:
        group: gives the protocol.
        task: to forecast.
        entrant: the model.
        seeds: one run each.
        store: takes the results.
    """

    group: Group
    task: TaskSettings
    entrant: Entrant
    seeds: tuple[int, ...]
    store: Store

    def done(self) -> bool:
        """Return whether every run is stored, for these settings; combinations are made anew."""
        if self.entrant.combination is not None:
            return False
        record = self._record()
        return record.failed is None and bool(record.runs) and not record.missing(list(self.seeds))

    def work(self) -> None:
        """Make the runs that are missing; a failure is stored."""
        try:
            run_entrant(self.group, self.task, self.entrant, self.seeds, self.store)
        except Exception as error:
            kind = "" if isinstance(error, TslmError) else f"{type(error).__name__}: "
            self.fail(f"{kind}{error}")

    def fail(self, reason: str) -> None:
        """Store the reason of a failure beside the runs that were made."""
        record = self._record()
        record.failed = reason
        self.store.write(record)

    def _record(self) -> Record:
        asked = asked_of(self.group, self.task, self.entrant)
        return self.store.fresh(self.task.name, self.entrant.name, asked)


def run_suite(
    group: Group,
    entrants: Sequence[Entrant],
    tasks: Sequence[TaskSettings],
    seeds: Sequence[int],
    store: Store,
    say: Reporter,
    *,
    time_limit: float | None = None,
    isolated: bool = True,
) -> None:
    """Run entrants on tasks, and score stored forecasts of other libraries.

    Args:
        group: gives the protocol.
        entrants: the models.
        tasks: of the group.
        seeds: one run each, for models with randomness.
        store: takes the results.
        say: called with one line per result.
        time_limit: seconds after which a process is killed; None sets no limit.
        isolated: run each entrant of a task in a process of its own; False runs in this process.
    """
    for task in tasks:
        reference = run_reference(group, task, store)["scores"]
        errors = _shown(group, reference)
        say(f"{task.name:<14} {'reference':<18} {errors}")
        if group.kind == WINDOWS:
            for record in score_stored(group, task, store):
                errors = _shown(group, record.runs[0]["scores"])
                say(f"{task.name:<14} {record.model:<18} {errors}  scored")
        for entrant in entrants:
            job = Job(group, task, entrant, tuple(seeds), store)
            if job.done():
                say(f"{task.name:<14} {entrant.name:<18} is there already")
                continue
            _start(job, time_limit, isolated and entrant.combination is None)
            record = store.read(task.name, entrant.name) or Record(task.name, entrant.name)
            if record.failed is not None:
                say(f"{task.name:<14} {entrant.name:<18} failed: {record.failed}")
            for run in record.runs if record.failed is None else []:
                seconds = run["fit_seconds"] + run["predict_seconds"]
                errors = _shown(group, run["scores"])
                say(f"{task.name:<14} {entrant.name:<18} {errors}  {seconds:.1f} s")


def check_settings(settings: Mapping[str, Any]) -> None:
    """Refuse settings that no estimator has.

    Raises:
        ConfigError: naming the setting.
    """
    known = {*TSLMForecaster().get_params(deep=False), *BaselineForecaster().get_params(deep=False)}
    for key in settings:
        if key not in known:
            raise ConfigError(f"settings={{{key}: ...}}: no forecaster has the setting {key}.")


def _start(job: Job, time_limit: float | None, isolated: bool) -> None:
    """Run a job to its end, in a process of its own if ``isolated``."""
    if not isolated:
        job.work()
        return
    process = get_context("spawn").Process(target=_work_silently, args=(job,))
    process.start()
    try:
        process.join(time_limit)
        if process.is_alive():
            process.kill()
            process.join()
            job.fail(f"It ran longer than time_limit={time_limit:g} seconds.")
        elif process.exitcode:
            ended = "signal" if process.exitcode < 0 else "exit code"
            job.fail(f"Its process ended with {ended} {abs(process.exitcode)}.")
    finally:
        if process.is_alive():  # this process is interrupted
            process.kill()


def _work_silently(job: Job) -> None:
    """Run a job without the warnings of fit and predict."""
    warnings.simplefilter("ignore")
    job.work()


def _shown(group: Group, scores: Mapping[str, float]) -> str:
    return "  ".join(f"{metric.upper()} {scores[metric]:.4f}" for metric in group.metrics)
