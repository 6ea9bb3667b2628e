"""Seeded random draws that leave torch's global generators unchanged.

Torch has one generator for all threads of a process, so only one thread draws at a time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch
from torch import Tensor

_ONE = RLock()  # reentrant: ablations, searches and backtests fit inside a seeded block


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's generators inside a ``with`` block, and restore them afterwards.

    Gradients are enabled inside the block. Other threads wait until it ends, so that the same seed
    gives the same numbers in a program with several threads.

    Args:
        seed: seed of all generators.
    """
    with _ONE, torch.inference_mode(False), torch.enable_grad():
        before = generators()
        try:
            torch.manual_seed(seed)
            yield
        finally:
            set_generators(before)


def generators() -> dict[str, list[Tensor]]:
    """Return the states of torch's generators, by device type: the CPU and the accelerators."""
    states = {"cpu": [torch.get_rng_state()]}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        states["mps"] = [torch.mps.get_rng_state()]
    return states


def set_generators(states: dict[str, list[Tensor]]) -> None:
    """Restore the states of torch's generators; devices this machine lacks are skipped.

    Args:
        states: as ``generators`` returns them.
    """
    torch.set_rng_state(states["cpu"][0])
    if torch.cuda.is_available():
        for number, state in enumerate(states.get("cuda", [])[: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state, number)
    if torch.backends.mps.is_available() and "mps" in states:
        torch.mps.set_rng_state(states["mps"][0])
