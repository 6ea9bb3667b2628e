"""Folder of a saved model: JSON and safetensors, written completely or not at all.

No file is trusted: digests are compared when a folder is read, and ``checks`` tests names, types
and sizes before anything is built from them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from torch import Tensor

from tslm.core.atomic_write import beside, place, swap, sweep
from tslm.core.errors import ConfigError, DataError, TslmError
from tslm.core.files import FOLDER, check_writable
from tslm.core.hashing import sha256
from tslm.estimators.saving.files import (
    HEAD,
    HISTORY,
    MODEL,
    WEIGHTS,
    digest_of,
    is_unfinished_run,
    keep_other_files,
)

FORMAT = 1
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


def write_saved(saved: Saved, path: str | Path, overwrite: bool = False) -> None:
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


def read_saved(path: str | Path) -> Saved:
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


def saved_kind(path: str | Path) -> str:
    """Return the class name of the saved estimator.

    Raises:
        DataError: as in ``read_saved``.
    """
    return str(read_saved(path).facts["kind"])
