"""Rolling origins: what a backtest knows at each of them, and what it holds out."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tslm.core.errors import DataError
from tslm.core.messages import counted, naming
from tslm.data.frame import Frame


def rolling_origins(
    frame: Frame, h: int, n_windows: int, step: int
) -> Iterator[tuple[Any, Any, Any]]:
    """Frames of cutoffs, of what was known and of what followed, from the first origin to the last.

    Args:
        frame: series; the last origin leaves exactly ``h`` rows to the end of each.
        h: rows held out at an origin.
        n_windows: origins.
        step: rows between them.
    """
    table, lengths = frame.table, np.diff(frame.offsets)
    left = np.repeat(frame.offsets[1:], lengths) - np.arange(len(table))  # 1 in the last row
    for window in reversed(range(n_windows)):
        held = h + window * step
        known, truth = left > held, (left <= held) & (left > held - h)
        last = table.loc[left == held + 1, ["unique_id", "ds"]].rename(columns={"ds": "cutoff"})
        yield (
            last.reset_index(drop=True),
            table[known].reset_index(drop=True),
            table[truth].reset_index(drop=True),
        )


def all_rolling_origins(
    frame: Frame, h: int, step: int, context: int
) -> Iterator[tuple[Any, Any, Any]]:
    """As ``origins``, but every origin that the rows have room for, and series of any lengths.

    The last origin leaves exactly ``h`` rows to the end of each series. Before the first one lie
    ``context`` rows, or, of a series too short for that, as many as there are. A series without a
    row before its last ``h`` has no origin.

    Args:
        frame: series.
        h: rows held out at an origin.
        step: rows between origins.
        context: rows the forecaster reads.
    """
    lengths = np.diff(frame.offsets)
    spare = lengths - h - np.minimum(context, lengths - h).clip(1)
    back = np.repeat(frame.offsets[1:], lengths) - np.arange(len(frame.table))  # 1 is the last row
    room = np.repeat(spare, lengths)
    for after in range(int(spare.max()) // step * step, -1, -step):
        known = frame.table[(room >= after) & (back > after + h)]
        truth = frame.table[(room >= after) & (back > after) & (back <= after + h)]
        cutoffs = known.groupby("unique_id", sort=False).ds.max().rename("cutoff").reset_index()
        yield cutoffs, known, truth


def steps_after(frame: Frame, ends: pd.Series) -> int | None:
    """How many steps the longest series of a frame reaches beyond the last row known of it.

    Args:
        frame: series.
        ends: last times known, by id.

    Returns:
        None, unless each series of the frame is known and begins after its last time.
    """
    edges = frame.table.groupby("unique_id", sort=False).ds.agg(["min", "max"])
    known = ends.reindex(edges.index)
    if known.isna().any() or (edges["min"] <= known).any():
        return None
    counts = [frame.calendar.count(frame.calendar.to_int(part)) for part in (known, edges["max"])]
    return int((counts[1] - counts[0]).max()) // frame.calendar.step


def check_lengths(frame: Frame, needed: int) -> None:
    """Refuse series that have not a row more than are held out.

    Raises:
        DataError: naming them.
    """
    lengths = np.diff(frame.offsets)
    if (short := lengths <= needed).any():
        raise DataError(
            f"The backtest holds out {counted(needed, 'row')} of each series and needs at "
            f"least one before them; too short: {naming(frame.ids[short])}. Set a smaller h, "
            "n_windows or step_size, or leave these series out."
        )
