"""Rolling origins of a backtest: the known rows and the held-out rows at each of them."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from tslm.core.errors import DataError, warn
from tslm.core.messages import counted, naming
from tslm.data.frame import Frame


def rolling_origins(
    frame: Frame, h: int, n_windows: int, step: int
) -> Iterator[tuple[Any, Any, Any]]:
    """Yield the cutoffs, known rows and held-out rows of each origin, in the order of time.

    Args:
        frame: the series; the last origin leaves exactly ``h`` rows to the end of each.
        h: rows held out at an origin.
        n_windows: number of origins.
        step: rows between origins.
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
    """Yield what ``rolling_origins`` does, for all possible origins and series of any lengths.

    The last origin leaves exactly ``h`` rows to the end of each series. The first one has
    ``context`` rows before it, or one origin at least for a shorter series. A series without a row
    before its last ``h`` has no origin.

    Args:
        frame: the series.
        h: rows held out at an origin.
        step: rows between origins.
        context: rows the forecaster reads.
    """
    lengths = np.diff(frame.offsets)
    spare = lengths - h - np.minimum(context, lengths - h).clip(1)
    back = np.repeat(frame.offsets[1:], lengths) - np.arange(len(frame.table))  # 1 is the last row
    origins_left = np.repeat(spare, lengths)
    for after in range(int(spare.max()) // step * step, -1, -step):
        known = frame.table[(origins_left >= after) & (back > after + h)]
        truth = frame.table[(origins_left >= after) & (back > after) & (back <= after + h)]
        cutoffs = known.groupby("unique_id", sort=False).ds.max().rename("cutoff").reset_index()
        yield cutoffs, known, truth


def steps_after(frame: Frame, ends: pd.Series) -> int | None:
    """Return the largest number of steps from the last known time of a series to its last row.

    Args:
        frame: the series.
        ends: last known time of each series, by id.

    Returns:
        The number of steps; None if a series is unknown, or begins at or before its last known
        time.
    """
    edges = frame.table.groupby("unique_id", sort=False).ds.agg(["min", "max"])
    known = ends.reindex(edges.index)
    if known.isna().any() or (edges["min"] <= known).any():
        return None
    counts = [frame.calendar.count(frame.calendar.to_int(part)) for part in (known, edges["max"])]
    return int((counts[1] - counts[0]).max()) // frame.calendar.step


def check_lengths(frame: Frame, needed: int) -> None:
    """Refuse series without a row before the held-out ones.

    Args:
        frame: the series.
        needed: rows held out in all.

    Raises:
        DataError: if there are such; names them.
    """
    lengths = np.diff(frame.offsets)
    if (short := lengths <= needed).any():
        raise DataError(
            f"The backtest holds out {counted(needed, 'row')} of each series and needs at "
            f"least one before them; too short: {naming(frame.ids[short])}. Set a smaller h, "
            "n_windows or step_size, or leave these series out."
        )


def warn_of_long_horizon(ids: pd.Index, lengths: Any, h: int) -> None:
    """Warn if series have fewer rows than the steps to forecast.

    Args:
        ids: id of each series.
        lengths: number of rows of each series.
        h: steps to forecast.
    """
    if not (short := lengths < h).any():
        return
    rows = "row" if lengths[short].max() == 1 else "rows"
    few, most = lengths[short].min(), lengths[short].max()
    have = f"has {few} {rows}" if short.sum() == 1 else f"have {few} to {most} {rows}"
    warn(
        f"h={h} is longer than whole series: {naming(ids[short])} {have}. So few rows say little "
        f"about {h} steps, and the forecasts may be far off. Set a smaller h, or give these series "
        "more rows."
    )
