"""Rolling origins: what a backtest knows at each of them, and what it holds out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from utilsforecast.processing import backtest_splits

from tslm.calendar import naming
from tslm.data.frame import Frame
from tslm.errors import DataError


def origins(frame: Frame, h: int, n_windows: int, step: int) -> Iterator[tuple[Any, Any, Any]]:
    """Frames of cutoffs, of what was known and of what followed, from the first origin to the last.

    Args:
        frame: series; the last origin leaves exactly ``h`` rows to the end of each.
        h: rows held out at an origin.
        n_windows: origins.
        step: rows between them.
    """
    freq = frame.calendar.freq if frame.calendar.dated else int(frame.calendar.freq)
    return iter(
        backtest_splits(
            frame.table,
            n_windows=n_windows,
            h=h,
            id_col="unique_id",
            time_col="ds",
            freq=freq,
            step_size=step,
        )
    )


def check_lengths(frame: Frame, needed: int) -> None:
    """Refuse series that have not a row more than are held out.

    Raises:
        DataError: naming them.
    """
    lengths = np.diff(frame.offsets)
    if (short := lengths <= needed).any():
        raise DataError(
            f"The backtest holds out {needed} rows of each series and needs at least one before "
            f"them; too short: {naming(frame.ids[short])}. Set a smaller h, n_windows or "
            "step_size, or leave these series out."
        )
