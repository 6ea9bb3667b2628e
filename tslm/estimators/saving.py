"""Saving and loading of models: a folder of JSON and safetensors, checked when it is read.

A folder is written completely or not at all. No file is trusted: names, types and sizes are checked
before anything is built from them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import get_ident
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from omegaconf import DictConfig, ListConfig, OmegaConf
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

import tslm.core.plain_values as values
from tslm.core.atomic_write import beside, place, swap, sweep
from tslm.core.config.choices import GROUPS, node
from tslm.core.errors import ConfigError, DataError, TslmError
from tslm.core.files import FOLDER, check_writable
from tslm.core.hashing import sha256
from tslm.core.spec import Spec
from tslm.estimators.saved_folder import CHECKPOINTS as CHECKPOINTS
from tslm.estimators.saved_folder import (
    HEAD,
    HISTORY,
    MODEL,
    WEIGHTS,
    digest_of,
    is_unfinished_run,
    keep_other_files,
)
from tslm.estimators.training.weights import trained_state

FORMAT = 1
LARGEST = 2**20  # steps; larger horizons and contexts are refused. Chosen by hand
SPARE_SIZE = 10_000  # a size may exceed the count of saved numbers by this. Chosen by hand
SPARE, SPARE_NUMBERS = 1000, 2**26  # tensors and numbers that are not saved, at most
PATIENCE = 5.0  # seconds to wait for another process that is replacing the model


@dataclass(frozen=True)
class Saved:
    """Content of the folder of a saved model.

    Attributes:
        facts: everything that is not an array, ready for JSON.
        weights: trained tensors and the buffers of the adapter.
        history: the last rows of every series, as arrays.
    """

    facts: dict[str, Any]
    weights: dict[str, Tensor]
    history: dict[str, np.ndarray]


def save(saved: Saved, path: str | Path, overwrite: bool = False) -> None:
    """Write a model to a temporary folder, then move that to its place in one step.

    Files of other programs in an old folder are kept.

    Args:
        saved: the content.
        path: the folder.
        overwrite: True to replace a saved model.

    Raises:
        ConfigError: if the path exists and ``overwrite`` is False, or is not a saved model, or
            cannot be written.
    """
    target = place(path)
    sweep(target)
    check_free(target, overwrite)
    with beside(target) as draft:
        draft.mkdir()
        weights = {name: tensor.contiguous() for name, tensor in saved.weights.items()}
        safetensors.torch.save_file(weights, draft / WEIGHTS)
        safetensors.numpy.save_file(saved.history, draft / HISTORY)
        files = {name: sha256(draft / name) for name in (WEIGHTS, HISTORY)}
        files[MODEL] = digest_of(saved.facts)
        head = {"format": FORMAT, "tslm": version("tslm"), "files": files}
        (draft / MODEL).write_text(json.dumps({**head, **saved.facts}, indent=1) + "\n", "utf-8")
        for name in (WEIGHTS, HISTORY):  # safetensors makes files that only their owner can read
            (draft / name).chmod((draft / MODEL).stat().st_mode)
        if target.exists():
            keep_other_files(target, draft)
        swap(draft, target)


def check_free(path: str | Path, overwrite: bool = False) -> None:
    """Check before the work if a model can be saved to a path.

    Raises:
        ConfigError: if the path exists and ``overwrite`` is False, or is not a saved model.
    """
    target = place(path)
    if not target.exists() or is_unfinished_run(target):
        check_writable(path, FOLDER)
        return
    if not (target / MODEL).is_file():
        raise ConfigError(
            f"{path} exists and is not a saved model, so it is not overwritten. Give another path."
        )
    if not overwrite:
        raise ConfigError(
            f"{path} holds a saved model already. Give another path, or set overwrite=True."
        )


def read(path: str | Path) -> Saved:
    """Read the folder of a saved model and check that it is complete and unchanged.

    Raises:
        DataError: if it is not a saved model, is damaged or changed, or has a newer format.
    """
    folder = place(path)
    if not folder.exists():
        sweep(folder, PATIENCE)
    if not (folder / MODEL).is_file():
        raise DataError(f"{path} is not a saved tslm model: it has no {MODEL}.")
    with damage(f"{folder / MODEL}"):
        facts = json.loads((folder / MODEL).read_bytes())
        found, files = facts["format"], dict(facts["files"])
        whole = type(found) is int and isinstance(facts["kind"], str)
    if not whole:
        raise DataError(
            f"{folder / MODEL} is damaged: format must be a whole number and kind must be text. "
            "Save the model again."
        )
    if found != FORMAT:
        raise DataError(
            f"{path} has format {found}, written by tslm {facts.get('tslm')}. This is tslm "
            f"{version('tslm')}, which reads format {FORMAT}. Upgrade tslm."
        )
    for name in (WEIGHTS, HISTORY):
        if not (folder / name).is_file() or sha256(folder / name) != files.get(name):
            raise DataError(
                f"{folder / name} is missing, damaged or altered. Save the model again."
            )
    if files.get(MODEL) != digest_of(facts):
        raise DataError(f"{folder / MODEL} was altered. Save the model again.")
    with damage(str(folder)):
        weights = safetensors.torch.load_file(folder / WEIGHTS)
        history = safetensors.numpy.load_file(folder / HISTORY)
    facts = {key: value for key, value in facts.items() if key not in HEAD}
    return Saved(facts, weights, history)


@contextmanager
def damage(name: str) -> Iterator[None]:
    """Raise any error inside a ``with`` block as a DataError that says the file is damaged.

    Args:
        name: name of the file or of the part of it that is read.

    Raises:
        DataError: with the name and the first 200 letters of the error.
    """
    try:
        yield
    except TslmError:
        raise
    except Exception as error:  # the content is not trusted, so any error can occur
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(f"{name} is damaged: {reason}. Save the model again.") from error


def kind(path: str | Path) -> str:
    """Return the class name of the saved estimator.

    Raises:
        DataError: as in ``read``.
    """
    return str(read(path).facts["kind"])


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


def plain(value: Any) -> Any:
    """Return a parameter ready for JSON: a spec becomes ``{"spec": ..., "options": ...}``."""
    if isinstance(value, Spec):
        options = {name: values.plain(option) for name, option in value.options.items()}
        return {"spec": value.name, "options": options}
    return values.plain(value)


def parameters(facts: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
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


def check_parameters(params: Mapping[str, Any], cfg: DictConfig) -> None:
    """Raise if a saved parameter has another type than the setting of the same name.

    Raises:
        DataError: with the name of the parameter.
    """
    for name, value in params.items():
        meant = None if name in GROUPS else cfg.get(name)
        if value is not None and meant is not None and value != meant:
            raise DataError(f"{name}={value!r} is of another type than {meant!r}.")


def _restored(value: Any) -> Any:
    return spec(value) if isinstance(value, dict) else value


def spec(stored: Mapping[str, Any]) -> Spec:
    """Return the spec of a saved part. Its name must be that of a yaml file, never a path.

    Raises:
        DataError: if it has other letters than those of a name.
    """
    name = str(stored["spec"])
    if not re.fullmatch(r"[\w+]+", name):
        raise DataError(f"The saved model contains an invalid part name: {name!r}.")
    return Spec(name, **stored["options"])


def settled(cfg: DictConfig) -> dict[str, Any]:
    """Return the settings of a model, ready for JSON: names of parts, their options, values."""
    stored: dict[str, Any] = {"values": {}}
    for key, value in OmegaConf.to_container(cfg).items():  # type: ignore[union-attr]
        if key in cfg.choices and value is not None:
            options = {name: option for name, option in value.items() if name != "_target_"}
            stored[str(key)] = {"spec": cfg.choices[key], "options": options}
        elif key not in ("choices", *GROUPS):
            stored["values"][key] = value
    return stored


def fill(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy saved weights into a model.

    Raises:
        DataError: if a tensor is missing, unknown, has another shape or is not finite.
    """
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    strange = [name for name, t in weights.items() if wanted.get(name) != t.shape]
    lacking = [name for name in trained_state(model) if name not in weights]
    if strange or lacking:
        raise DataError(
            f"The saved weights do not fit the model: {', '.join((strange + lacking)[:5])}."
        )
    if wild := [name for name, tensor in weights.items() if not bool(tensor.isfinite().all())]:
        raise DataError(f"The saved weights hold numbers that are not finite: {', '.join(wild)}.")
    model.load_state_dict(dict(weights), strict=False)


