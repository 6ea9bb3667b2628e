"""Long frames and panels that several tests read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from tslm.data.panel import Panel


def daily(n: int = 60, ids: Sequence[Any] = ("a", "b")) -> pd.DataFrame:
    """Return random walks of ``n`` days, one a series, that all begin on 2024-01-01."""
    y = 30 + np.random.default_rng(0).normal(size=len(ids) * n).cumsum()
    ds = np.tile(pd.date_range("2024-01-01", periods=n), len(ids))
    return pd.DataFrame({"unique_id": np.repeat(list(ids), n), "ds": ds, "y": y})


def numbered_panel(lengths: list[int]) -> Panel:
    """Return series whose values are the row numbers of the panel; a step is 10 seconds."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    time = np.concatenate([1000 * i + 10 * np.arange(n) for i, n in enumerate(lengths)])
    n = len(lengths)
    return Panel(
        values=torch.arange(int(offsets[-1]), dtype=torch.float32),
        time=torch.from_numpy(time),
        offsets=offsets,
        ids=pd.RangeIndex(n),
        loc=np.zeros(n),
        spread=np.ones(n),
        step=np.full(n, 10),
    )
