"""Progress bar of training, in a terminal, in Jupyter and in log files."""

import sys
from importlib.util import find_spec
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar

if find_spec("ipywidgets") is None:
    from tqdm import tqdm
else:  # a widget, in Jupyter
    from tqdm.auto import tqdm

OFTEN = 0.1  # seconds between updates in a terminal or a live notebook
SELDOM = 5.0  # and in a log file, where every update stays visible


def seconds() -> float:
    """Return the seconds between updates."""
    widgets = "ipykernel" in sys.modules and find_spec("ipywidgets") is not None
    return OFTEN if widgets or sys.stderr.isatty() else SELDOM


class Bar(ProgressBar):
    """Progress bar of the whole training, with its loss; validation has no bar."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = True
        self.bar: tqdm[Any] | None = None

    def disable(self) -> None:  # Lightning's, for all processes but the first
        self.shown = False

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        self.bar = tqdm(
            desc="training",
            total=trainer.max_steps,
            initial=trainer.global_step,
            file=sys.stderr,
            mininterval=seconds(),
            dynamic_ncols=True,
            disable=not self.shown,
        )

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        assert self.bar is not None
        if self.bar.update(trainer.global_step - self.bar.n):
            self._show_metrics(trainer)  # only with an update, because it waits for the device

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        assert self.bar is not None
        self._show_metrics(trainer)
        self.bar.close()

    def on_exception(self, trainer: Trainer, module: LightningModule, error: BaseException) -> None:
        if self.bar is not None:
            self.bar.close()

    def _show_metrics(self, trainer: Trainer) -> None:
        assert self.bar is not None
        self.bar.set_postfix(trainer.progress_bar_metrics, refresh=False)
