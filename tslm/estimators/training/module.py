"""The one LightningModule, and how it is run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly
from tslm.core.hardware import Machine, run
from tslm.core.seeds import generators, set_generators
from tslm.core.types import Batch
from tslm.data.batches import Batches
from tslm.data.loaders import WindowData
from tslm.estimators.training.checkpoints import LAST, Keep, WholeFiles
from tslm.estimators.training.history import History
from tslm.estimators.training.progress import Bar
from tslm.models.network import CRITERIA, Network

Schedule = Literal["one_cycle", "cosine", "halving", "constant"]


@dataclass(frozen=True)
class Recipe:
    """How weights are trained.

    Args:
        learning_rate: the highest rate.
        steps: batches in all.
        schedule: ``one_cycle`` rises and falls to zero; ``cosine`` falls; ``halving`` stays for
            two looks and is halved at each further one; ``constant`` stays.
        warmup: share of the steps in which ``one_cycle`` rises.
        weight_decay: of AdamW.
        clip: largest norm of the gradient, None for any.
        looks: how often validation is looked at in a run.
        loss: what is made small, one of ``CRITERIA``.
    """

    learning_rate: float
    steps: int
    schedule: Schedule = "one_cycle"
    warmup: float = 0.3
    weight_decay: float = 0.0
    clip: float | None = 1.0
    looks: int = 10
    loss: str = "huber"

    def __post_init__(self) -> None:
        if self.loss not in CRITERIA:
            raise ConfigError(
                f"loss {self.loss!r} is unknown. Choose one of {', '.join(CRITERIA)}."
            )
        if self.looks < 1:
            raise ConfigError(f"looks={self.looks} must be at least 1.")
        if self.schedule not in get_args(Schedule):
            known = ", ".join(get_args(Schedule))
            raise ConfigError(f"schedule {self.schedule!r} is unknown. Choose one of {known}.")

    def optimizer(self, weights: Sequence[Tensor]) -> tuple[AdamW, LRScheduler]:
        """AdamW and its schedule, stepped with every batch."""
        adam = AdamW(list(weights), lr=self.learning_rate, weight_decay=self.weight_decay)
        if self.schedule == "one_cycle":
            total = self.steps + 1
            rise = self.warmup * (1 - 1e-9 * (self.warmup * total == 1))  # PyTorch divides by zero
            cycle = OneCycleLR(adam, self.learning_rate, total_steps=total, pct_start=rise)
            return adam, cycle
        return adam, LambdaLR(adam, self._factor)

    def _factor(self, step: int) -> float:
        if self.schedule == "constant":
            return 1.0
        share = min(step / self.steps, 1.0)
        if self.schedule == "halving":
            return float(0.5 ** max(int(share * self.looks) - 1, 0))
        return float(0.5 * (1 + torch.cos(torch.tensor(share * torch.pi))))


class Training(LightningModule):
    """Trains what may be trained; its checkpoints hold those weights, the optimiser and the RNG.

    Args:
        model: adapter, frozen body, decoder.
        recipe: how weights are trained.
        horizon: steps by which validation windows are forecast.
    """

    strict_loading = False  # checkpoints leave the frozen body out

    def __init__(self, model: Network, recipe: Recipe, horizon: int) -> None:
        super().__init__()
        self.model, self.recipe, self.horizon = model, recipe, horizon
        self.seen = exactly(torch.zeros(2))

    def training_step(self, batch: Batch) -> Tensor:
        loss = self.model.loss(batch, self.recipe.loss)
        self.log("loss", loss.detach(), prog_bar=True)
        return loss

    def on_validation_epoch_start(self) -> None:
        self.seen = exactly(torch.zeros(2, device=self.device))

    def validation_step(self, batch: Batch) -> None:
        error = exactly(self._error(batch))
        known = ~torch.isnan(batch.future[:, : error.shape[1]]).to(error.device)
        lost = torch.where(torch.isnan(error), torch.inf, error)  # of a model that gives no number
        self.seen += torch.stack([torch.where(known, lost, 0).sum(), known.sum().to(lost)])

    def _error(self, batch: Batch) -> Tensor:
        """Of each value to forecast; see ``watched``."""
        told = self.model.told(batch.about)
        if told.distribution_horizon:
            steps = min(told.distribution_horizon, self.horizon)
            distribution = told.distribution(batch.past, batch.time, steps)
            return distribution.loss(batch.future[:, :steps])
        ahead = told.forecast(batch.past, batch.time, self.horizon)
        return exactly(ahead - batch.future[:, : self.horizon]).square()

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
        if self.trainer.ckpt_path:
            set_generators(self._generators)


def watched(model: Network) -> str:
    """What early stopping looks at: the proper score of a law, or a point's squared error."""
    return "val_loss" if model.distribution_horizon else "val_mse"


