"""Results of the suite on disk: one JSON file per task and model, beside its forecasts.

``OUT/GROUP/TASK/MODEL.json`` has the settings and one run per seed, with errors, seconds and
memory. ``OUT/GROUP/TASK/MODEL-SEED.parquet`` has the forecasts of that run. Other libraries write
the same two files without ``scores``.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tslm.core.errors import DataError
from tslm.core.files import write_json

REFERENCE = "reference"  # name of the model that errors are relative to


@dataclass
class Record:
    """Result of one model on one task.

    Args:
        task: name of the task.
        model: name of the entrant.
        asked: settings and task that the result belongs to; others make it stale.
        runs: one per seed: ``seed``, ``scores``, ``fit_seconds``, ``predict_seconds``,
            ``memory_mb``, ``forecasts`` (name of the file) and ``note``.
        config: all settings of the fitted model.
        failed: reason of a failure, or None.
        version: of the package that made the forecasts.
    """

    task: str
    model: str
    asked: dict[str, Any] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    failed: str | None = None
    version: str = ""

    def missing(self, seeds: list[int]) -> list[int]:
        """Return the seeds that have no run yet; a model without randomness needs one run."""
        done = [run["seed"] for run in self.runs]
        return [] if None in done else [seed for seed in seeds if seed not in done]


@dataclass(frozen=True)
class Store:
    """Folder of the results of one group.

    Args:
        folder: ``OUT/GROUP``.
    """

    folder: Path

    def path(self, task: str, model: str) -> Path:
        """Return the file of one model on one task."""
        return self.folder / task / f"{model}.json"

    def forecasts(self, task: str, model: str, seed: int | None) -> Path:
        """Return the file of the forecasts of one run."""
        name = model if seed is None else f"{model}-{seed}"
        return self.folder / task / f"{name}.parquet"

    def read(self, task: str, model: str) -> Record | None:
        """Return a stored result, or None if there is none."""
        path = self.path(task, model)
        return _read(path) if path.is_file() else None

    def fresh(self, task: str, model: str, asked: dict[str, Any]) -> Record:
        """Return the stored result if it belongs to these settings, else an empty one."""
        found, plain = self.read(task, model), json.loads(json.dumps(asked))
        return found if found is not None and found.asked == plain else Record(task, model, plain)

    def write(self, record: Record) -> None:
        """Write a result; the file is replaced as a whole."""
        write_json(vars(record), self.path(record.task, record.model))

    def records(self, task: str) -> Iterator[Record]:
        """Read all results of a task, sorted by model."""
        for path in sorted((self.folder / task).glob("*.json")):
            yield _read(path)


def _read(path: Path) -> Record:
    try:
        return Record(**json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise DataError(
            f"{path} is not a result of tslm suite: {error}. Delete it; the next command makes it "
            "again."
        ) from error
