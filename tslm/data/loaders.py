"""Windows for Lightning: training batches by step number, validation in order."""

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


class WindowData(LightningDataModule):
    """Feeds a model with windows.

    Which windows step k sees depends on the seed and k alone, whatever the number of processes,
    so a run that is resumed sees what it would have seen.

    Args:
        train: training windows.
        sampler: which of them make up a step.
        val: validation windows, or None.
        val_index: which of those are looked at during training.
        eval_batch: windows of one validation batch.
    """

    def __init__(
        self,
        train: Windows,
        sampler: RandomWindows | EpochWindows,
        val: Windows | None = None,
        val_index: torch.Tensor | None = None,
        eval_batch: int = 512,
    ) -> None:
        super().__init__()
        self.train, self.sampler = train, sampler
        self.val, self.val_index, self.eval_batch = val, val_index, eval_batch

    def train_dataloader(self) -> DataLoader[Batch]:
        return DataLoader(_Steps(self), batch_size=None)

    def val_dataloader(self) -> DataLoader[Batch] | list[Any]:
        if self.val is None or self.val_index is None:
            return []
        rank, processes = self.rank
        index = windows_of_process(self.val_index, rank, processes)
        own = len(self.val_index[rank::processes])
        return DataLoader(_Chunks(self.val, index, own, self.eval_batch), batch_size=None)

    @property
    def rank(self) -> tuple[int, int]:
        """Which process this is, of how many."""
        trainer = self.trainer
        return (trainer.global_rank, trainer.world_size) if trainer else (0, 1)

    @property
    def first_step(self) -> int:
        """The step training begins with: 0, or the one after the checkpoint's."""
        return self.trainer.global_step if self.trainer else 0


def windows_of_process(index: Int[Tensor, " B"], rank: int, processes: int) -> Int[Tensor, " S"]:
    """The windows of a batch that one process takes: of all processes as many, and at least one.

    Where they cannot be shared out evenly, the first ones are taken twice.
    """
    places = torch.arange(rank, -(-len(index) // processes) * processes, processes)
    return index[places % len(index)]


class _Chunks(IterableDataset[Batch]):
    """Validation batches: of all processes as many, because they wait for each other in each.

    Windows after the first ``own`` are another process's, and nothing is known of their future.
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


class _Steps(IterableDataset[Batch]):
    """The batches of all steps to come, this process's share of each."""

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