def trained_weights(model: nn.Module) -> list[Tensor]:
    """What an optimiser may move."""
    return [weight for weight in model.parameters() if weight.requires_grad]


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """What a saved model needs besides its body: trained weights, and the adapter's buffers."""
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    return {
        name: tensor.detach()
        for name, tensor in model.state_dict().items()
        if name in trained or not name.startswith("backbone.")
    }


def check_finite(model: nn.Module, learning_rate: float) -> None:
    """Refuse weights that training has driven beyond all numbers.

    Raises:
        ConfigError: with what to set.
    """
    if not all(torch.isfinite(weight).all() for weight in trained_weights(model)):
        raise ConfigError(
            f"Training diverged: weights are no numbers any more. Set a learning_rate below "
            f"{learning_rate:.2g}, or trainer.clip."
        )


class KeepBest(Callback):
    """Gives the model back the weights that validation liked best.

    Args:
        watched: what to make small.
    """

    def __init__(self, watched: str) -> None:
        self.watched = watched
        self.score = float("inf")
        self.weights: dict[str, Tensor] = {}

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        score = float(trainer.callback_metrics.get(self.watched, torch.inf))
        if score < self.score:
            self.score = score
            kept = trained_state(module.model)  # type: ignore[arg-type]
            self.weights = {name: tensor.cpu().clone() for name, tensor in kept.items()}

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.weights:
            module.model.load_state_dict(self.weights, strict=False)  # type: ignore[union-attr]

    def state_dict(self) -> dict[str, Any]:
        return {"score": self.score, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.score, self.weights = state["score"], state["weights"]


def train(
    model: Network,
    data: WindowData,
    recipe: Recipe,
    *,
    horizon: int,
    machine: Machine | None = None,
    patience: int | None = None,
    folder: Path | None = None,
    name: str = "",
    progress: bool = True,
) -> pd.DataFrame:
    """Train the model in place; it stays on the device it was trained on.

    Args:
        model: what to train.
        data: its windows.
        recipe: how.
        horizon: steps by which validation windows are forecast.
        machine: where.
        patience: looks at validation without progress before training stops and the best weights
            are taken. None trains to the end of the schedule and keeps the last weights: with a
            rate that falls to zero they are the ones meant, and picking among noisy looks at one
            stretch of time is a choice by chance.
        folder: where to keep the last checkpoint; one found there is resumed. None keeps none.
        name: of the run, which its checkpoints bear.
        progress: whether to show a bar.

    Returns:
        Its ``History``: one row a step.

    Raises:
        SystemExit: with ``TERMINATED``, if the process is told to end.
        KeyboardInterrupt: at Ctrl-C.
        ConfigError: if training diverged, this computer has no such machine, or a checkpoint
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
    module = Training(model, recipe, horizon)
    run(trainer, module, datamodule=data, ckpt_path=resumed, weights_only=True)
    check_finite(model, recipe.learning_rate)
    model.to(device).eval()
    return history.frame


def _check_judged(data: WindowData, patience: int) -> None:
    """Refuse early stopping where nothing tells when to stop."""
    if data.val is None or data.val_index is None:
        raise ConfigError(
            f"early_stopping_patience={patience} needs validation data, and there is none. Set "
            "val_size, or leave early_stopping_patience out."
        )
    if all(batch.future.isnan().all() for batch in Batches(data.val, data.val_index)):
        raise ConfigError(
            f"early_stopping_patience={patience} needs observed values in the validation rows, and "
            "the windows that are looked at hold none. Give val_df or val_size with values, or "
            "leave early_stopping_patience out."
        )
