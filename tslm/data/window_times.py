"""Start times of patches: all times at which a patch of some window can start."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from tslm.data.windows import Windows

ROWS_AT_ONCE = 1_000_000  # of all windows, about


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
    found = np.empty(0, dtype=np.int64)
    for some in np.array_split(np.arange(len(lengths)), int(lengths.sum()) // ROWS_AT_ONCE + 1):
        run = np.repeat(some, lengths[some])
        begins = np.cumsum(lengths[some]) - lengths[some]
        row = np.arange(len(run)) - np.repeat(begins, lengths[some]) + first[run]
        series, panel = runs.series[run], windows.panel
        before = np.minimum(row, 0) * panel.step[series]
        time = panel.time.numpy()[panel.offsets[series] + np.maximum(row, 0)] + before
        found = np.union1d(found, time)
    return torch.from_numpy(found)
