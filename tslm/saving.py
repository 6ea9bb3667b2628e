"""Saved models: a folder of JSON and safetensors, written whole or not at all, never trusted."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from omegaconf import DictConfig, OmegaConf
from safetensors import SafetensorError
from torch import Tensor, nn

from tslm.config import GROUPS
from tslm.errors import ConfigError, DataError
from tslm.spec import Spec
from tslm.training import trained_state

FORMAT = 1
HEAD = ("format", "tslm", "files")  # what the file says of itself
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


def save(saved: Saved, path: Path, overwrite: bool = False) -> None:
    """Write a folder beside its place, then move it there.

    Raises:
        ConfigError: if something is there and ``overwrite`` is not set, or is no saved model.
    """
    if path.exists():
        if not overwrite:
            raise ConfigError(f"{path} exists already. Give another path, or overwrite=True.")
        if not (path / MODEL).is_file() and not _is_unfinished(path):
            raise ConfigError(f"{path} is not a saved model, so it is not overwritten.")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        safetensors.torch.save_file(
            {name: tensor.contiguous() for name, tensor in saved.weights.items()}, draft / WEIGHTS
        )
        safetensors.numpy.save_file(saved.history, draft / HISTORY)
        files = {name: _digest(draft / name) for name in (WEIGHTS, HISTORY)}
        files[MODEL] = _digest_of(saved.facts)
        head = {"format": FORMAT, "tslm": version("tslm"), "files": files}
        (draft / MODEL).write_text(json.dumps({**head, **saved.facts}, indent=1) + "\n")
        for entry in (draft, *draft.iterdir()):  # temporary files are their owner's alone
            entry.chmod((0o777 if entry.is_dir() else 0o666) & ~_umask())
        _move(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def read(path: Path) -> Saved:
    """Read a folder, and check that it is whole and unaltered.

    Raises:
        DataError: if it is no saved model, damaged, altered, or of a newer format.
    """
    if not (path / MODEL).is_file():
        raise DataError(f"{path} is not a saved tslm model: it has no {MODEL}.")
    try:
        facts = json.loads((path / MODEL).read_text())
        found, files = facts["format"], dict(facts["files"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path / MODEL} is damaged: {error}. Save the model again.") from error
    if found != FORMAT:
        raise DataError(
            f"{path} has format {found} (tslm {facts.get('tslm')}), and this is tslm "
            f"{version('tslm')}, which reads format {FORMAT}. Upgrade tslm."
        )
    for name in (WEIGHTS, HISTORY):
        if not (path / name).is_file() or _digest(path / name) != files.get(name):
            raise DataError(f"{path / name} is missing, damaged or altered. Save the model again.")
    if files.get(MODEL) != _digest_of(facts):
        raise DataError(f"{path / MODEL} was altered. Save the model again.")
    try:
        return Saved(
            {key: value for key, value in facts.items() if key not in HEAD},
            safetensors.torch.load_file(path / WEIGHTS),
            safetensors.numpy.load_file(path / HISTORY),
        )
    except SafetensorError as error:
        raise DataError(f"{path} is damaged: {error}. Save the model again.") from error


def kind(path: Path) -> str:
    """The name of the estimator a folder holds.

    Raises:
        DataError: as ``read``.
    """
    return str(read(path).facts.get("kind"))


def plain(value: Any) -> Any:
    """A parameter as JSON: specs become ``{"spec": ..., "options": ...}``."""
    if isinstance(value, Spec):
        return {"spec": value.name, "options": dict(value.options)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    return value


def parameters(facts: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """The estimator's parameters a folder holds; names it does not know are refused.

    Raises:
        DataError: if the file names a parameter that does not exist, or a part outside ``conf``.
    """
    params = dict(facts["params"])
    if strange := sorted(set(params) - set(known)):
        raise DataError(f"The saved model has unknown parameters: {', '.join(strange)}.")
    return {name: _lively(value) for name, value in params.items()}


def _lively(value: Any) -> Any:
    return spec(value) if isinstance(value, dict) and "spec" in value else value


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
        DataError: if a tensor is missing, unknown or of another shape.
    """
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    strange = [name for name, t in weights.items() if wanted.get(name) != t.shape]
    lacking = [name for name in trained_state(model) if name not in weights]
    if strange or lacking:
        raise DataError(
            f"The saved weights do not fit the model: {', '.join((strange + lacking)[:5])}."
        )
    model.load_state_dict(dict(weights), strict=False)


def _is_unfinished(path: Path) -> bool:
    """Whether a folder holds nothing but the checkpoints of a run that was killed."""
    return path.is_dir() and {entry.name for entry in path.iterdir()} <= {CHECKPOINTS}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest_of(facts: Mapping[str, Any]) -> str:
    text = json.dumps({key: value for key, value in facts.items() if key not in HEAD})
    return hashlib.sha256(text.encode()).hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _move(draft: Path, path: Path) -> None:
    """Put a finished folder in its place; what was there is moved away first, then deleted."""
    if not path.exists():
        draft.replace(path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-old-"))
    path.replace(old / "model")
    draft.replace(path)
    shutil.rmtree(old)
