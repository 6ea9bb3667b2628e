"""Alignment of series: all on the same times, for models that read all series together."""

from dataclasses import replace

import numpy as np
import pandas as pd

from tslm.core.errors import DataError
from tslm.core.messages import naming
from tslm.data.frame import Frame


def align_series(frame: Frame) -> Frame:
    """Return the frame with all series from the earliest first row to the last row.

    Series that begin later have missing values before their first row.

    Raises:
        DataError: if series end at different times, or are not on one time grid.
    """
    table, offsets = frame.table, frame.offsets
    last = table.ds.iloc[offsets[1:] - 1].reset_index(drop=True)
    if (early := (last != last.max()).to_numpy()).any():
        raise DataError(
            f"A model that reads all series together needs them to end together; series "
            f"{naming(frame.ids[early])} end before {last.max()}. Complete them (missing values "
            "are fine), or leave them out."
        )
    lengths = np.diff(offsets)
    if (lengths == lengths.max()).all() and _have_same_times(table.ds, offsets):
        return frame
    longest = int(lengths.argmax())
    times = table.ds.iloc[offsets[longest] : offsets[longest + 1]].reset_index(drop=True)
    starts = table.ds.iloc[offsets[:-1]].reset_index(drop=True)
    if not starts.isin(times).all():
        odd = ~starts.isin(times).to_numpy()
        raise DataError(
            f"A model that reads all series together needs one time grid; the times of series "
            f"{naming(frame.ids[odd])} lie between those of {naming([frame.ids[longest]])}."
        )
    whole = len(times)
    y = np.full((len(lengths), whole), np.nan)
    for i, (start, length) in enumerate(zip(offsets, lengths, strict=False)):
        y[i, whole - length :] = table.y.iloc[start : start + length]
    grid = pd.DataFrame(
        {
            "unique_id": frame.ids.repeat(whole),
            "ds": pd.concat([times] * len(lengths), ignore_index=True),
            "y": y.ravel(),
        }
    )
    row = np.tile(np.arange(whole), len(lengths)) - np.repeat(whole - lengths, whole)
    source = np.where(row < 0, -1, row + np.repeat(offsets[:-1], whole))
    beside = table.drop(columns=["unique_id", "ds", "y"]).reindex(source)
    return replace(frame, table=pd.concat([grid, beside.reset_index(drop=True)], axis=1))


def _have_same_times(ds: "pd.Series[pd.Timestamp]", offsets: np.ndarray) -> bool:
    """Return True if all series, equally long, have the times of the first one."""
    times = ds.to_numpy().reshape(len(offsets) - 1, -1)
    return bool((times == times[0]).all())
