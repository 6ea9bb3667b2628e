"""Search for settings by validation error, with optuna; an interrupted study is continued.

Install with ``pip install tslm[tune]``. https://optuna.org
"""

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
from tslm.core.hashing import sha256_bytes
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
    """Fit a model with many settings, and score each one on the validation rows of its fit.

    Only the rows of ``val_size`` or of ``val_df`` decide; leave the rows of your final test out of
    both. Settings that cannot be fitted become a pruned trial with the reason in its
    ``user_attrs``. Several processes can search in one folder. The same command continues a search
    whose process was killed, with the same result.

    Args:
        model: the unfitted model; its other settings are those of all trials.
        df: the long frame, of pandas, polars or Arrow.
        space: by the name of a parameter ("learning_rate", "adapter.patch_len"), a list of choices
            or ``{"low": ..., "high": ..., "log": ..., "step": ...}``.
        n_trials: total number of trials, with those of earlier runs and other processes.
        folder: folder of the study. A trial whose process was killed is repeated.
        static_df: as in ``fit``.
        val_df: as in ``fit``.
        say: called with one line of text after each trial.

    Returns:
        The study: ``best_params``, ``best_value`` (MSE on the standardised scale), ``trials``.

    Raises:
        ConfigError: if the space is impossible, as a whole or at every point tried, or the folder
            holds another study.
        DataError: if the frame breaks the contract, no rows are held out for validation, or the
            file in the folder is not a study.

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
        warnings.simplefilter("ignore", UserWarning)  # each fit warns again
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
        raise ConfigError(
            f"No settings of the space could be fitted. The first error was: {reason}"
        )
    return study


def _fit_quietly(model: TrainedForecaster, said: set[str], df: Any, **beside: Any) -> None:
    """Fit a candidate; show each kind of warning once per study.

    Args:
        model: the candidate.
        said: warnings that were shown already, without their numbers.
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
    """Return the next trial with its settings, or None if there are enough trials.

    The settings depend on the seed and on the number of trials before, not on the process.
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
    """Hold a lock file that the system releases when this process ends or is killed."""
    name = f".worker-{uuid.uuid4().hex}.lock"
    with FileLock(path / name):
        yield name
    (path / name).unlink(missing_ok=True)


def _is_alive(trial: FrozenTrial, path: Path) -> bool:
    """Return True if the process of a trial still runs."""
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
    """Lock for optuna that the system releases when the process ends."""

    def __init__(self, lock: FileLock) -> None:
        self.lock = lock

    def acquire(self) -> bool:
        self.lock.acquire()
        return True

    def release(self) -> None:
        self.lock.release()


def _opened(log: Path, turn: FileLock) -> optuna.Study:
    """Open the study in a file, or make a new one.

    Raises:
        DataError: if the file is not a study.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        _cut_torn(log)
        lock: Any = _Turn(turn)  # optuna calls only acquire and release
        backend = JournalFileBackend(str(log), lock_obj=lock)
        storage = JournalStorage(backend)
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


def _check_kept(some: bool) -> None:
    if not some:
        raise DataError(
            "No rows are held out for validation, so trials cannot be compared. Set val_size, or "
            "give longer series."
        )


def _error(fitted: TrainedForecaster) -> float:
    """Return the validation error of a fit."""
    entries = fitted.verdict_.entries
    _check_kept(bool(entries))
    if not math.isfinite(entries[0].mse):
        raise DataError(f"The validation error is {entries[0].mse}.")
    return entries[0].mse


def _parameters(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as parameters of an estimator: ``a.b`` becomes ``a__b``."""
    return {name.replace(".", "__"): value for name, value in point.items()}


def _checked(model: TrainedForecaster, name: str, choices: Any) -> Any:
    """Check the choices of one setting and return them as plain values.

    Raises:
        ConfigError: if they are neither a list nor a range, or the setting does not take them.
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
    """Raise if a setting accepts none of the values.

    Raises:
        ConfigError: with the error of the first value.
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
    """Return a digest of a study: settings, space, and the rows of the data."""
    params = {name: plain(value) for name, value in model.get_params(deep=False).items()}
    settings = json.dumps([params, space, known], default=str).encode()
    rows = pd.util.hash_pandas_object(frame.table, index=False).to_numpy().tobytes()
    return sha256_bytes([settings, rows])[:16]


def _claim(study: optuna.Study, fingerprint: str, path: Path) -> None:
    """Mark a new study with its fingerprint, or raise if an old one has another."""
    known = study.user_attrs.get("fingerprint")
    if known is None:
        study.set_user_attr("fingerprint", fingerprint)
    elif known != fingerprint:
        raise ConfigError(
            f"{path} holds a study with other settings, another space or other data. Give another "
            "folder, or remove it."
        )
