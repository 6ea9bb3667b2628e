"""Start times of patches: all times at which a patch of some window can start."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from tslm.data.windows import Windows


def start_times(windows: Windows, patch_len: int) -> Int[Tensor, " n"]:
    """Return the distinct times at which a patch can start, in contexts and targets of windows.

    A patch lies within the rows of the windows of a series, so that none starts in their last
    ``patch_len - 1`` rows. Padded contexts add the times of their padding.

    Args:
        windows: windows whose neighbours lie one row apart.
        patch_len: steps of a patch.
    """
    if not len(windows):
        return torch.empty(0, dtype=torch.int64)
    runs = windows.runs
    first = runs.first - windows.context_length
    last = runs.first + (runs.number - 1) * windows.stride + windows.future_length - patch_len
    lengths = np.maximum(last - first + 1, 1)
    run = np.repeat(np.arange(len(lengths)), lengths)
    row = np.arange(len(run)) - (np.cumsum(lengths) - lengths)[run] + first[run]
    series, panel = runs.series[run], windows.panel
    before = np.minimum(row, 0) * panel.step[series]
    time = panel.time.numpy()[panel.offsets[series] + np.maximum(row, 0)] + before
    return torch.from_numpy(np.unique(time))
