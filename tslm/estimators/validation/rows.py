"""Validation rows: the last rows of each series, by number or from a frame of their own."""

import warnings
from typing import overload

import numpy as np
import pandas as pd

from tslm.core.calendar import Ints
from tslm.core.errors import ConfigError, DataError
from tslm.core.messages import counted, naming
from tslm.data.align import align_series
from tslm.data.frame import Frame
from tslm.data.stored_series import StoredSeries
from tslm.estimators.data_set import DataSet
from tslm.estimators.frame_reader import FrameReader

Series = Frame | StoredSeries


def held_out_rows(frame: Series, val_size: int | None, h: int) -> Ints:
    """Return the number of last rows of each series that are held out for validation.

    They end with the last row that has a value; the rows after it are held out too.

    Args:
        frame: the series.
        val_size: rows of each series; None takes a tenth of it, raised to ``h`` rows or cut to
            10 ``h`` rows, and none of a series that would keep less than 2 ``h`` rows.
        h: forecast steps.
    """
    lengths = np.diff(frame.offsets) - frame.unknown
    if val_size is not None:
        rows = np.full(len(lengths), val_size)
    else:
        rows = np.clip(lengths // 10, h, 10 * h)
        rows[lengths - rows < 2 * h] = 0
    return np.asarray(np.where(rows > 0, rows + frame.unknown, 0))


def read_both(reader: FrameReader, df: pd.DataFrame, val_df: pd.DataFrame) -> tuple[Frame, Ints]:
    """Read two frames as one, and count the last rows of each series that come from ``val_df``.

    Args:
        reader: reads the frames.
        df: rows to train on.
        val_df: rows after them to validate on.

    Raises:
        DataError: if rows of ``val_df`` precede or overlap those of ``df``; names the series.
    """
    try:
        frame = reader.read(pd.concat([df, val_df], ignore_index=True))
    except DataError:
        _refuse_shared_rows(reader, df, val_df)
        raise
    return frame, _rows_of_val_df(reader, frame, df, val_df)


def _refuse_shared_rows(reader: FrameReader, df: pd.DataFrame, val_df: pd.DataFrame) -> None:
    """Raise a DataError if rows of two frames have the same id and time."""
    own = reader.columns
    keys = [name for name in (*(own.parts or (own.id,)), own.time) if name in df and name in val_df]
    if own.time not in keys:
        return
    shared = val_df.loc[val_df.set_index(keys).index.isin(df.set_index(keys).index), keys]
    if len(shared):
        first, last = (
            ", ".join(f"{key}={row[key]}" for key in keys)
            for row in (shared.iloc[0], shared.iloc[-1])
        )
        raise DataError(
            f"val_df overlaps df: {counted(len(shared), 'row')} of val_df have the id and the time "
            f"of a row of df, the first with {first} and the last with {last}. {_fix(reader)}"
        )


def _fix(reader: FrameReader) -> str:
    time = reader.columns.time
    return (
        "Rows of val_df must follow the last row of each series of df. Pass df without them, such "
        f"as df[df[{time!r}] < val_df[{time!r}].min()]; or leave out val_df, and the last rows of "
        "df are used."
    )


def _rows_of_val_df(
    reader: FrameReader, frame: Frame, df: pd.DataFrame, val_df: pd.DataFrame
) -> Ints:
    """Return the number of last rows of each series that come from ``val_df``.

    Args:
        reader: reads both frames.
        frame: both frames together.
        df: rows to train on.
        val_df: rows after them.

    Raises:
        DataError: if rows of ``val_df`` precede or overlap those of ``df``; names the series.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # given when both were read together
        own, later = (reader.read(part, calendar=frame.calendar) for part in (df, val_df))
    last = own.table.groupby("unique_id").ds.agg(["max", "size"])
    first = later.table.groupby("unique_id").ds.min()
    early = (first <= last["max"].reindex(first.index)).to_numpy()
    if early.any():
        one = first.index[early][0]
        raise DataError(
            f"Rows of val_df precede or overlap those of df in series "
            f"{naming(first.index[early])}: in {one!r}, val_df begins at {first[one]} and df ends "
            f"at {last['max'][one]}. {_fix(reader)}"
        )
    own_rows = last["size"].reindex(frame.ids, fill_value=0).to_numpy(np.int64)
    return np.diff(frame.offsets) - own_rows


@overload
def split_rows(frame: Frame, held_out: Ints, multivariate: bool) -> tuple[Frame, Ints]: ...


@overload
def split_rows(frame: Series, held_out: Ints, multivariate: bool) -> tuple[Series, Ints]: ...


def split_rows(frame: Series, held_out: Ints, multivariate: bool) -> tuple[Series, Ints]:
    """Return the series, and the number of first rows of each that are not held out.

    Args:
        frame: the series.
        held_out: number of last rows of each series that are held out.
        multivariate: True if the series are read together: they are then aligned, and as many
            rows of each are held out.

    Raises:
        ConfigError: if series in files are to be aligned.
    """
    if multivariate:
        if isinstance(frame, StoredSeries):
            raise ConfigError(
                "The model reads all series together, which a data set in files does not allow. "
                "Pass a frame, or choose a model that reads one series at a time."
            )
        frame = align_series(frame)
        held_out = np.full(len(held_out), held_out.max())
    return frame, np.maximum(np.diff(frame.offsets) - held_out, 0).astype(np.int64)


def read_with_validation(
    reader: FrameReader,
    df: pd.DataFrame | DataSet,
    val_df: pd.DataFrame | None,
    static_df: pd.DataFrame | None,
    val_size: int | None,
    h: int,
) -> tuple[Series, Ints]:
    """Read the rows of a fit, and count the last rows of each series that are held out.

    Args:
        reader: reads the frames.
        df: rows to train on.
        val_df: rows after them to validate on; None holds out the last rows of ``df``.
        static_df: one row per series with static columns; None takes them from the frames.
        val_size: rows to hold out, see ``held_out_rows``.
        h: forecast steps.

    Raises:
        DataError: if rows break the contract of a frame.
        ConfigError: for an argument that a data set does not take.
    """
    if isinstance(df, DataSet):
        df.refuse(val_df=val_df)
        series = df.read(reader, static_df)
        return series, held_out_rows(series, val_size, h)
    df = reader.join(df, static_df)
    if val_df is None:
        frame = reader.read(df)
        return frame, held_out_rows(frame, val_size, h)
    val_df = reader.join(val_df, static_df)
    return read_both(reader, df, val_df)
