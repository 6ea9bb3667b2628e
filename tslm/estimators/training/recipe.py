"""Training recipe: learning-rate schedule, optimiser and loss."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler

from tslm.core.config.build import build
from tslm.core.config.choices import node
from tslm.core.errors import ConfigError
from tslm.core.messages import at_least, check_choice
from tslm.estimators.training.inputs import InputChanges
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
        own_rollouts: probability, from 0 to 1, that the last segment of a training context is the
            model's own forecast, see ``InputChanges``.
        mask_inputs: probability, from 0 to 1, that one segment of a training context is hidden.
        context_noise: noise on training contexts, as a multiple of the standard deviation of each
            window.

    Raises:
        ConfigError: if the loss or the schedule is unknown, ``looks`` is below 1, or a probability
            or the noise is out of range.
    """

    learning_rate: float
    steps: int
    schedule: str = "one_cycle"
    warmup: float = 0.3
    weight_decay: float = 0.0
    clip: float | None = 1.0
    looks: int = 10
    loss: str = "huber"
    own_rollouts: float = 0.0
    mask_inputs: float = 0.0
    context_noise: float = 0.0

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, CRITERIA)
        at_least(1, looks=self.looks)
        node("schedule", self.schedule)
        for name in ("own_rollouts", "mask_inputs"):
            if not 0 <= (share := getattr(self, name)) <= 1:
                raise ConfigError(f"trainer.{name}={share} must be a probability, from 0 to 1.")
        if not 0 <= self.context_noise < math.inf:
            raise ConfigError(f"trainer.context_noise={self.context_noise} must be 0 or above.")

    @property
    def input_changes(self) -> InputChanges:
        """Return the changes of training contexts."""
        return InputChanges(self.own_rollouts, self.mask_inputs, self.context_noise)

    def keep_inputs(self) -> None:
        """Refuse changes of training contexts, for a training that does not forecast.

        Raises:
            ConfigError: if one is set.
        """
        if self.input_changes:
            raise ConfigError(
                "trainer.own_rollouts, mask_inputs and context_noise change the contexts of "
                "forecasters. Here no forecaster is trained: leave them out."
            )

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
