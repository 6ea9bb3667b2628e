"""Frames with one column of times, and the messages that refuse them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tslm.core.errors import ConfigError, DataError
from tslm.data.frame import Columns, Frame, read_frame
from tslm.data.time_writing import Writing


def read(ds: Any, freq: str | int | None = None, **known: Any) -> Frame:
    """Read a series with these times; ``known`` goes to ``Writing``."""
    df = pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(len(ds)) * 1.0})
    return read_frame(df, Columns(writing=Writing(**known)), freq=freq)


def refuse(ds: Any, message: str, **options: Any) -> None:
    """Assert that these times are refused with this message."""
    with pytest.raises((DataError, ConfigError), match=message):
        read(ds, **options)
