"""Values of a saved model: parameters, settings and states as JSON and arrays, and back."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

import tslm.core.plain_values as plain_values
from tslm.core.config.choices import GROUPS
from tslm.core.errors import DataError
from tslm.core.spec import Spec


def parted(state: Mapping[str, Any], prefix: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the plain values of a state, and its tensors and arrays.

    Args:
        state: of an object, by name.
        prefix: put in front of the names of tensors and arrays.
    """
    arrays = {name for name, value in state.items() if isinstance(value, Tensor | np.ndarray)}
    facts = {name: value for name, value in state.items() if name not in arrays}
    return facts, {f"{prefix}{name}": state[name] for name in state if name in arrays}


def joined(facts: Mapping[str, Any], arrays: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the state that ``parted`` has split.

    Args:
        facts: its plain values.
        arrays: its tensors and arrays, and others whose names do not begin with ``prefix``.
        prefix: as in ``parted``.
    """
    own = {name: value for name, value in arrays.items() if name.startswith(prefix)}
    return {**facts, **{name.removeprefix(prefix): value for name, value in own.items()}}


def plain_parameter(value: Any) -> Any:
    """Return a parameter ready for JSON: a spec becomes ``{"spec": ..., "options": ...}``."""
    if isinstance(value, Spec):
        options = {name: plain_values.plain(option) for name, option in value.options.items()}
        return {"spec": value.name, "options": options}
    return plain_values.plain(value)


def restored_parameters(facts: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the saved parameters of an estimator.

    Args:
        facts: facts of the saved model.
        known: parameters that the estimator has.

    Raises:
        DataError: if a parameter does not exist, or the name of a part is not a name.
    """
    params = dict(facts["params"])
    if strange := sorted(set(params) - set(known)):
        raise DataError(f"The saved model has unknown parameters: {', '.join(strange)}.")
    return {name: _restored(value) for name, value in params.items()}


def _restored(value: Any) -> Any:
    return restored_spec(value) if isinstance(value, dict) else value


def restored_spec(stored: Mapping[str, Any]) -> Spec:
    """Return the spec of a saved part. Its name must be that of a yaml file, never a path.

    Raises:
        DataError: if it has other letters than those of a name.
    """
    name = str(stored["spec"])
    if not re.fullmatch(r"[\w+]+", name):
        raise DataError(f"The saved model contains an invalid part name: {name!r}.")
    return Spec(name, **stored["options"])


def plain_settings(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings of a model, ready for JSON: names of parts, their options, values."""
    stored: dict[str, Any] = {"values": {}}
    for key, value in OmegaConf.to_container(cfg).items():  # type: ignore[union-attr]
        if key in cfg.choices and value is not None:
            options = {name: option for name, option in value.items() if name != "_target_"}
            stored[str(key)] = {"spec": cfg.choices[key], "options": options}
        elif key not in ("choices", *GROUPS):
            stored["values"][key] = value
    return stored
