"""Training recipe: learning-rate schedule, optimiser and loss."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler

from tslm.core.config.build import build
from tslm.core.config.choices import node
from tslm.core.messages import at_least, check_choice
from tslm.estimators.training.schedules import Schedule
from tslm.models.network import CRITERIA


@dataclass(frozen=True)
class Recipe:
    """Training recipe.

    Args:
        learning_rate: the highest learning rate.
        steps: number of batches in the whole run.
        schedule: learning-rate schedule, a file of ``conf/schedule``.
        warmup: fraction of the steps in which the rate of ``one_cycle`` rises.
        weight_decay: weight decay of AdamW.
        clip: largest norm of the gradient; None for no limit.
        looks: number of validation checks in the whole run.
        loss: training loss of point forecasts, one of ``CRITERIA``; distributions have their own.

    Raises:
        ConfigError: if the loss or the schedule is unknown, or ``looks`` is below 1.
    """

    learning_rate: float
    steps: int
    schedule: str = "one_cycle"
    warmup: float = 0.3
    weight_decay: float = 0.0
    clip: float | None = 1.0
    looks: int = 10
    loss: str = "huber"

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, CRITERIA)
        at_least(1, looks=self.looks)
        node("schedule", self.schedule)

    def optimizer(self, weights: Sequence[Tensor]) -> tuple[AdamW, LRScheduler]:
        """Return AdamW and its scheduler, to be stepped after every batch.

        Args:
            weights: the weights to train.
        """
        adam = AdamW(list(weights), lr=self.learning_rate, weight_decay=self.weight_decay)
        schedule: Schedule = build(
            node("schedule", self.schedule), warmup=self.warmup, looks=self.looks
        )
        return adam, schedule.scheduler(adam, self.steps)
