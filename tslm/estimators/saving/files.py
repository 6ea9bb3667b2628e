"""Files in the folder of a saved model: their names, their digests, and files of other programs."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tslm.core.hashing import sha256_text

CHECKPOINTS = "checkpoints"  # subfolder for the checkpoints of an unfinished run
LOGS = "logs"  # subfolder for the losses of a run, which stays
MODEL, WEIGHTS, HISTORY = "model.json", "weights.safetensors", "history.safetensors"
HEAD = ("format", "tslm", "files")  # keys of model.json that describe the file itself


def is_unfinished_run(path: Path) -> bool:
    """Return True if a folder has only the checkpoints and logs of a run that was killed."""
    return path.is_dir() and {entry.name for entry in path.iterdir()} <= {CHECKPOINTS, LOGS}


def digest_of(facts: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the facts of a model, without the keys that describe the file."""
    text = json.dumps({key: value for key, value in facts.items() if key not in HEAD})
    return sha256_text(text)


def keep_other_files(old: Path, new: Path) -> None:
    """Copy the files of other programs from an old folder of a model to its new folder."""
    for entry in old.iterdir():
        if entry.name in (MODEL, WEIGHTS, HISTORY) or _is_run(entry):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, new / entry.name, symlinks=True, copy_function=_link)
        else:
            _link(entry, new / entry.name)


def _link(source: str | Path, target: str | Path) -> None:
    """Hard-link a file; copy it if the file system has no hard links."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


def _is_run(path: Path) -> bool:
    """Return True if this is the folder of checkpoints of a run of tslm."""
    return path.name == CHECKPOINTS and (path / "run.json").is_file()
