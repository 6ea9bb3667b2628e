"""Float64, on every machine: Apple's accelerators have none."""

import torch
from torch import Tensor


def exactly(values: Tensor) -> Tensor:
    """The same numbers in float64; on the CPU where their device has no float64."""
    return (values.cpu() if values.device.type == "mps" else values).to(torch.float64)
