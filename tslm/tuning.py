"""Search for settings by validation error, with optuna; a study goes on where it was left.

Install with ``pip install tslm[tune]``. https://optuna.org
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from sklearn.base import clone

from tslm.errors import ConfigError, DataError
from tslm.saving import plain
from tslm.trained import TrainedForecaster

Space = Mapping[str, Any]
RANGE = {"low", "high", "log", "step"}
STUDY = "study.log"
USUAL: Space = {"learning_rate": {"low": 3e-4, "high": 1e-2, "log": True}}


def tune(
    model: TrainedForecaster,
    df: pd.DataFrame,
    space: Space,
    *,
    n_trials: int,
    folder: str | Path,
    say: Callable[[str], None] | None = None,
) -> optuna.Study:
    """Fit a model with many settings, and score each by the validation rows of its fit.

    The rows that ``val_size`` keeps aside decide, and nothing else: keep what you will test on out
    of ``df``.

    Args:
        model: what all trials share; it stays as it is.
        df: the long frame.
        space: by the name of a parameter ("learning_rate", "adapter.patch_len"), a list of choices
            or ``{"low": ..., "high": ..., "log": ..., "step": ...}``.
        n_trials: trials in all, those already in the folder included.
        folder: where the study is kept. A trial that was killed is made anew.
        say: told of each trial when it is done.

    Returns:
        The study: ``best_params``, ``best_value`` (MSE on the standardised scale), ``trials``.

    Raises:
        ConfigError: if the space is impossible, or the folder holds a study of something else.
        DataError: if no rows are kept for validation.

    Examples:
        >>> from tslm import TSLMForecaster
        >>> from tslm.tuning import tune
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=200)
        >>> model = TSLMForecaster(h=7, backbone="tiny", max_steps=2, random_state=0, verbose=0)
        >>> space = {"learning_rate": [0.001, 0.01]}
        >>> sorted(tune(model, sales, space, n_trials=1, folder="study").best_params)
        ['learning_rate']
    """
    for name, choices in space.items():
        _check(name, choices)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="tslm",
        storage=JournalStorage(JournalFileBackend(str(path / STUDY))),
        load_if_exists=True,
    )
    _claim(study, _print(model, df, space), path)
    seed = model.get_params(deep=False)["random_state"]
    fresh = None if seed is None else seed + len(study.trials)  # do not try the first ones again
    study.sampler = optuna.samplers.TPESampler(seed=fresh)

    def objective(trial: optuna.Trial) -> float:
        chosen = {name: _suggest(trial, name, choices) for name, choices in space.items()}
        candidate: TrainedForecaster = clone(model)
        candidate.set_params(**{key.replace(".", "__"): value for key, value in chosen.items()})
        entries = candidate.fit(df).verdict_.entries
        if not entries:
            raise DataError(
                "No rows are kept for validation, so nothing tells trials apart. Set val_size, or "
                "give longer series."
            )
        if say is not None:
            shown = "  ".join(f"{key}={value}" for key, value in chosen.items())
            say(f"trial {trial.number:<4} MSE {entries[0].mse:.4f}  {shown}")
        return entries[0].mse

    done = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    study.optimize(objective, n_trials=max(n_trials - done, 0))
    return study


def _check(name: str, choices: Any) -> None:
    ranged = isinstance(choices, Mapping) and {"low", "high"} <= set(choices) <= RANGE
    if not ranged and not (isinstance(choices, list) and choices):
        raise ConfigError(
            f"space.{name}={choices!r} must be a list of choices, or have low and high, and "
            "perhaps log or step."
        )
    if ranged and not choices["low"] < choices["high"]:
        raise ConfigError(f"space.{name}: low {choices['low']} must be below {choices['high']}.")


def _suggest(trial: optuna.Trial, name: str, choices: Any) -> Any:
    if isinstance(choices, list):
        return trial.suggest_categorical(name, choices)
    low, high = choices["low"], choices["high"]
    more = {key: choices[key] for key in ("log", "step") if key in choices}
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, **more)
    return trial.suggest_float(name, low, high, **more)


def _print(model: TrainedForecaster, df: pd.DataFrame, space: Space) -> str:
    """What a study is about, in a few letters."""
    params = {name: plain(value) for name, value in model.stored_params().items()}
    text = json.dumps(
        [params, {key: dict(v) if isinstance(v, Mapping) else v for key, v in space.items()}],
        default=str,
    )
    rows = pd.util.hash_pandas_object(df.reset_index(drop=True)).to_numpy().tobytes()
    return hashlib.sha256(text.encode() + rows).hexdigest()[:16]


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
