"""At which times a patch of some window can start."""

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from tslm.data.windows import Windows


def start_times(windows: Windows, patch_len: int) -> Int[Tensor, " n"]:
    """Distinct times at which a patch can start, in the contexts or in what follows them.

    The last ``patch_len`` rows that a series' windows touch start none, and rows that no window
    touches do not count. Times before a short series are those its padding has.

    Args:
        windows: neighbouring windows are assumed to lie one row apart.
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
