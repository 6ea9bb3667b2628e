"""Loaders of windows for Lightning: training batches by step number, validation in order."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Int
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from tslm.core.types import Batch
from tslm.data.batches import Batches
from tslm.data.samplers import EpochWindows, RandomWindows
from tslm.data.windows import Windows

EVAL_BATCH = 512  # windows per validation batch


class WindowData(LightningDataModule):
    """Data module of training and validation windows.

    The windows of step k depend only on the seed and k, not on the number of processes, so that a
    resumed run sees the same windows as an uninterrupted one.

    Args:
        train: training windows.
        sampler: chooses the windows of a step.
        val: validation windows, or None.
        val_index: numbers of the validation windows used during training.
        eval_batch: windows per validation batch.
    """

    def __init__(
        self,
        train: Windows,
        sampler: RandomWindows | EpochWindows,
        val: Windows | None = None,
        val_index: torch.Tensor | None = None,
        eval_batch: int = EVAL_BATCH,
    ) -> None:
        super().__init__()
        self.train, self.sampler = train, sampler
        self.val, self.val_index, self.eval_batch = val, val_index, eval_batch

    def train_dataloader(self) -> DataLoader[Batch]:
        return DataLoader(_TrainingBatches(self), batch_size=None)

    def val_dataloader(self) -> DataLoader[Batch] | list[Any]:
        if self.val is None or self.val_index is None:
            return []
        rank, processes = self.rank
        index = windows_of_process(self.val_index, rank, processes)
        own = len(self.val_index[rank::processes])
        return DataLoader(
            _ValidationBatches(self.val, index, own, self.eval_batch), batch_size=None
        )

    @property
    def rank(self) -> tuple[int, int]:
        """Return the rank of this process and the number of processes."""
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)

    @property
    def first_step(self) -> int:
        """Return the first training step: 0, or the step after that of the checkpoint."""
        return self.trainer.global_step if self.trainer else 0


def windows_of_process(index: Int[Tensor, " B"], rank: int, processes: int) -> Int[Tensor, " S"]:
    """Return the windows of a batch for one process: equally many for all, and at least one.

    If the batch cannot be divided evenly, the first windows are used twice.

    Args:
        index: numbers of the windows of the batch.
        rank: number of the process.
        processes: number of processes.
    """
    places = torch.arange(rank, -(-len(index) // processes) * processes, processes)
    return index[places % len(index)]


class _ValidationBatches(IterableDataset[Batch]):
    """Validation batches, equally many in each process, since processes wait for each other.

    Windows after the first ``own`` belong to another process: their targets are NaN, so that they
    do not count twice.
    """

    def __init__(self, windows: Windows, index: Int[Tensor, " n"], own: int, size: int) -> None:
        self.batches, self.own, self.size = Batches(windows, index, size), own, size

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        for number, batch in enumerate(self.batches):
            future = batch.future.clone()
            future[max(self.own - number * self.size, 0) :] = torch.nan
            yield batch._replace(future=future)


class _TrainingBatches(IterableDataset[Batch]):
    """Batches of all further training steps, with the windows of this process."""

    def __init__(self, data: WindowData) -> None:
        self.data = data

    def __iter__(self) -> Iterator[Batch]:
        step = self.data.first_step
        rank, processes = self.data.rank
        while True:
            yield self.data.train.cut(
                windows_of_process(self.data.sampler.batch(step), rank, processes)
            )
            step += 1
