"""Long frames and panels that several tests read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from tslm.data.panel import Panel

START = "2024-01-01"


def long_frame(
    series: Mapping[Any, npt.ArrayLike],
    *,
    freq: str | int = "D",
    start: str = START,
    tz: str | None = None,
) -> pd.DataFrame:
    """Return a long frame of these series, which begin together.

    Args:
        series: values by id.
        freq: distance of two rows; 1 counts rows from 0.
        start: time of the first rows.
        tz: time zone.
    """
    parts = []
    for name, values in series.items():
        y = np.asarray(values, dtype=float)
        ds: Any = np.arange(len(y))
        if isinstance(freq, str):
            ds = pd.date_range(start, periods=len(y), freq=freq, tz=tz)
        parts.append(pd.DataFrame({"unique_id": name, "ds": ds, "y": y}))
    return pd.concat(parts, ignore_index=True)


def random_walks(
    n: int = 60, ids: Sequence[Any] = ("a", "b"), *, level: float = 30, seed: int = 0, **times: Any
) -> pd.DataFrame:
    """Return a random walk for each id, with steps of standard deviation 1 around a level."""
    y = level + np.random.default_rng(seed).normal(size=(len(ids), n)).cumsum(1)
    return long_frame(dict(zip(ids, y, strict=True)), **times)


def weekly(n: int = 90, ids: Sequence[Any] = ("a",), **times: Any) -> pd.DataFrame:
    """Return series that repeat 1 to 7 exactly."""
    return long_frame(dict.fromkeys(ids, np.arange(n) % 7 + 1.0), **times)


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
