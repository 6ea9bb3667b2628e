"""The machine that trains: Lightning's words for it, and what they come to here."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from signal import SIGINT, getsignal, signal
from threading import current_thread, main_thread
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig, OmegaConf

from tslm.core.errors import ConfigError

TERMINATED = 143  # the exit code of what SIGTERM ended
OURS = {  # words of Lightning's trainer that settings say
    "accelerator": "accelerator",
    "callbacks": "callbacks",
    "devices": "devices",
    "enable_progress_bar": "verbose",
    "gradient_clip_val": "trainer=Spec('one_cycle', clip=...)",
    "logger": "logger",
    "max_epochs": "max_epochs",
    "max_steps": "max_steps",
    "precision": "precision, of the body",
    "strategy": "strategy",
}
MINE = {  # and words of which training makes its own use
    "check_val_every_n_epoch",
    "default_root_dir",
    "enable_checkpointing",
    "limit_val_batches",
    "num_sanity_val_steps",
    "plugins",
    "self",
    "use_distributed_sampler",
    "val_check_interval",
}
UNUSED = "ddp_find_unused_parameters_true"  # DDP that takes weights without a gradient


@dataclass(frozen=True)
class Machine:
    """A place to train, in Lightning's own words.

    Args:
        accelerator: ``auto``, ``cpu``, ``gpu``, ...
        devices: how many, or a list of which.
        strategy: how several train together.
        logger: where losses are written to: a logger of Lightning, or several.
        callbacks: further callbacks of Lightning.
        trainer_kwargs: further words for its trainer, such as ``log_every_n_steps``.
    """

    accelerator: str = "auto"
    devices: Any = 1
    strategy: str = "auto"
    logger: Any = None
    callbacks: Sequence[Callback] = ()
    trainer_kwargs: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, cfg: DictConfig, **live: Any) -> "Machine":
        """The machine that settings name, with what only code can supply.

        Raises:
            ConfigError: if it is told in Lightning's words what settings say.
        """
        devices = OmegaConf.to_container(cfg).get("devices", 1)  # type: ignore[union-attr]
        return cls(cfg.accelerator, devices, cfg.strategy, **live)

    def __post_init__(self) -> None:
        for word in self.trainer_kwargs:
            if word in OURS:
                raise ConfigError(
                    f"trainer_kwargs has {word!r}, which is a setting. Use {OURS[word]}."
                )
            if word not in signature(Trainer.__init__).parameters or word in MINE:
                raise ConfigError(
                    f"trainer_kwargs has {word!r}, which Lightning's trainer cannot be told here."
                )

    def trainer(self, **options: Any) -> Trainer:
        """A silent Lightning trainer on this machine.

        Args:
            options: further words for it.

        Raises:
            ConfigError: if this computer has no such machine.
        """
        trainer = self._trainer(self.strategy, options)
        if self.strategy in ("auto", "ddp") and type(trainer.strategy) is DDPStrategy:
            trainer = self._trainer(UNUSED, options)
        return trainer

    @property
    def device(self) -> torch.device:
        """The device of this process, where the model and its body are.

        Raises:
            ConfigError: if this computer has no such machine.
        """
        bare = Machine(self.accelerator, self.devices, self.strategy)
        trainer = bare.trainer(enable_checkpointing=False, enable_progress_bar=False)
        return trainer.strategy.root_device

    def _trainer(self, strategy: Any, options: dict[str, Any]) -> Trainer:
        self._check_cores()
        words: dict[str, Any] = {"accelerator": self.accelerator, "devices": self.devices}
        silent = {"logger": self.logger or False, "enable_model_summary": False}
        options = {**self.trainer_kwargs, **options}
        options["callbacks"] = [*options.get("callbacks", ()), *self.callbacks]
        with quiet():
            try:
                return Trainer(**words, strategy=strategy, **{**silent, **options})
            except (MisconfigurationException, ValueError, TypeError, ImportError) as error:
                asked = ", ".join(f"{name}={value}" for name, value in words.items())
                raise ConfigError(
                    f"This computer cannot train with {asked}, strategy={strategy}: {error} "
                    "Set accelerator=cpu and devices=1, or accelerator=auto to take what is here."
                ) from error

    def _check_cores(self) -> None:
        """Refuse far more processes than can run."""
        cores = os.cpu_count() or 1
        count = str(self.devices)
        on_cpu = self.accelerator == "cpu" or (
            self.accelerator == "auto" and not torch.accelerator.is_available()
        )
        if on_cpu and count.isdigit() and int(count) > max(cores, 2):
            raise ConfigError(
                f"devices={count} asks for {count} processes, and this computer has {cores} cores. "
                f"Set devices to {cores} or less."
            )


def run(trainer: Trainer, module: LightningModule, **words: Any) -> None:
    """Train until the end, or until somebody ends it.

    Args:
        trainer: of a ``Machine``.
        module: what to train.
        words: for ``Trainer.fit``.

    Raises:
        SystemExit: with ``TERMINATED``, if the process is told to end.
        KeyboardInterrupt: at Ctrl-C.
    """
    main = current_thread() is main_thread()
    handler = getsignal(SIGINT) if main else None
    try:
        with quiet():
            trainer.fit(module, **words)
    except SIGTERMException as end:
        raise SystemExit(TERMINATED) from end  # Lightning's own would tell of success
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # Lightning makes an exit of it
            raise KeyboardInterrupt from None
        raise
    finally:
        if main:  # Lightning turns Ctrl-C off while it cleans up, and leaves it so
            signal(SIGINT, handler)


def is_first() -> bool:
    """Whether this process is the only one of a run, or the one that writes and speaks for all."""
    return int(rank_zero_only.rank or 0) == 0  # type: ignore[attr-defined]


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Lightning's advice to itself; errors still come through."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings("ignore", module="torch")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
