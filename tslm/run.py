"""A training run that may be killed: its seed and settings, kept beside its checkpoints."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from tslm.data.panel import Panel
from tslm.errors import ConfigError
from tslm.files import write_json

FREE = ("verbose", "accelerator", "devices", "strategy", "alias")  # may differ in a second try


@dataclass(frozen=True)
class Run:
    """One training run.

    Args:
        seed: of weights, windows and dropout.
        folder: of its checkpoints, None to keep none.
    """

    seed: int
    folder: Path | None

    @classmethod
    def start(cls, cfg: DictConfig, panel: Panel, folder: Path | None) -> "Run":
        """Begin a run, or go on with the one that a folder holds.

        Args:
            cfg: settled settings; a ``random_state`` of None draws a seed.
            panel: what is trained on.
            folder: where its checkpoints are or will be.

        Raises:
            ConfigError: if the folder holds a run with other settings or data, or several
                processes are to draw a seed.
        """
        if cfg.random_state is None and cfg.devices not in (1, "1"):
            raise ConfigError(
                f"devices={cfg.devices} needs a random_state: every process must start alike."
            )
        seed = cfg.random_state
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if folder is None:
            return cls(seed, None)
        settings = {**OmegaConf.to_container(cfg), "data": _digest(panel)}  # type: ignore[dict-item]
        note = folder / "run.json"
        if not any(folder.glob("*.ckpt")):  # it has not begun
            write_json({"seed": seed, "settings": settings}, note)
            return cls(seed, folder)
        held = json.loads(note.read_text())
        for key, value in held["settings"].items():
            if key not in FREE and value != settings.get(key):
                raise ConfigError(
                    f"{folder} holds an unfinished run with {key}={value}, and this one has "
                    f"{settings.get(key)}. Use what it had to finish it, delete the folder, or "
                    "choose another."
                )
        return cls(int(held["seed"]), folder)


def _digest(panel: Panel) -> str:
    """Tells data apart: values, times and where series begin."""
    digest = hashlib.sha256(panel.values.numpy().tobytes())
    digest.update(panel.time.numpy().tobytes())
    digest.update(panel.offsets.tobytes())
    return digest.hexdigest()[:16]
