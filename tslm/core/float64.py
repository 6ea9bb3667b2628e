"""Float64 arithmetic on every machine: on the CPU where a device, such as Apple's, lacks it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

WITHOUT_FLOAT64 = frozenset({"mps"})  # types of devices


def home(device: torch.device) -> torch.device:
    """Return the device for float64 arithmetic: the same one, or the CPU if it lacks float64."""
    return torch.device("cpu") if device.type in WITHOUT_FLOAT64 else device


def exactly(values: Tensor) -> Tensor:
    """Convert values to float64, on the CPU if their device lacks float64."""
    return values.to(home(values.device)).to(torch.float64)


class ExactModule(nn.Module):
    """Module whose float64 buffers stay on the CPU if a device lacks float64."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ExactModule":
        def place(tensor: Tensor) -> Tensor:
            if tensor.dtype != torch.float64:
                return fn(tensor)
            there = fn(tensor.new_empty(0, dtype=torch.float32)).device
            return fn(tensor) if home(there) == there else tensor.to(home(there))

        super()._apply(place, recurse)  # type: ignore[no-untyped-call]
        return self
