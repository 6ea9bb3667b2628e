"""Training runs that can be resumed: seed and settings are saved next to the checkpoint."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from tslm.core.errors import ConfigError, warn
from tslm.core.files import write_json
from tslm.core.hardware import is_first
from tslm.core.hashing import sha256_bytes, sha256_text
from tslm.data.panel import Panel
from tslm.estimators.training.checkpoints import LAST, belongs

FREE = ("verbose", "accelerator", "devices", "strategy", "alias")  # may differ in a second try
NOTE, LOCK = "run.json", "run.lock"


@dataclass(frozen=True)
class Run:
    """Training run.

    Args:
        seed: seed of weights, windows and dropout.
        folder: folder of the checkpoint; None writes none.
        name: digest of seed, settings and data, which identifies the run.
    """

    seed: int
    folder: Path | None
    name: str

    @classmethod
    @contextmanager
    def begin(cls, cfg: DictConfig, panel: Panel, folder: Path | None) -> Iterator["Run"]:
        """Begin a run, or continue the one in a folder; the folder is locked meanwhile.

        A damaged checkpoint is ignored with a warning, and training starts from the beginning.

        Args:
            cfg: settled settings; a ``random_state`` of None draws a seed.
            panel: the training data.
            folder: folder of the checkpoint; None writes none.

        Raises:
            ConfigError: if the folder holds a run with other settings or data, another process
                trains there, it cannot be written, or several processes have no seed.
        """
        if cfg.random_state is None and cfg.devices not in (1, "1"):
            raise ConfigError(
                f"devices={cfg.devices} needs a random_state, so that all processes have the same "
                "seed. Set random_state=0, for example."
            )
        seed = cfg.random_state
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if folder is None:
            yield cls(seed, None, "")
            return
        settings = {**OmegaConf.to_container(cfg), "data": _digest(panel)}  # type: ignore[dict-item]
        folder = folder.expanduser()
        with _alone(folder):
            held = _held(folder, settings)
            if held is None:
                held = cls(seed, folder, _name(seed, settings))
                write_json({"seed": seed, "settings": settings}, folder / NOTE)
            yield held


def _held(folder: Path, settings: Mapping[str, Any]) -> Run | None:
    """Return the run of a folder, or None if there is none that can be continued."""
    checkpoint = folder / LAST
    if not checkpoint.is_file():
        return None
    try:
        note = json.loads((folder / NOTE).read_bytes())
        seed, known = int(note["seed"]), dict(note["settings"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        _leave(checkpoint, folder / NOTE)
        return None
    for key, value in known.items():
        if key not in FREE and value != settings.get(key):
            raise ConfigError(
                f"{folder} holds an unfinished run with {key}={value}, and this one has "
                f"{settings.get(key)}. Set {key} as it was to continue that run, delete the "
                "folder, or choose another folder."
            )
    name = _name(seed, settings)
    if not belongs(checkpoint, name):
        _leave(checkpoint, checkpoint)
        return None
    return Run(seed, folder, name)


def with_recorded_batch_size(cfg: DictConfig, folder: Path | None) -> DictConfig:
    """Return settings in which ``batch_size="auto"`` is that of the run in a folder, if any.

    A run that continues needs the batch size that it began with, whatever memory is free now.
    """
    if cfg.batch_size != "auto" or folder is None or not (folder / LAST).is_file():
        return cfg
    try:
        recorded = int(json.loads((folder / NOTE).read_bytes())["settings"]["batch_size"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return cfg
    cfg = cfg.copy()
    cfg.batch_size = recorded
    return cfg


def _leave(checkpoint: Path, damaged: Path) -> None:
    """Warn that a run cannot be continued, and delete its checkpoint."""
    if is_first():
        warn(f"{damaged} is damaged or of another run. Training starts from the beginning.")
        checkpoint.unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Remove the folder of a run, unless a process trains there."""
    with suppress(Timeout, OSError), FileLock(folder / LOCK, timeout=0):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Lock a folder for one process; of processes that train together, for the first."""
    if not is_first():
        yield
        return
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"Another process trains in {folder} now. Wait until it is done, or choose another "
            "folder."
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error.strerror}. Choose another folder."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _name(seed: int, settings: Mapping[str, Any]) -> str:
    bound = {key: value for key, value in settings.items() if key not in FREE}
    text = json.dumps([seed, bound], sort_keys=True, default=str)
    return sha256_text(text)[:16]


def _digest(panel: Panel) -> str:
    """Return a fingerprint of the data: values, times and the first row of each series."""
    parts = (panel.values.numpy(), panel.time.numpy(), panel.offsets)
    return sha256_bytes(part.data.cast("B") for part in parts)[:16]
