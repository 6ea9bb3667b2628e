"""Choice of the batch size from free memory: ``batch_size="auto"``."""

import torch

from tslm.core.errors import ConfigError
from tslm.core.memory import free_memory
from tslm.estimators.memory.estimate import LATER, NetworkMemory

AUTO = "auto"
SHARE = 0.8  # of the free memory that may be used; the rest is for what is not estimated
LARGER = 4  # times the batch size of the adapter's yaml, at most; its learning rate suits that


def largest_batch(network: NetworkMemory, validated: int, device: torch.device, most: int) -> int:
    """Return the largest power of two of windows that fits into the free memory of a device.

    It depends on nothing but the arguments and the free memory.

    Args:
        network: memory of the network.
        validated: windows that are forecast at once for validation.
        device: device of the network.
        most: the largest number of windows that training needs.

    Raises:
        ConfigError: if this computer does not tell its free memory, or one window does not fit.
    """
    free = free_memory(device)
    if free is None:
        raise ConfigError(
            f"batch_size=auto: the free memory of {device} is unknown. Set a number, such as "
            f"batch_size={most}."
        )
    kept = network.fitted + network.optimiser + LATER
    size = 1 << (most.bit_length() - 1)
    while kept + network.fit(size, validated) > SHARE * free:
        if size == 1:
            needed = kept + network.fit(1, validated)
            raise ConfigError(
                f"batch_size=auto: training needs about {needed / 1e6:,.0f} MB with one window in "
                f"a batch, and {free / 1e6:,.0f} MB are free on {device}. Set a smaller n_layers "
                "or context_length, or a smaller backbone; or set batch_size=1 to try it."
            )
        size //= 2
    return size
