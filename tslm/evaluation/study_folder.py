"""Folder of a study: trials that survive killed processes and are shared by several ones."""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from tslm.core.errors import ConfigError, DataError
from tslm.evaluation.search_space import Space, suggest

STUDY = "study.log"
LOCK = "study.lock"
WORKER = ".worker-{}.lock"  # of a process that searches
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


class StudyFolder:
    """Folder with one study of optuna.

    Args:
        path: the folder; it is made if missing.
        fingerprint: digest of the study. A new study gets it, an old one must have it.

    Raises:
        ConfigError: if the folder holds a study with another fingerprint, or cannot be written.
        DataError: if the file in the folder is not a study.

    Attributes:
        study: the study.
    """

    def __init__(self, path: str | Path, fingerprint: str) -> None:
        self._path = Path(path).resolve()
        self._lock = FileLock(self._path / LOCK)
        with _writable(self._path):
            self._path.mkdir(parents=True, exist_ok=True)
            with self._lock:
                self.study = _opened(self._path / STUDY, self._lock)
                self._claim(fingerprint)
                self._remove_dead_workers()

    def _claim(self, fingerprint: str) -> None:
        """Mark a new study with its fingerprint, or raise if an old one has another."""
        known = self.study.user_attrs.get("fingerprint")
        if known is None:
            self.study.set_user_attr("fingerprint", fingerprint)
        elif known != fingerprint:
            raise ConfigError(
                f"{self._path} holds a study with other settings, another space or other data. "
                "Give another folder, or remove it."
            )

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials in some states."""
        return self.study.get_trials(deepcopy=False, states=states)

    @contextmanager
    def working(self) -> Iterator[str]:
        """Hold a lock file that the system releases when this process ends or is killed.

        Raises:
            ConfigError: if the folder cannot be written.
        """
        name = WORKER.format(uuid.uuid4().hex)
        lock = FileLock(self._path / name)
        with _writable(self._path), self._lock:  # nobody takes it for one of a dead process
            lock.acquire()
        try:
            yield name
        finally:
            lock.release()
            (self._path / name).unlink(missing_ok=True)

    def next_trial(
        self, worker: str, space: Space, n_trials: int, seed: int | None
    ) -> optuna.Trial | None:
        """Return the next trial with its settings, or None if there are enough trials.

        The settings depend on the seed and on the number of trials before, not on the process.

        Args:
            worker: name of the lock file of this process, from ``working``.
            space: choices of each setting.
            n_trials: total number of trials.
            seed: seed of the draws; None draws differently each time.
        """
        with self._lock:
            running = self.trials(TrialState.RUNNING)
            dead = [trial for trial in running if not self._is_alive(trial)]
            for trial in dead:
                self.study.tell(trial.number, state=TrialState.FAIL)
            before = len(self.trials(*DONE)) + len(running) - len(dead)
            if before >= n_trials:
                return None
            self.study.sampler = optuna.samplers.TPESampler(seed=_seed_after(before, seed))
            new = self.study.ask()
            new.set_user_attr("worker", worker)
            for name, choices in space.items():
                suggest(new, name, choices)
        return new

    def _is_alive(self, trial: FrozenTrial) -> bool:
        """Return True if the process of a trial still runs."""
        held = self._path / trial.user_attrs.get("worker", "")
        return held.is_file() and _is_held(held)

    def _remove_dead_workers(self) -> None:
        """Remove the lock files of processes that were killed."""
        for held in self._path.glob(WORKER.format("*")):
            if not _is_held(held):
                held.unlink(missing_ok=True)


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Raise an error of a file inside a ``with`` block as one of the folder of a study.

    Raises:
        ConfigError: with the reason, such as a full disk.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror or error}. Make room, or give another "
            "folder. The same command continues the search."
        ) from error


def _is_held(lock: Path) -> bool:
    """Return True if a process holds a lock file."""
    try:
        with FileLock(lock, timeout=0):
            return False
    except Timeout:
        return True


def _seed_after(n_trials: int, seed: int | None) -> int | None:
    """Return the seed of the draws of one trial, from the number of trials before it."""
    if seed is None:
        return None
    return int(np.random.SeedSequence([seed, n_trials]).generate_state(1)[0])


class StudyLog(JournalFileBackend):
    """File of a study, to which entries are added whole or not at all.

    Args:
        path: the file.
        lock: lock of the folder.
    """

    def __init__(self, path: Path, lock: FileLock) -> None:
        self._path, self._held = path, lock
        shared: Any = _StudyLock(lock)  # optuna calls only acquire and release
        super().__init__(str(path), lock_obj=shared)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries.

        Raises:
            ConfigError: if they cannot be written, for example because the disk is full.
        """
        with _writable(self._path.parent), self._held:
            size = self._path.stat().st_size
            try:
                super().append_logs(logs)
            except OSError:
                os.truncate(self._path, size)
                raise


class _StudyLock:
    """Lock for optuna that the system releases when the process ends."""

    def __init__(self, lock: FileLock) -> None:
        self.lock = lock

    def acquire(self) -> bool:
        self.lock.acquire()
        return True

    def release(self) -> None:
        self.lock.release()


def _opened(log: Path, held: FileLock) -> optuna.Study:
    """Open the study in a file, or make a new one.

    Raises:
        DataError: if the file is not a study.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        _cut_torn(log)
        storage = JournalStorage(StudyLog(log, held))
        return optuna.create_study(study_name="tslm", storage=storage, load_if_exists=True)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{log} is not a study, or it is damaged ({error}). Give another folder, or remove it."
        ) from error


def _cut_torn(log: Path) -> None:
    """Cut off a last line that a full disk or a killed process left unfinished.

    Raises:
        ValueError: if the first line is not that of a study.
    """
    lines = log.read_bytes().splitlines(keepends=True) if log.is_file() else []
    if not lines or _is_entry(lines[-1]):
        return
    if not lines[0].startswith(b'{"op_code"'):
        raise ValueError("its first line is not that of a study")
    log.write_bytes(b"".join(lines[:-1]))


def _is_entry(line: bytes) -> bool:
    """Return True if a line of the file is complete."""
    try:
        return line.endswith(b"\n") and "op_code" in json.loads(line)
    except (ValueError, TypeError):
        return False
