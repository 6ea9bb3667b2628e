"""Blocks of whole series, streamed from a Parquet data set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from tslm.core.errors import DataError
from tslm.core.hashing import sha256_bytes
from tslm.core.messages import naming

Source = str | Path | Sequence[str | Path]
BUCKET = "bucket-{:05d}.parquet"


@dataclass(frozen=True)
class Block:
    """Rows of whole series.

    Attributes:
        number: number of the block in the data set.
        table: the rows.
    """

    number: int
    table: pa.Table

    @property
    def digest(self) -> str:
        """Return a digest of the rows: equal blocks have equal ones."""
        return sha256_bytes([memoryview(self._stream())])[:16]

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the rows of this block alone: a slice would be pickled with its whole table."""
        return _block, (self.number, self._stream())

    def _stream(self) -> pa.Buffer:
        """Return the rows in Arrow's format of streams, in one batch."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.table.schema) as writer:
            writer.write_table(self.table.combine_chunks())
        return sink.getvalue()


def _block(number: int, stream: pa.Buffer) -> Block:
    """Return a block that was pickled."""
    return Block(number, pa.ipc.open_stream(stream).read_all())


class SeriesBlocks:
    """Blocks of whole series of a Parquet data set, about ``rows`` rows each.

    The rows of a series must follow each other in a data set that is streamed. Otherwise
    ``regrouped`` writes it once more, one bucket of series a file.

    Args:
        data: a Parquet file, a folder of them, a pattern with ``*``, or a list of files.
        id_col: column of ids.
        columns: columns to read, the ids among them.
        rows: rows of a block; a longer series is a block of its own.

    Raises:
        DataError: if there is no such file, or a column is missing.
    """

    def __init__(
        self,
        data: str | Path | Sequence[str | Path],
        id_col: str,
        columns: Sequence[str],
        rows: int,
    ) -> None:
        self.data, self.id_col, self.columns, self.rows = data, id_col, list(columns), rows
        self.source = _source(data)
        known = self.source.schema.names
        if lacking := [name for name in columns if name not in known]:
            raise DataError(
                f"{_name(data)} lacks the columns {naming(lacking)}. It has {naming(known, 20)}."
            )

    @property
    def is_grouped(self) -> bool:
        """Return True if the rows of each series follow each other."""
        seen: set[int] = set()
        last: int | None = None
        for batch in self.source.to_batches(columns=[self.id_col]):
            keys = _keys(batch.column(0))
            if not len(keys):
                continue
            starts = keys[np.flatnonzero(np.diff(keys, prepend=keys[0] ^ np.uint64(1)))]
            begun = starts[1:] if last == int(starts[0]) else starts
            new = set(begun.tolist())
            if len(new) < len(begun) or new & seen:
                return False
            seen |= new
            last = int(keys[-1])
        return True

    def __iter__(self) -> Iterator[Block]:
        number, held, count = 0, list[pa.Table](), 0
        for batch in self.source.to_batches(columns=self.columns):
            if batch.num_rows:
                held.append(pa.Table.from_batches([batch]))
                count += batch.num_rows
            while count > self.rows and (cut := self._cut(joined := _concatenated(held))):
                yield Block(number, joined.slice(0, cut))
                number, held, count = number + 1, [joined.slice(cut)], count - cut
        if count:
            yield Block(number, _concatenated(held))

    def _cut(self, table: pa.Table) -> int:
        """Return the rows of the first whole series, at most ``rows`` if possible; 0 if none."""
        keys = _keys(table.column(self.id_col).combine_chunks())
        starts = np.flatnonzero(np.diff(keys)) + 1
        if not len(starts):
            return 0
        fitting = starts[starts <= self.rows]
        return int(fitting[-1] if len(fitting) else starts[0])

    def regrouped(self, folder: Path) -> "SeriesBlocks":
        """Write all rows of a series into one file, and return the blocks of these files.

        Args:
            folder: a folder for files of about ``rows`` rows; it is made.
        """
        total = self.source.count_rows()
        buckets = max(1, -(-total // self.rows))
        folder.mkdir(parents=True, exist_ok=True)
        writers: dict[int, pq.ParquetWriter] = {}
        try:
            for batch in self.source.to_batches(columns=self.columns):
                place = _keys(batch.column(self.id_col)) % np.uint64(buckets)
                for bucket in np.unique(place).tolist():
                    if bucket not in writers:
                        path = folder / BUCKET.format(bucket)
                        writers[bucket] = pq.ParquetWriter(path, batch.schema)
                    writers[bucket].write_batch(batch.filter(pa.array(place == bucket)))
        finally:
            for writer in writers.values():
                writer.close()
        return BucketBlocks(
            sorted(folder.glob("bucket-*.parquet")), self.id_col, self.columns, self.rows
        )


class BucketBlocks(SeriesBlocks):
    """Blocks of files of which each has whole series in any order: one block a file."""

    def __iter__(self) -> Iterator[Block]:
        assert isinstance(self.data, Sequence), "buckets are a list of files"
        for number, path in enumerate(self.data):
            table = pq.read_table(path, columns=self.columns)
            order = pc.sort_indices(table, [(self.id_col, "ascending")])
            yield Block(number, table.take(order))


def _source(data: Source) -> ds.Dataset:
    """Open the data set, with the files in the order of their names."""
    if isinstance(data, str | Path):
        path = Path(data).expanduser()
        pattern = "**/*.parquet" if path.is_dir() else path.name
        folder = path if path.is_dir() else path.parent
        files = [str(file) for file in sorted(folder.glob(pattern)) if file.is_file()]
    else:
        files = [str(Path(file).expanduser()) for file in data]
    if not files:
        raise DataError(f"{_name(data)} is no Parquet file, and no folder or pattern of such.")
    try:
        return ds.dataset(files, format="parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{_name(data)} cannot be read as Parquet: {error}") from error


def _name(data: Source) -> str:
    return str(data) if isinstance(data, str | Path) else naming(map(str, data), 3)


def _concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="permissive")


def _keys(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """Return a number for each id; equal ids have equal ones."""
    values = pd.Series(ids.to_pandas())
    keys = pd.util.hash_pandas_object(values.astype(object), index=False)
    return np.asarray(keys, dtype=np.uint64)
