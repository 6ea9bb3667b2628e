"""Saved models: a folder of JSON and safetensors, written whole or not at all, never trusted."""

import hashlib
import json
import os
import re
import shutil
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
from tslm.core.spec import Spec
from tslm.estimators.training.weights import trained_state

FORMAT = 1
HEAD = ("format", "tslm", "files")  # what the file says of itself
LARGEST = 2**20  # steps
SPARE_SIZE = 10_000  # by which a setting may exceed the count of all saved numbers
SPARE, SPARE_NUMBERS = 1000, 2**26  # tensors, and numbers in them, that no file has to hold
PATIENCE = 5.0  # seconds to wait for a process that moves a model into its place
CHECKPOINTS = "checkpoints"  # folder of a run that goes on, beside the model it will become
MODEL, WEIGHTS, HISTORY = "model.json", "weights.safetensors", "history.safetensors"


@dataclass(frozen=True)
class Saved:
    """What a folder holds.

    Args:
        facts: everything that is not an array, ready for JSON.
        weights: trained tensors and the adapter's buffers.
        history: the end of every series, as arrays.
    """

    facts: dict[str, Any]
    weights: dict[str, Tensor]
    history: dict[str, np.ndarray]


def save(saved: Saved, path: str | Path, overwrite: bool = False) -> None:
    """Write a folder beside its place, then move it there with whatever else the old one holds.

    Raises:
        ConfigError: if something is there and ``overwrite`` is not set, or is no saved model; or
            if it cannot be written.
    """
    target = place(path)
    sweep(target)
    check_free(target, overwrite)
    with beside(target) as draft:
        draft.mkdir()
        weights = {name: tensor.contiguous() for name, tensor in saved.weights.items()}
        safetensors.torch.save_file(weights, draft / WEIGHTS)
        safetensors.numpy.save_file(saved.history, draft / HISTORY)
        files = {name: _digest(draft / name) for name in (WEIGHTS, HISTORY)}
        files[MODEL] = _digest_of(saved.facts)
        head = {"format": FORMAT, "tslm": version("tslm"), "files": files}
        (draft / MODEL).write_text(json.dumps({**head, **saved.facts}, indent=1) + "\n", "utf-8")
        for name in (WEIGHTS, HISTORY):  # safetensors writes files for their owner alone
            (draft / name).chmod((draft / MODEL).stat().st_mode)
        if target.exists():
            _keep_others(target, draft)
        swap(draft, target)


def check_free(path: str | Path, overwrite: bool = False) -> None:
    """Find out before the work, not after it, whether a model can be saved there.

    Raises:
        ConfigError: if something is there and ``overwrite`` is not set, or is no saved model.
    """
    target = place(path)
    if not target.exists() or _is_unfinished(target):
        check_writable(path, FOLDER)
        return
    if not (target / MODEL).is_file():
        raise ConfigError(
            f"{path} is not a saved model, so it is not overwritten. Give another path."
        )
    if not overwrite:
        raise ConfigError(
            f"{path} holds a saved model already. Give another path, or overwrite=True."
        )


def read(path: str | Path) -> Saved:
    """Read a folder, and check that it is whole and unaltered.

    Raises:
        DataError: if it is no saved model, damaged, altered, or of a newer format.
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
            f"{folder / MODEL} is damaged: format must be a whole number and kind a name. Save "
            "the model again."
        )
    if found != FORMAT:
        raise DataError(
            f"{path} has format {found} (tslm {facts.get('tslm')}), and this is tslm "
            f"{version('tslm')}, which reads format {FORMAT}. Upgrade tslm."
        )
    for name in (WEIGHTS, HISTORY):
        if not (folder / name).is_file() or _digest(folder / name) != files.get(name):
            raise DataError(
                f"{folder / name} is missing, damaged or altered. Save the model again."
            )
    if files.get(MODEL) != _digest_of(facts):
        raise DataError(f"{folder / MODEL} was altered. Save the model again.")
    with damage(str(folder)):
        weights = safetensors.torch.load_file(folder / WEIGHTS)
        history = safetensors.numpy.load_file(folder / HISTORY)
    facts = {key: value for key, value in facts.items() if key not in HEAD}
    return Saved(facts, weights, history)


@contextmanager
def damage(name: str) -> Iterator[None]:
    """Say that a file, or a fact of it, is damaged, whatever goes wrong while it is read.

    Raises:
        DataError: naming it.
    """
    try:
        yield
    except TslmError:
        raise
    except Exception as error:  # what is in the file was written by anybody
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise DataError(f"{name} is damaged: {said}. Save the model again.") from error


def kind(path: str | Path) -> str:
    """The name of the estimator a folder holds.

    Raises:
        DataError: as ``read``.
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
    """A parameter as JSON: specs become ``{"spec": ..., "options": ...}``."""
    if isinstance(value, Spec):
        options = {name: values.plain(option) for name, option in value.options.items()}
        return {"spec": value.name, "options": options}
    return values.plain(value)


