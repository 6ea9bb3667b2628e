"""Keys of series: a number for each id, by which rows of a series are put together.

Equal ids have equal keys. Two ids may have the same key too. Keys therefore only put rows together,
and never tell series apart: rows with equal keys are kept in one block, in which the ids themselves
are compared. So a common key costs nothing but a larger block.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

Keys = npt.NDArray[np.uint64]
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing


def run_starts(table: pa.Table, ids: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the first row of each run of equal ids.

    Args:
        table: rows.
        ids: the id columns.
    """
    changed = np.zeros(max(0, table.num_rows - 1), dtype=bool)
    for name in ids:
        column = _joined(table.column(name))
        differs = pc.not_equal(column.slice(1), column.slice(0, max(0, len(column) - 1)))
        changed |= pc.fill_null(differs, True).to_numpy(zero_copy_only=False)
    first = np.zeros(min(1, table.num_rows), dtype=np.int64)
    return np.concatenate([first, np.flatnonzero(changed) + 1])


def series_keys(table: pa.Table, ids: Sequence[str]) -> Keys:
    """Return a number for each row: equal ids have equal ones.

    Args:
        table: rows, whose ids have the types of ``ParquetTable.schema``.
        ids: the id columns.
    """
    keys = np.zeros(table.num_rows, dtype=np.uint64)
    for name in ids:
        keys = keys * _FACTOR + _hashed(_joined(table.column(name)))
    return keys


def _hashed(column: pa.Array) -> Keys:
    """Return a hash of each value; missing ones have that of an empty one."""
    if not pa.types.is_large_string(column.type):
        plain = pc.fill_null(column, pa.scalar(0, pa.int64()).cast(column.type))
        return np.asarray(pd.util.hash_array(plain.to_numpy(zero_copy_only=False)), np.uint64)
    texts = pc.fill_null(column, "").to_numpy(zero_copy_only=False)
    return np.asarray(pd.util.hash_array(texts, categorize=False), dtype=np.uint64)


def _joined(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    joined = column.combine_chunks()
    return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined
