"""Search for settings by validation error, with optuna; a study goes on where it was left.

Install with ``pip install tslm[tune]``. https://optuna.org
"""

import hashlib
import json
import math
import re
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from filelock import FileLock, Timeout
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from sklearn.base import clone

from tslm.core.config.choices import unknown_key
from tslm.core.errors import ConfigError, DataError, TslmError, warn
from tslm.core.spec import refuse_nested
from tslm.data.frame import Frame
from tslm.data.interchange import to_pandas
from tslm.estimators.fitting import TrainedForecaster
from tslm.estimators.saving import plain

Space = Mapping[str, Any]
RANGE = {"low", "high", "log", "step"}
STUDY = "study.log"
LOCK = "study.lock"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)
USUAL: Space = {"learning_rate": {"low": 3e-4, "high": 1e-2, "log": True}}


def tune(
    model: TrainedForecaster,
    df: Any,
    space: Space,
    *,
    n_trials: int,
    folder: str | Path,
    static_df: Any = None,
    val_df: Any = None,
    say: Callable[[str], None] | None = None,
) -> optuna.Study:
    """Fit a model with many settings, and score each by the validation rows of its fit.

    The rows that ``val_size`` keeps aside decide, or those of ``val_df``, and nothing else: keep
    what you will test on out of both. A point that cannot be fitted is a pruned trial, whose
    ``user_attrs`` say why. Several processes may search in one folder; one that is killed leaves no
    mark, and the same command goes on as if it had not been.

    Args:
        model: what all trials share; it stays as it is.
        df: the long frame, of pandas, polars or Arrow.
        space: by the name of a parameter ("learning_rate", "adapter.patch_len"), a list of choices
            or ``{"low": ..., "high": ..., "log": ..., "step": ...}``.
        n_trials: trials in all, those already in the folder and of other processes included.
        folder: where the study is kept. A trial that was killed is made anew.
        static_df: as in ``fit``.
        val_df: as in ``fit``.
        say: told of each trial when it is done.

    Returns:
        The study: ``best_params``, ``best_value`` (MSE on the standardised scale), ``trials``.

    Raises:
        ConfigError: if the space is impossible, as a whole or at every point tried, or the folder
            holds a study of something else.
        DataError: if the frame breaks the contract, no rows are kept for validation, or what the
            folder holds is no study.

    Examples:
        >>> from tslm import TSLMForecaster
        >>> from tslm.evaluation.tuning import tune
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=200)
        >>> model = TSLMForecaster(h=7, backbone="tiny", max_steps=2, random_state=0, verbose=0)
        >>> space = {"learning_rate": [0.001, 0.01]}
        >>> sorted(tune(model, sales, space, n_trials=1, folder="study").best_params)
        ['learning_rate']
    """
    space = {name: _checked(model, name, choices) for name, choices in space.items()}
    df, static_df, val_df = (to_pandas(part) for part in (df, static_df, val_df))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # each fit says it
        both = df if val_df is None else pd.concat([df, val_df], ignore_index=True)
        frame = model.read(model.joined(both, static_df))
    if {"h", "val_size"}.isdisjoint(space) and val_df is None:
        _check_kept(bool(model.rows_kept(frame).any()))
    asked = fingerprint(model, space, frame, len(df))
    path = Path(folder).resolve()
    path.mkdir(parents=True, exist_ok=True)
    turn = FileLock(path / LOCK)
    with turn:
        study = _opened(path / STUDY, turn)
        _claim(study, asked, path)
    seed = model.get_params(deep=False)["random_state"]
    said: set[str] = set()
    with _working(path) as worker:
        while (trial := _next(study, turn, worker, path, n_trials, seed, space)) is not None:
            candidate: TrainedForecaster = clone(model)
            candidate.set_params(**_parameters(trial.params))
            shown = "  ".join(f"{key}={value}" for key, value in trial.params.items())
            try:
                _fit_quietly(candidate, said, df, static_df=static_df, val_df=val_df)
                found: float | str = _error(candidate)
            except TslmError as error:
                found = str(error)
            except BaseException:
                study.tell(trial, state=TrialState.FAIL)
                raise
            if isinstance(found, float):
                study.tell(trial, found)
                text = f"MSE {found:.4f}  {shown}"
            else:
                trial.set_user_attr("reason", found)
                study.tell(trial, state=TrialState.PRUNED)
                text = f"impossible  {shown}: {found}"
            if say is not None:
                say(f"trial {trial.number:<4} {text}")
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        pruned = study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
        reason = pruned[0].user_attrs["reason"] if pruned else "other processes have not ended."
        raise ConfigError(f"No point of the space could be fitted. The first says: {reason}")
    return study


def _fit_quietly(model: TrainedForecaster, said: set[str], df: Any, **beside: Any) -> None:
    """Fit a candidate, whose warnings are said once a study, whatever numbers are in them.

    Args:
        model: the candidate.
        said: what has been said, without numbers.
        df: the long frame.
        beside: further frames.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model.fit(df, **beside)
    for one in caught:
        kind = re.sub(r"\d+", "", str(one.message))
        if one.category is not UserWarning:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        elif kind not in said:
            said.add(kind)
            warn(str(one.message))


def _next(
    study: optuna.Study,
    turn: FileLock,
    worker: str,
    path: Path,
    n_trials: int,
    seed: int | None,
    space: Space,
) -> optuna.Trial | None:
    """The next trial with its point, or None if enough are made or being made.

    Its point depends on the seed and on how many trials are before it, not on who made them.
    """
    with turn:
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        dead = [trial for trial in running if not _is_alive(trial, path)]
        for trial in dead:
            study.tell(trial.number, state=TrialState.FAIL)
        before = len(study.get_trials(deepcopy=False, states=DONE)) + len(running) - len(dead)
        if before >= n_trials:
            return None
        drawn = None if seed is None else np.random.SeedSequence([seed, before]).generate_state(1)
        study.sampler = optuna.samplers.TPESampler(seed=None if drawn is None else int(drawn[0]))
        new = study.ask()
        new.set_user_attr("worker", worker)
        for name, choices in space.items():
            _suggest(new, name, choices)
    return new


@contextmanager
def _working(path: Path) -> Iterator[str]:
    """Hold a lock that the system lets go when this process ends, however it ends."""
    name = f".worker-{uuid.uuid4().hex}.lock"
    with FileLock(path / name):
        yield name
    (path / name).unlink(missing_ok=True)


def _is_alive(trial: FrozenTrial, path: Path) -> bool:
    """Whether the process that makes a trial still runs."""
    held = path / trial.user_attrs.get("worker", "")
    if not held.is_file():
        return False
    try:
        with FileLock(held, timeout=0):
            pass
    except Timeout:
        return True
    held.unlink(missing_ok=True)
    return False


class _Turn:
    """Optuna's lock, as one that the system lets go when its process ends."""

    def __init__(self, lock: FileLock) -> None:
        self.lock = lock

    def acquire(self) -> bool:
        self.lock.acquire()
        return True

    def release(self) -> None:
        self.lock.release()


