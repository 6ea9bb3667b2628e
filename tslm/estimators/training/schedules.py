"""Learning-rate schedules: the yaml files of ``conf/schedule`` name them.

Sources: one cycle is that of Smith and Topin, "Super-Convergence", 2019; the cosine is that of
Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts; halving is that of iTransformer's code.
"""

from abc import ABC, abstractmethod

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR


class Schedule(ABC):
    """Learning-rate schedule over a fixed number of training steps.

    Args:
        warmup: fraction of the steps in which the rate rises, in [0, 1].
        looks: number of validation checks in the whole run.
    """

    def __init__(self, *, warmup: float, looks: int) -> None:
        self.warmup, self.looks = warmup, looks

    @abstractmethod
    def scheduler(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        """Return the scheduler, to be stepped after every batch.

        Args:
            optimizer: its learning rate is the highest rate.
            steps: batches in the whole run.
        """


class FactorSchedule(Schedule):
    """Schedule given by a factor on the highest learning rate."""

    def scheduler(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        return LambdaLR(optimizer, lambda step: self.factor(min(step / steps, 1.0)))

    @abstractmethod
    def factor(self, progress: float) -> float:
        """Return the factor in [0, 1].

        Args:
            progress: fraction of the steps that are done, in [0, 1].
        """


class OneCycle(Schedule):
    """One cycle: the rate rises during the warm-up and then falls to zero."""

    def scheduler(self, optimizer: Optimizer, steps: int) -> LRScheduler:
        total = steps + 1
        rise = self.warmup * (1 - 1e-9 * (self.warmup * total == 1))  # PyTorch divides by zero
        rate = optimizer.param_groups[0]["lr"]
        return OneCycleLR(optimizer, rate, total_steps=total, pct_start=rise)


class Cosine(FactorSchedule):
    """Half a cosine: the rate falls to zero from the first step on."""

    def factor(self, progress: float) -> float:
        return float(0.5 * (1 + torch.cos(torch.tensor(progress * torch.pi))))


class Halving(FactorSchedule):
    """Halving: the rate is halved at each validation check from the second one on."""

    def factor(self, progress: float) -> float:
        return float(0.5 ** max(int(progress * self.looks) - 1, 0))


class Constant(FactorSchedule):
    """Constant rate."""

    def factor(self, progress: float) -> float:
        return 1.0
