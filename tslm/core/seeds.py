"""Random draws of one's own: torch has one generator for all threads of a process."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import torch
from torch import Tensor

_ONE = RLock()  # a fit inside a fit is of the same thread: ablations, searches, backtests


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's generators by a seed, with gradients, and leave all as it was.

    One thread at a time: others that come meanwhile wait, so that the same seed gives the same
    bits in company.
    """
    with _ONE, torch.inference_mode(False), torch.enable_grad():
        before = generators()
        try:
            torch.manual_seed(seed)
            yield
        finally:
            set_generators(before)


def generators() -> dict[str, list[Tensor]]:
    """The states of torch's generators: of the CPU, and of each accelerator."""
    states = {"cpu": [torch.get_rng_state()]}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    if torch.backends.mps.is_available():
        states["mps"] = [torch.mps.get_rng_state()]
    return states


def set_generators(states: dict[str, list[Tensor]]) -> None:
    """Bring torch's generators back to states; those of a machine that lacks some are left out."""
    torch.set_rng_state(states["cpu"][0])
    if torch.cuda.is_available():
        for number, state in enumerate(states.get("cuda", [])[: torch.cuda.device_count()]):
            torch.cuda.set_rng_state(state, number)
    if torch.backends.mps.is_available() and "mps" in states:
        torch.mps.set_rng_state(states["mps"][0])
