"""Search space of a study: the choices of each setting, checked before any trial."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import optuna
from sklearn.base import clone

from tslm.core.errors import ConfigError, TslmError
from tslm.core.messages import unknown_key
from tslm.core.spec import refuse_nested
from tslm.estimators.saving.values import plain_parameter
from tslm.estimators.trained_forecaster import TrainedForecaster

Space = Mapping[str, Any]
RANGE = {"low", "high", "log", "step"}
USUAL: Space = {"learning_rate": {"low": 3e-4, "high": 1e-2, "log": True}}


def check_space(model: TrainedForecaster, space: Space) -> Space:
    """Check the choices of each setting and return them as plain values.

    Raises:
        ConfigError: if a setting is unknown, has neither a list nor a range, or takes no value of
            it.
    """
    return {name: _checked(model, name, choices) for name, choices in space.items()}


def parameters(point: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as parameters of an estimator: ``a.b`` becomes ``a__b``."""
    return {name.replace(".", "__"): value for name, value in point.items()}


def suggest(trial: optuna.Trial, name: str, choices: Any) -> None:
    """Draw the value of one setting for a trial."""
    if isinstance(choices, list):
        trial.suggest_categorical(name, choices)
        return
    low, high = choices["low"], choices["high"]
    more = {key: choices[key] for key in ("log", "step") if key in choices}
    whole = all(isinstance(choices[key], int) for key in ("low", "high", "step") if key in choices)
    (trial.suggest_int if whole else trial.suggest_float)(name, low, high, **more)


def _checked(model: TrainedForecaster, name: str, choices: Any) -> Any:
    """Check the choices of one setting and return them as plain values.

    Raises:
        ConfigError: if they are neither a list nor a range, or the setting does not take them.
    """
    if isinstance(choices, np.ndarray | tuple | range):
        choices = list(choices)
    if isinstance(choices, list) and choices:
        values = [plain_parameter(value) for value in choices]
        for value in values:
            refuse_nested(f"space.{name}", value)
        _try(model, name, values)
        return values
    if not isinstance(choices, Mapping) or not {"low", "high"} <= set(choices) <= RANGE:
        raise ConfigError(
            f"space.{name}={choices!r} must be a list of choices, or have low and high, and "
            "perhaps log or step."
        )
    span = {key: plain_parameter(value) for key, value in choices.items()}
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
    if next(iter(parameters({name: None}))).partition("__")[0] not in known:
        raise ConfigError(f"space.{unknown_key(name, sorted(known))}")
    errors = []
    for value in values:
        try:
            clone(model).set_params(**parameters({name: value})).check_params()
        except TslmError as error:
            errors.append(error)
    if len(errors) == len(values):
        raise ConfigError(f"space.{name}: {errors[0]}")