def _opened(log: Path, turn: FileLock) -> optuna.Study:
    """The study in a file, or a new one.

    Raises:
        DataError: if the file holds something else.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        _cut_torn(log)
        lock: Any = _Turn(turn)  # optuna asks for no more than acquire and release
        backend = JournalFileBackend(str(log), lock_obj=lock)
        storage = JournalStorage(backend)
        return optuna.create_study(study_name="tslm", storage=storage, load_if_exists=True)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{log} is no study, or it is damaged ({error}). Give another folder, or remove it."
        ) from error


def _cut_torn(log: Path) -> None:
    """Cut off a last line that a full disk or a killed process left unfinished.

    Raises:
        ValueError: if the first line is none of a study.
    """
    lines = log.read_bytes().splitlines(keepends=True) if log.is_file() else []
    if not lines or _is_entry(lines[-1]):
        return
    if not lines[0].startswith(b'{"op_code"'):
        raise ValueError("its first line is none of a study")
    log.write_bytes(b"".join(lines[:-1]))


def _is_entry(line: bytes) -> bool:
    """Whether a line of the file is whole."""
    try:
        return line.endswith(b"\n") and "op_code" in json.loads(line)
    except (ValueError, TypeError):
        return False


def _check_kept(some: bool) -> None:
    if not some:
        raise DataError(
            "No rows are kept for validation, so nothing tells trials apart. Set val_size, or give "
            "longer series."
        )


def _error(fitted: TrainedForecaster) -> float:
    """The validation error of a fit."""
    entries = fitted.verdict_.entries
    _check_kept(bool(entries))
    if not math.isfinite(entries[0].mse):
        raise DataError(f"The validation error is {entries[0].mse}.")
    return entries[0].mse


def _parameters(point: Mapping[str, Any]) -> dict[str, Any]:
    """A point as parameters of an estimator."""
    return {name.replace(".", "__"): value for name, value in point.items()}


def _checked(model: TrainedForecaster, name: str, choices: Any) -> Any:
    """A list of choices, or a range of numbers, as plain values.

    Raises:
        ConfigError: if it is neither, or names no setting that takes such values.
    """
    if isinstance(choices, np.ndarray | tuple | range):
        choices = list(choices)
    if isinstance(choices, list) and choices:
        values = [plain(value) for value in choices]
        for value in values:
            refuse_nested(f"space.{name}", value)
        _try(model, name, values)
        return values
    if not isinstance(choices, Mapping) or not {"low", "high"} <= set(choices) <= RANGE:
        raise ConfigError(
            f"space.{name}={choices!r} must be a list of choices, or have low and high, and "
            "perhaps log or step."
        )
    span = {key: plain(value) for key, value in choices.items()}
    _check_range(name, span)
    _try(model, name, [span["low"], span["high"]])
    return span


def _check_range(name: str, span: Mapping[str, Any]) -> None:
    for key, value in span.items():  # in the order they were typed
        if key == "log":
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ConfigError(f"space.{name}: {key} {value!r} must be a number.")
    if not span["low"] < span["high"]:
        raise ConfigError(f"space.{name}: low {span['low']} must be below {span['high']}.")
    if not isinstance(span.get("log", False), bool):
        raise ConfigError(f"space.{name}: log {span['log']!r} must be true or false.")
    if span.get("log") and span["low"] <= 0:
        raise ConfigError(f"space.{name}: with log, low {span['low']} must be above 0.")
    if span.get("step", 1) <= 0:
        raise ConfigError(f"space.{name}: step {span['step']} must be above 0.")
    if span.get("log") and "step" in span:
        raise ConfigError(f"space.{name} has log and step. Give only one of them.")


def _try(model: TrainedForecaster, name: str, values: list[Any]) -> None:
    """Refuse a setting that takes none of these values by itself.

    Raises:
        ConfigError: with what is wrong with the first one.
    """
    known = model.get_params(deep=False)
    if next(iter(_parameters({name: None}))).partition("__")[0] not in known:
        raise ConfigError(f"space.{unknown_key(name, sorted(known))}")
    errors = []
    for value in values:
        try:
            clone(model).set_params(**_parameters({name: value})).check_params()
        except TslmError as error:
            errors.append(error)
    if len(errors) == len(values):
        raise ConfigError(f"space.{name}: {errors[0]}")


def _suggest(trial: optuna.Trial, name: str, choices: Any) -> None:
    if isinstance(choices, list):
        trial.suggest_categorical(name, choices)
        return
    low, high = choices["low"], choices["high"]
    more = {key: choices[key] for key in ("log", "step") if key in choices}
    whole = all(isinstance(choices[key], int) for key in ("low", "high", "step") if key in choices)
    (trial.suggest_int if whole else trial.suggest_float)(name, low, high, **more)


def fingerprint(model: TrainedForecaster, space: Space, frame: Frame, known: int) -> str:
    """What a study is about, in a few letters: settings, space, and the rows a model reads."""
    params = {name: plain(value) for name, value in model.get_params(deep=False).items()}
    digest = hashlib.sha256(json.dumps([params, space, known], default=str).encode())
    digest.update(pd.util.hash_pandas_object(frame.table, index=False).to_numpy().tobytes())
    return digest.hexdigest()[:16]


def _claim(study: optuna.Study, fingerprint: str, path: Path) -> None:
    """Make a study ours, or refuse one that is about something else."""
    known = study.user_attrs.get("fingerprint")
    if known is None:
        study.set_user_attr("fingerprint", fingerprint)
    elif known != fingerprint:
        raise ConfigError(
            f"{path} holds a study with other settings, another space or other data. Give another "
            "folder, or remove it."
        )
