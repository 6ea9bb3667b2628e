"""Hardware to train on: the settings of Lightning's trainer, and errors in plain words."""

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

TERMINATED = 143  # exit code of a process that SIGTERM ended
SETTINGS = {  # arguments of Lightning's trainer that are settings of tslm
    "accelerator": "accelerator",
    "callbacks": "callbacks",
    "devices": "devices",
    "enable_progress_bar": "verbose",
    "gradient_clip_val": "trainer=Spec('one_cycle', clip=...)",
    "logger": "logger",
    "max_epochs": "max_epochs",
    "max_steps": "max_steps",
    "precision": "precision",
    "strategy": "strategy",
}
RESERVED = {  # arguments that training sets itself
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
UNUSED = "ddp_find_unused_parameters_true"  # DDP that accepts weights without a gradient


@dataclass(frozen=True)
class Machine:
    """Hardware to train on, and further arguments of Lightning's trainer.

    Attributes:
        accelerator: ``auto``, ``cpu``, ``gpu`` ..., as in Lightning.
        devices: number of devices, or a list of their numbers.
        strategy: Lightning's strategy for training on several devices.
        logger: one or several Lightning loggers of the losses.
        callbacks: further Lightning callbacks.
        trainer_kwargs: further arguments of Lightning's trainer, such as ``log_every_n_steps``.
    """

    accelerator: str = "auto"
    devices: Any = 1
    strategy: str = "auto"
    logger: Any = None
    callbacks: Sequence[Callback] = ()
    trainer_kwargs: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, cfg: DictConfig, **live: Any) -> "Machine":
        """Make a machine from settings.

        Args:
            cfg: settings with accelerator, devices and strategy.
            live: fields that no setting can hold: logger, callbacks, trainer_kwargs.

        Raises:
            ConfigError: if ``trainer_kwargs`` has an argument that is a setting of tslm.
        """
        devices = OmegaConf.to_container(cfg).get("devices", 1)  # type: ignore[union-attr]
        return cls(cfg.accelerator, devices, cfg.strategy, **live)

    def __post_init__(self) -> None:
        for word in self.trainer_kwargs:
            if word in SETTINGS:
                raise ConfigError(
                    f"trainer_kwargs has {word!r}, which is a setting of tslm. Set "
                    f"{SETTINGS[word]} instead."
                )
            if word not in signature(Trainer.__init__).parameters or word in RESERVED:
                raise ConfigError(
                    f"trainer_kwargs has {word!r}, which Lightning's trainer does not accept here. "
                    "Remove it."
                )

    def trainer(self, **options: Any) -> Trainer:
        """Make a Lightning trainer without its log messages.

        Args:
            options: further arguments of the trainer.

        Raises:
            ConfigError: if this computer lacks the hardware.
        """
        trainer = self._trainer(self.strategy, options)
        if self.strategy in ("auto", "ddp") and type(trainer.strategy) is DDPStrategy:
            trainer = self._trainer(UNUSED, options)
        return trainer

    @property
    def device(self) -> torch.device:
        """Return the device of this process, where the model is placed.

        Raises:
            ConfigError: if this computer lacks the hardware.
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
                    f"This computer cannot train with {asked}, strategy={strategy}: {error} Set "
                    "accelerator=cpu and devices=1, or accelerator=auto to use the hardware that "
                    "is there."
                ) from error

    def _check_cores(self) -> None:
        """Raise if there are more processes than CPU cores."""
        cores = os.cpu_count() or 1
        count = str(self.devices)
        on_cpu = self.accelerator == "cpu" or (
            self.accelerator == "auto" and not torch.accelerator.is_available()
        )
        if on_cpu and count.isdigit() and int(count) > max(cores, 2):
            raise ConfigError(
                f"devices={count} means {count} processes, but this computer has {cores} CPU "
                f"cores. Set devices to {cores} or less."
            )


def run(trainer: Trainer, module: LightningModule, **words: Any) -> None:
    """Train until the end, or until the process is interrupted.

    Args:
        trainer: a trainer of a ``Machine``.
        module: the module to train.
        words: arguments of ``Trainer.fit``.

    Raises:
        SystemExit: with the code ``TERMINATED``, after SIGTERM.
        KeyboardInterrupt: after Ctrl-C.
    """
    main = current_thread() is main_thread()
    handler = getsignal(SIGINT) if main else None
    try:
        with quiet():
            trainer.fit(module, **words)
    except SIGTERMException as end:
        raise SystemExit(TERMINATED) from end  # Lightning's exit code would be that of success
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):  # Lightning turns it into SystemExit
            raise KeyboardInterrupt from None
        raise
    finally:
        if main:  # Lightning disables Ctrl-C while it cleans up, and does not enable it again
            signal(SIGINT, handler)


def is_first() -> bool:
    """Return True if this process is the only one of a run, or the one that writes and prints."""
    return int(rank_zero_only.rank or 0) == 0  # type: ignore[attr-defined]


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings and advice of Lightning and torch; errors are still shown."""
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