def count(value: Any) -> int:
    """Return a saved value that must be a whole number of at least 1.

    Raises:
        DataError: if it is something else.
    """
    if type(value) is not int or value < 1:
        raise DataError(f"The saved model has {value!r} in place of a whole number of 1 or more.")
    return value


def check_settings(cfg: DictConfig, saved: Saved) -> None:
    """Raise if an option has another type than in its yaml, or a size is larger than possible.

    Raises:
        DataError: with the name of the option.
    """
    rows = sum(array.size for array in saved.history.values())
    most_numbers = SPARE_SIZE + rows + sum(tensor.numel() for tensor in saved.weights.values())
    sizes = {name: (cfg[name], LARGEST) for name in ("h", "context_length", "season_length")}
    for group in ("adapter", "decoder", "distribution", "base", "model"):
        if cfg[group] is not None:
            usual = node(group, cfg.choices[group])
            for name, value in cfg[group].items():
                if not _is_like(value, usual.get(name)):
                    raise DataError(
                        f"{group}.{name}={value} has another type than its default, "
                        f"{usual.get(name)}."
                    )
                if not isinstance(usual.get(name), float):  # a float option can be any whole number
                    sizes[f"{group}.{name}"] = (value, most_numbers)
    for name, (value, most) in sizes.items():
        if isinstance(value, int) and value > most:
            raise DataError(f"{name}={value} is larger than the saved weights allow.")


def _is_like(value: Any, usual: Any) -> bool:
    """Return True if an option has the type of its default in the yaml, or the default is null."""
    types: tuple[Any, ...] = (bool, (int, float), str, ListConfig)
    return value is None or next(
        (isinstance(value, type_) for type_ in types if isinstance(usual, type_)), True
    )


@contextmanager
def no_larger(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Raise inside a ``with`` block if modules allocate far more than the saved weights.

    Raises:
        DataError: as soon as there are too many tensors, or they are too large.
    """
    me, tensors, numbers = get_ident(), 4 * len(weights) + SPARE, 0
    most = 4 * sum(tensor.numel() for tensor in weights.values()) + SPARE_NUMBERS

    def watch(_: nn.Module, name: str, tensor: Tensor | None) -> None:
        nonlocal tensors, numbers
        if tensor is None or get_ident() != me:
            return
        tensors, numbers = tensors - 1, numbers + tensor.numel()
        if not tensors or numbers > most:
            raise DataError(
                "The saved settings describe a larger model than the saved weights. Save the model "
                "again."
            )

    hooks = (
        register_module_parameter_registration_hook(watch),
        register_module_buffer_registration_hook(watch),
    )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
