"""Samplers of windows: with replacement, once per epoch, or evenly spaced."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from tslm.data.windows import Windows


class RandomWindows:
    """Sampler with replacement; a batch depends only on the seed and the step.

    Args:
        windows: windows to draw from.
        batch_size: windows per batch.
        seed: any integer from 0.
    """

    def __init__(self, windows: Windows, batch_size: int, seed: int) -> None:
        self.windows = windows
        self.batch_size = batch_size
        self.seed = seed

    def batch(self, step: int) -> Int[Tensor, " B"]:
        """Return the numbers of the windows of one training step."""
        generator = _generator(self.seed, step)
        return torch.randint(len(self.windows), (self.batch_size,), generator=generator)


class EpochWindows:
    """Sampler of every window once per epoch; the order depends only on the seed and the epoch.

    Args:
        windows: windows to read.
        batch_size: windows per batch.
        seed: any integer from 0.
    """

    def __init__(self, windows: Windows, batch_size: int, seed: int) -> None:
        self.windows = windows
        self.batch_size = batch_size
        self.seed = seed
        self.steps_per_epoch = -(-len(windows) // batch_size)
        self._epoch = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def batch(self, step: int) -> Int[Tensor, " B"]:
        """Return the numbers of the windows of one training step."""
        epoch, part = divmod(step, self.steps_per_epoch)
        begin = part * self.batch_size
        if epoch != self._epoch:
            generator = _generator(self.seed, epoch)
            self._order = torch.randperm(len(self.windows), generator=generator)
            self._epoch = epoch
        return self._order[begin : begin + self.batch_size]


def _generator(*seeds: int) -> torch.Generator:
    mixed = np.random.SeedSequence(seeds).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(mixed >> np.uint64(1)))


def evenly_spaced(n: int, limit: int) -> Int[Tensor, " m"]:
    """Return at most ``limit`` of the numbers 0 to ``n - 1``, evenly spaced."""
    return torch.from_numpy(np.unique(np.linspace(0, n - 1, min(n, limit)).astype(np.int64)))
