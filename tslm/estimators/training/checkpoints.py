"""Checkpoints of a run: written in one step, and verified by a digest when they are read."""

import hashlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch.callbacks import Callback

from tslm.core.atomic_write import beside

LAST = "last.ckpt"
_SIZE = hashlib.sha256().digest_size


class WholeFiles(CheckpointIO):
    """Reader and writer of checkpoints for Lightning: a digest, then the bytes of ``torch.save``.

    A file is written next to its place and moved there, so that it is always complete.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None
    ) -> None:
        content = BytesIO()
        torch.save(checkpoint, content)
        with beside(Path(path)) as draft:
            with draft.open("wb") as file:
                file.write(hashlib.sha256(content.getbuffer()).digest())
                file.write(content.getbuffer())
            draft.replace(path)

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        held = read(Path(path))
        assert held is not None, "a checkpoint is verified before a run continues from it"
        return held

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


class Keep(Callback):
    """Callback that writes a checkpoint at regular steps, or after each validation.

    A checkpoint after validation contains its score, so that no score is lost or counted twice.
    The validation that stops a run writes none: a run that continues from the checkpoint before
    stops at the same step.

    Args:
        path: file of the checkpoint.
        every: steps between checkpoints.
        validated: True if there are validations.
        run: name of the run, see ``belongs``.
    """

    def __init__(self, path: Path, every: int, validated: bool, run: str) -> None:
        self.path, self.every, self.validated, self.run = path, every, validated, run

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        if not self.validated and trainer.global_step % self.every == 0:
            trainer.save_checkpoint(self.path)

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.validated and not trainer.should_stop:
            trainer.save_checkpoint(self.path)

    def on_save_checkpoint(
        self, trainer: Trainer, module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint["run"] = self.run


def read(path: Path) -> dict[str, Any] | None:
    """Read a checkpoint to the CPU; None if it is damaged or of another program."""
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[_SIZE:]).digest() != content[:_SIZE]:
            return None
        held = torch.load(BytesIO(content[_SIZE:]), map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, UnpicklingError):
        return None
    return held if isinstance(held, dict) else None


def belongs(path: Path, run: str) -> bool:
    """Return True if a checkpoint is complete and of this run."""
    held: Mapping[str, Any] | None = read(path)
    return held is not None and held.get("run") == run
