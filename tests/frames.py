"""Long frames that several tests read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd


def daily(n: int = 60, ids: Sequence[Any] = ("a", "b")) -> pd.DataFrame:
    """Return random walks of ``n`` days, one a series, that all begin on 2024-01-01."""
    y = 30 + np.random.default_rng(0).normal(size=len(ids) * n).cumsum()
    ds = np.tile(pd.date_range("2024-01-01", periods=n), len(ids))
    return pd.DataFrame({"unique_id": np.repeat(list(ids), n), "ds": ds, "y": y})
