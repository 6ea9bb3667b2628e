"""Training of a forecaster: its LightningModule and its run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from lightning import LightningModule
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly
from tslm.core.forecaster import Forecaster
from tslm.core.hardware import Machine, run
from tslm.core.seeds import generators, set_generators
from tslm.core.types import Batch
from tslm.data.batches import Batches
from tslm.data.loaders import WindowData
from tslm.estimators.training.callbacks import KeepBest
from tslm.estimators.training.checkpoints import LAST, Keep, WholeFiles
from tslm.estimators.training.history import History
from tslm.estimators.training.progress import Bar
from tslm.estimators.training.recipe import Recipe
from tslm.estimators.training.weights import check_finite, trained_state, trained_weights


class Training(LightningModule):
    """Training and validation of a forecaster as a LightningModule.

    Its checkpoints hold the trained weights, the optimiser and the state of the random generators;
    the frozen backbone is not among them.

    Args:
        model: the forecaster.
        recipe: settings of training.
        horizon: steps that are forecast on validation windows.
        settings: settings of the run, for loggers.
    """

    strict_loading = False  # checkpoints leave the frozen backbone out

    def __init__(
        self,
        model: Forecaster,
        recipe: Recipe,
        horizon: int,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.recipe, self.horizon = model, recipe, horizon
        self.settings = dict(settings or {})
        self.seen = exactly(torch.zeros(2))

    def training_step(self, batch: Batch) -> Tensor:
        loss = self.model.loss(batch, self.recipe.loss)
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.seen = exactly(torch.zeros(2, device=self.device))

    def validation_step(self, batch: Batch) -> None:
        error = exactly(self.model.validation_error(batch, self.horizon))
        known = ~torch.isnan(batch.future[:, : error.shape[1]]).to(error.device)
        lost = torch.where(torch.isnan(error), torch.inf, error)  # a diverged model gives NaN
        self.seen += torch.stack([torch.where(known, lost, 0).sum(), known.sum().to(lost)])

    def on_validation_epoch_end(self) -> None:
        seen = torch.as_tensor(self.all_gather(self.seen)).reshape(-1, 2).sum(0)
        mean = torch.where(seen[1] > 0, seen[0] / seen[1], torch.inf)
        self.log(watched(self.model), mean.float(), prog_bar=True)

    def configure_optimizers(self) -> Any:
        optimizer, schedule = self.recipe.optimizer(trained_weights(self.model))
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_finite(self.model, self.recipe.learning_rate)
        kept = trained_state(self.model)
        checkpoint["state_dict"] = {f"model.{name}": tensor for name, tensor in kept.items()}
        checkpoint["generators"] = generators()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._generators = checkpoint["generators"]

    def on_train_start(self) -> None:
        if self.settings:
            for logger in self.trainer.loggers:
                logger.log_hyperparams(self.settings)
        if self.trainer.ckpt_path:
            set_generators(self._generators)


def watched(model: Forecaster) -> str:
    """Return the name of the validation score: that of distributions, or the squared error."""
    return "val_loss" if model.distribution_horizon else "val_mse"


def train(
    model: Forecaster,
    data: WindowData,
    recipe: Recipe,
    *,
    horizon: int,
    machine: Machine | None = None,
    patience: int | None = None,
    folder: Path | None = None,
    name: str = "",
    progress: bool = True,
    settings: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Train the model in place; it stays on the device it was trained on.

    Args:
        model: the forecaster.
        data: windows to train and validate on.
        recipe: settings of training.
        horizon: steps that are forecast on validation windows.
        machine: devices to train on; the default accelerator if None.
        patience: validation passes without progress before training stops and the best weights
            are restored. None trains to the end of the schedule and keeps the last weights: the
            schedule is made for these, and picking among noisy scores of one short period would
            be a choice by chance.
        folder: folder of the last checkpoint; training resumes from one found there. None keeps
            no checkpoint.
        name: name of the run in its checkpoints.
        progress: True to show a progress bar.
        settings: settings of the run, for loggers.

    Returns:
        The table of ``History``: one row per step.

    Raises:
        SystemExit: with ``TERMINATED``, if the process receives SIGTERM.
        KeyboardInterrupt: at Ctrl-C.
        ConfigError: if training diverged, this computer has no such device, or a checkpoint
            cannot be written.
    """
    last = folder / LAST if folder else None
    every = max(recipe.steps // recipe.looks, 1)
    history = History(watched(model))
    callbacks: list[Callback] = [history]
    if patience is not None:
        _check_judged(data, patience)
        score = watched(model)
        callbacks += [KeepBest(score), EarlyStopping(score, patience=patience)]
    if last is not None:
        callbacks.append(Keep(last, every, patience is not None, name))
    if progress:
        callbacks.append(Bar())
    trainer = (machine or Machine()).trainer(
        max_steps=recipe.steps,
        max_epochs=-1,
        callbacks=callbacks,
        plugins=[WholeFiles()],
        val_check_interval=every,
        check_val_every_n_epoch=None,
        num_sanity_val_steps=0,
        limit_val_batches=0 if patience is None else 1.0,
        gradient_clip_val=recipe.clip,
        enable_checkpointing=False,
        enable_progress_bar=progress,
        use_distributed_sampler=False,
    )
    device = trainer.strategy.root_device
    resumed = str(last) if last and last.is_file() else None
    module = Training(model, recipe, horizon, settings)
    run(trainer, module, datamodule=data, ckpt_path=resumed, weights_only=True)
    check_finite(model, recipe.learning_rate)
    model.to(device).eval()
    return history.frame


def can_judge(data: WindowData) -> bool:
    """Return True if validation windows have an observed step, so that training can be judged."""
    if data.val is None or data.val_index is None:
        return False
    return not all(batch.future.isnan().all() for batch in Batches(data.val, data.val_index))


def _check_judged(data: WindowData, patience: int) -> None:
    """Refuse early stopping without observed validation rows."""
    if data.val is None or data.val_index is None:
        raise ConfigError(
            f"early_stopping_patience={patience} needs validation data, and there is none. Set "
            "val_size, or leave early_stopping_patience out."
        )
    if not can_judge(data):
        raise ConfigError(
            f"early_stopping_patience={patience} needs observed values in the validation rows, and "
            "the validation windows hold none. Give val_df or val_size with values, or "
            "leave early_stopping_patience out."
        )
