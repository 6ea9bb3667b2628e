"""The loss by step of a training run."""

from typing import Any

import pandas as pd
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

COLUMNS = ("step", "loss", "learning_rate")


class History(Callback):
    """Loss and learning rate of every step, and validation scores; a resumed run continues it.

    Args:
        watched: name of the validation score, ``val_mse`` or ``val_loss``.
    """

    def __init__(self, watched: str) -> None:
        self.watched = watched
        self.steps: list[list[Any]] = []
        self.validations: list[list[Any]] = []
        self._rate = 0.0

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self._rate = float(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.steps.append([trainer.global_step, outputs["loss"].detach(), self._rate])

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        self.validations.append(
            [trainer.global_step, float(trainer.callback_metrics[self.watched])]
        )

    @property
    def frame(self) -> pd.DataFrame:
        """Return one row per step; the validation error is missing for steps without validation."""
        frame = pd.DataFrame(self._plain(), columns=COLUMNS)
        if not self.validations:
            return frame
        scores = pd.DataFrame(self.validations, columns=["step", self.watched])
        return frame.merge(scores, on="step", how="left")

    def _plain(self) -> list[list[Any]]:
        return [[step, float(loss), rate] for step, loss, rate in self.steps]

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._plain(), "looks": self.validations}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.steps, self.validations = state["steps"], state["looks"]


def history_state(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Return a history as plain values for ``history_from_state``; None where missing."""
    plain = frame.astype(object).where(frame.notna(), None)
    return {str(name): plain[name].tolist() for name in plain}


def history_from_state(state: dict[str, list[Any]] | None) -> pd.DataFrame:
    """Make a history from its ``history_state``; it is empty for None."""
    frame = pd.DataFrame(state or {name: [] for name in COLUMNS})
    return frame.astype({name: "int64" if name == "step" else "float64" for name in frame})
