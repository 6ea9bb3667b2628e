"""Losses of a run in a logger of Lightning: CSV, TensorBoard or MLflow, by name."""

import logging
import os
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger

from tslm.core.errors import ConfigError
from tslm.core.files import write_text
from tslm.core.hardware import is_first, quiet
from tslm.core.messages import unknown_choice
from tslm.estimators.training.history import History

EXTRAS = {"tensorboard": "tensorboard", "mlflow": "'tslm[mlflow]'"}
NAMES = ("csv", *EXTRAS)
EVERY = 50  # steps between writes
RUN_ID = "mlflow_run_id.txt"


class LossLog(Callback):
    """Writer of the losses, learning rates and validation scores of ``History`` to a logger.

    The steps are those of ``history_``. A run that continues writes the steps before it again,
    but for those that the logger still has.

    Args:
        logger: a logger of Lightning.
        written: last step that the logger has of earlier runs.
    """

    def __init__(self, logger: Logger, written: int = 0) -> None:
        self.logger, self.written = logger, written
        self.steps = self.validations = 0  # rows of the history that were sent

    @classmethod
    def named(cls, name: str, folder: Path, run: str) -> "LossLog":
        """Make a logger by its name.

        Args:
            name: csv, tensorboard or mlflow.
            folder: folder of its files. MLflow uses MLFLOW_TRACKING_URI instead if it is set, and
                the experiment of MLFLOW_EXPERIMENT_NAME.
            run: name of the run in MLflow.

        Raises:
            ConfigError: if there is no such logger, or its package is not installed.
        """
        if name not in NAMES:
            raise ConfigError(unknown_choice("logger", name, NAMES))
        try:
            if name == "csv":
                return cls(CSVLogger(folder, name="", version=""))
            if name == "tensorboard":  # what earlier runs wrote is replaced
                return cls(TensorBoardLogger(folder, name="", version="", purge_step=0))
            return _mlflow(folder, run)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"logger={name} needs a package that is not installed. Type: pip install "
                f"{EXTRAS[name]}"
            ) from error

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        if is_first():
            with quiet():
                self.logger.log_hyperparams(module.settings)  # type: ignore[arg-type]
            self._write(trainer)

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        if trainer.global_step % EVERY == 0:
            self._write(trainer)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        self._write(trainer)
        self._finish("success")

    def on_exception(self, trainer: Trainer, module: LightningModule, error: BaseException) -> None:
        self._write(trainer)
        self._finish("failed")

    def _write(self, trainer: Trainer) -> None:
        """Send the rows of the history that were not sent yet."""
        if not is_first():
            return
        history = next(one for one in trainer.callbacks if isinstance(one, History))  # type: ignore[attr-defined]
        with quiet():
            for step, loss, rate in history.steps[self.steps :]:
                self._send(step, {"loss": float(loss), "learning_rate": rate})
            for step, score in history.validations[self.validations :]:
                self._send(step, {history.watched: score})
            self.logger.save()
        self.steps, self.validations = len(history.steps), len(history.validations)

    def _send(self, step: int, values: dict[str, float]) -> None:
        if step > self.written:
            self.logger.log_metrics(values, step)

    def _finish(self, status: str) -> None:
        if is_first():
            with quiet():
                self.logger.finalize(status)


def _mlflow(folder: Path, run: str) -> LossLog:
    """Return a log to MLflow; a run that continues has the id of the one before."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    for name in ("mlflow", "alembic"):  # they tell every table of a new database
        logging.getLogger(name).setLevel(logging.WARNING)
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri is None:
        folder.mkdir(parents=True, exist_ok=True)
        uri = f"sqlite:///{(folder / 'mlflow.db').resolve()}"
    note, written, known = folder / RUN_ID, 0, None
    if note.is_file():
        try:
            known = note.read_text().strip()
            history = MlflowClient(uri).get_metric_history(known, "loss")
            written = max((point.step for point in history), default=0)
        except (MlflowException, OSError):
            known = None  # the run was deleted, or is of another server
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", "tslm")
    logger = MLFlowLogger(experiment, run, uri, run_id=known)
    if is_first():
        folder.mkdir(parents=True, exist_ok=True)
        write_text(str(logger.run_id), str(note))
    return LossLog(logger, written)