def parameters(facts: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The estimator's parameters a folder holds; names it does not know are refused.

    Raises:
        DataError: if the file names a parameter that does not exist, or a part outside ``conf``.
    """
    params = dict(facts["params"])
    if strange := sorted(set(params) - set(known)):
        raise DataError(f"The saved model has unknown parameters: {', '.join(strange)}.")
    return {name: _lively(value) for name, value in params.items()}


def check_parameters(params: Mapping[str, Any], cfg: DictConfig) -> None:
    """Refuse parameters of another type than the settings they mean.

    Raises:
        DataError: naming one.
    """
    for name, value in params.items():
        meant = None if name in GROUPS else cfg.get(name)
        if value is not None and meant is not None and value != meant:
            raise DataError(f"{name}={value!r} is of another type than {meant!r}.")


def _lively(value: Any) -> Any:
    return spec(value) if isinstance(value, dict) else value


def spec(stored: Mapping[str, Any]) -> Spec:
    """A part by the name of its yaml; a name is only a name, never a path.

    Raises:
        DataError: if it is something else.
    """
    name = str(stored["spec"])
    if not re.fullmatch(r"[\w+]+", name):
        raise DataError(f"The saved model names a part {name!r}, which is no name.")
    return Spec(name, **stored["options"])


def settled(cfg: DictConfig) -> dict[str, Any]:
    """The settings a model was made with: names of parts, their options, plain values."""
    stored: dict[str, Any] = {"values": {}}
    for key, value in OmegaConf.to_container(cfg).items():  # type: ignore[union-attr]
        if key in cfg.choices and value is not None:
            options = {name: option for name, option in value.items() if name != "_target_"}
            stored[str(key)] = {"spec": cfg.choices[key], "options": options}
        elif key not in ("choices", *GROUPS):
            stored["values"][key] = value
    return stored


def fill(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a model its trained weights.

    Raises:
        DataError: if a tensor is missing, unknown, of another shape or not finite.
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
    """A whole number of at least 1.

    Raises:
        DataError: if it is something else.
    """
    if type(value) is not int or value < 1:
        raise DataError(f"The saved model has {value!r} where a whole number of 1 or more is due.")
    return value


def check_settings(cfg: DictConfig, saved: Saved) -> None:
    """Refuse options of another type than the yaml's, and sizes that nothing saved can have.

    Raises:
        DataError: naming one.
    """
    rows = sum(array.size for array in saved.history.values())
    room = SPARE_SIZE + rows + sum(tensor.numel() for tensor in saved.weights.values())
    sizes = {name: (cfg[name], LARGEST) for name in ("h", "context_length", "season_length")}
    for group in ("adapter", "decoder", "distribution", "base", "model"):
        if cfg[group] is not None:
            usual = node(group, cfg.choices[group])
            for name, value in cfg[group].items():
                if not _is_like(value, usual.get(name)):
                    raise DataError(f"{group}.{name}={value} is not like {usual.get(name)}.")
                if not isinstance(usual.get(name), float):  # which a whole number may also be
                    sizes[f"{group}.{name}"] = (value, room)
    for name, (value, most) in sizes.items():
        if isinstance(value, int) and value > most:
            raise DataError(f"{name}={value} is larger than anything that was saved.")


def _is_like(value: Any, usual: Any) -> bool:
    """Whether an option has the type of the yaml's, where one of them says a type."""
    types: tuple[Any, ...] = (bool, (int, float), str, ListConfig)
    return value is None or next(
        (isinstance(value, type_) for type_ in types if isinstance(usual, type_)), True
    )


@contextmanager
def no_larger(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """Refuse tensors of modules that weights could not fill, before much memory is used.

    Raises:
        DataError: as soon as they are too many or too large.
    """
    me, tensors, numbers = get_ident(), 4 * len(weights) + SPARE, 0
    room = 4 * sum(tensor.numel() for tensor in weights.values()) + SPARE_NUMBERS

    def watch(_: nn.Module, name: str, tensor: Tensor | None) -> None:
        nonlocal tensors, numbers
        if tensor is None or get_ident() != me:
            return
        tensors, numbers = tensors - 1, numbers + tensor.numel()
        if not tensors or numbers > room:
            raise DataError(
                "The saved settings ask for a larger model than the saved weights. Save the model "
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


def _is_unfinished(path: Path) -> bool:
    """Whether a folder holds nothing but the checkpoints of a run that was killed."""
    return path.is_dir() and {entry.name for entry in path.iterdir()} <= {CHECKPOINTS}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(facts: Mapping[str, Any]) -> str:
    text = json.dumps({key: value for key, value in facts.items() if key not in HEAD})
    return hashlib.sha256(text.encode()).hexdigest()


def _keep_others(old: Path, new: Path) -> None:
    """Give a new folder what the old one holds beside the model and the run that made it."""
    for entry in old.iterdir():
        if entry.name in (MODEL, WEIGHTS, HISTORY) or _is_run(entry):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True, copy_function=_link)
        else:
            _link(entry, new / entry.name)


def _link(source: str | Path, target: str | Path) -> None:
    """Let a file have a second place; copy it where the file system knows no such thing."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _is_run(path: Path) -> bool:
    """Whether this is the folder of checkpoints of a run of ours."""
    return path.name == CHECKPOINTS and (path / "run.json").is_file()
