"""A training run that may be killed: its seed and settings, kept beside its checkpoints."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

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
    def start(cls, cfg: DictConfig, folder: Path | None) -> "Run":
        """Begin a run, or go on with the one that a folder holds.

        Args:
            cfg: settled settings; a ``random_state`` of None draws a seed.
            folder: where its checkpoints are or will be.

        Raises:
            ConfigError: if the folder holds a run with other settings.
        """
        settings = OmegaConf.to_container(cfg)
        seed = cfg.random_state
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        if folder is None:
            return cls(seed, None)
        note = folder / "run.json"
        if not note.is_file():
            write_json({"seed": seed, "settings": settings}, note)
            return cls(seed, folder)
        held = json.loads(note.read_text())
        for key, value in held["settings"].items():
            if key in FREE or value == settings.get(key):  # type: ignore[union-attr]
                continue
            if any(folder.glob("*.ckpt")):
                raise ConfigError(
                    f"{folder} holds an unfinished run with {key}={value}, and this one has "
                    f"{settings.get(key)}. "  # type: ignore[union-attr]
                    "Use its settings to finish it, delete the folder, or choose another."
                )
            write_json({"seed": seed, "settings": settings}, note)  # it had not begun
            return cls(seed, folder)
        return cls(int(held["seed"]), folder)
