"""Bucket files: rows of a table in many files, of which each has whole series."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from tslm.core.errors import ConfigError
from tslm.data.series_keys import series_keys

HELD = 1_000_000  # rows that are held before they are written


@dataclass(frozen=True)
class BucketFiles:
    """Rows of a table in files, one for each bucket of series.

    A file is opened only while rows are added to it, so there can be any number of them.

    Attributes:
        folder: folder of the files.
        schema: columns and their types.
        number: number of buckets.
    """

    folder: Path
    schema: pa.Schema
    number: int

    def write(self, tables: Iterable[pa.Table], ids: Sequence[str]) -> None:
        """Put every row of some tables into the bucket of its series.

        Args:
            tables: rows.
            ids: the id columns; rows with equal ids come into one bucket, in their order.

        Raises:
            ConfigError: if a file cannot be written.
        """
        held, count = list[pa.Table](), 0
        with _writable(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for table in tables:
                held.append(table)
                count += table.num_rows
                if count >= HELD:
                    self._add(pa.concat_tables(held), ids)
                    held, count = [], 0
            if count:
                self._add(pa.concat_tables(held), ids)

    def read(self, bucket: int) -> pa.Table:
        """Return the rows of a bucket, in the order in which they were written."""
        path, batches = self._path(bucket), list[pa.RecordBatch]()
        if path.is_file():
            with pa.OSFile(str(path)) as file:
                while file.tell() < file.size():
                    with pa.ipc.open_stream(file) as stream:
                        batches.extend(stream)
        return pa.Table.from_batches(batches, self.schema)

    def _add(self, table: pa.Table, ids: Sequence[str]) -> None:
        """Add rows to the files of their buckets."""
        place = (series_keys(table, ids) % np.uint64(self.number)).astype(np.int64)
        order = np.argsort(place, kind="stable")
        table, place = table.take(order), place[order]
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        for first, end in zip(starts, np.append(starts[1:], len(place)), strict=True):
            with (
                self._path(int(place[first])).open("ab") as file,
                pa.ipc.new_stream(file, self.schema, options=options) as stream,
            ):
                stream.write_table(table.slice(first, end - first).combine_chunks())

    def _path(self, bucket: int) -> Path:
        return self.folder / f"{bucket:06d}.arrows"


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Turn an error of the disk into a message."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"{folder} cannot be written: {error}. The data are written there once more, because "
            "the rows of a series do not follow each other, or there are further tables. Make "
            "room, or give another out=."
        ) from error
