"""Float64, on every machine: Apple's accelerators have none, so there the CPU computes it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

_SINGLE = frozenset({"mps"})  # kinds of devices without float64


def home(device: torch.device) -> torch.device:
    """Give the device to compute in float64 on: the same one, or the CPU where it has none."""
    return torch.device("cpu") if device.type in _SINGLE else device


def exactly(values: Tensor) -> Tensor:
    """The same numbers in float64; on the CPU where their device has no float64."""
    return values.to(home(values.device)).to(torch.float64)


class ExactModule(nn.Module):
    """A module whose float64 buffers stay on the CPU where a device has no float64."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ExactModule":
        def place(tensor: Tensor) -> Tensor:
            if tensor.dtype != torch.float64:
                return fn(tensor)
            there = fn(tensor.new_empty(0, dtype=torch.float32)).device
            return fn(tensor) if home(there) == there else tensor.to(home(there))

        super()._apply(place, recurse)  # type: ignore[no-untyped-call]
        return self
