"""Search for settings by validation error, with optuna; an interrupted study is continued.

Install with ``pip install tslm[tune]``. https://optuna.org
"""

import json
import math
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.trial import TrialState
from sklearn.base import clone

from tslm.core.errors import ConfigError, DataError, TslmError, warn
from tslm.core.hashing import sha256_bytes
from tslm.core.plain_values import plain
from tslm.data.frame import Frame
from tslm.data.interchange import to_pandas
from tslm.estimators.saving.values import plain_parameter
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.validation.rows import held_out_rows
from tslm.evaluation.search_space import USUAL as USUAL
from tslm.evaluation.search_space import Space, check_space, parameters
from tslm.evaluation.study_folder import StudyFolder


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
        >>> model = TSLMForecaster(h=7, base=None, backbone="tiny", max_steps=2, random_state=0)
        >>> space = {"learning_rate": [0.001, 0.01]}
        >>> sorted(tune(model, sales, space, n_trials=1, folder="study").best_params)
        ['learning_rate']
    """
    space = check_space(model, space)
    df, static_df, val_df = (to_pandas(part) for part in (df, static_df, val_df))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # each fit warns again
        both = df if val_df is None else pd.concat([df, val_df], ignore_index=True)
        frame = model.reader.read(both, static_df)
    if {"h", "val_size"}.isdisjoint(space) and val_df is None:
        _check_held_out(bool(held_out_rows(frame, plain(model.val_size), model.h).any()))
    trials = StudyFolder(folder, fingerprint(model, space, frame, len(df)))
    study = trials.study
    seed = model.get_params(deep=False)["random_state"]
    warned: set[str] = set()
    with trials.working() as worker:
        while (trial := trials.next_trial(worker, space, n_trials, seed)) is not None:
            candidate: TrainedForecaster = clone(model)
            candidate.set_params(**parameters(trial.params))
            shown = "  ".join(f"{key}={value}" for key, value in trial.params.items())
            try:
                _fit_quietly(candidate, warned, df, static_df=static_df, val_df=val_df)
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
    if not trials.trials(TrialState.COMPLETE):
        pruned = trials.trials(TrialState.PRUNED)
        reason = pruned[0].user_attrs["reason"] if pruned else "other processes have not ended."
        raise ConfigError(
            f"No settings of the space could be fitted. The first error was: {reason}"
        )
    return study


def _fit_quietly(model: TrainedForecaster, warned: set[str], df: Any, **beside: Any) -> None:
    """Fit a candidate; show each kind of warning once per study.

    Args:
        model: the candidate.
        warned: warnings that were shown already, without their numbers.
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
        elif kind not in warned:
            warned.add(kind)
            warn(str(one.message))


def _check_held_out(some: bool) -> None:
    if not some:
        raise DataError(
            "No rows are held out for validation, so trials cannot be compared. Set val_size, or "
            "give longer series."
        )


def _error(fitted: TrainedForecaster) -> float:
    """Return the validation error of a fit."""
    entries = fitted.verdict_.entries
    _check_held_out(bool(entries))
    if not math.isfinite(entries[0].mse):
        raise DataError(f"The validation error is {entries[0].mse}.")
    return entries[0].mse


def fingerprint(model: TrainedForecaster, space: Space, frame: Frame, known: int) -> str:
    """Return a digest of a study: settings, space, and the rows of the data."""
    params = {name: plain_parameter(value) for name, value in model.get_params(deep=False).items()}
    settings = json.dumps([params, space, known], default=str).encode()
    rows = pd.util.hash_pandas_object(frame.table, index=False).to_numpy().tobytes()
    return sha256_bytes([settings, rows])[:16]
