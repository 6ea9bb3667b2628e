"""Blocks of whole series, streamed from a Parquet data set."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tslm.core.hashing import sha256_bytes
from tslm.data.bucket_files import BucketFiles
from tslm.data.parquet_table import ParquetTable, Source
from tslm.data.series_keys import Keys, run_starts, series_keys

Filter = Callable[[pa.Table], pa.Table]
MAIN = "rows"  # folder of the rows of the series, among those of further tables


@dataclass(frozen=True)
class Block:
    """Rows of whole series, and the rows of the same series in further tables.

    Attributes:
        number: number of the block in the data set.
        table: the rows.
        series: number of series.
        futr: covariates of the steps ahead of these series; None without such a table.
        static: one row for each of these series; None without such a table.
    """

    number: int
    table: pa.Table
    series: int
    futr: pa.Table | None = None
    static: pa.Table | None = None

    @cached_property
    def digest(self) -> str:
        """Return a digest of the rows: equal blocks have equal ones."""
        streams = (_stream(table) for table in self._tables if table is not None)
        return sha256_bytes(map(memoryview, streams))[:16]

    @property
    def _tables(self) -> tuple[pa.Table | None, ...]:
        return self.table, self.futr, self.static

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the rows of this block alone: a slice would be pickled with its whole table."""
        streams = [None if table is None else _stream(table) for table in self._tables]
        return _block, (self.number, self.series, *streams)


def _stream(table: pa.Table) -> pa.Buffer:
    """Return rows in Arrow's format of streams, in one batch."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


def _block(number: int, series: int, *streams: pa.Buffer | None) -> Block:
    """Return a block that was pickled."""
    table, *further = (part and pa.ipc.open_stream(part).read_all() for part in streams)
    return Block(number, table, series, *further)


@dataclass(frozen=True)
class FurtherTable:
    """Table beside the rows of the series, by their ids: covariates ahead, or static columns.

    Attributes:
        table: its files.
        schema: columns to read, with the id columns of the series and their types.
    """

    table: ParquetTable
    schema: pa.Schema


class SeriesBlocks:
    """Blocks of whole series of a Parquet data set, about ``rows`` rows each.

    The rows of a series must follow each other in a data set that is streamed, and there must be no
    further table. Otherwise ``regrouped`` writes all tables once more, into buckets of series.

    Args:
        data: a Parquet file, a folder of them, a pattern with ``*``, or a list of files.
        id_col: column of ids, or several that identify a series together.
        columns: columns to read, the ids among them.
        rows: rows of a block; a longer series is a block of its own.
        further: tables beside the rows, by the names of fields of ``Block``.
        chosen: returns the rows of a table that are wanted; None takes all.

    Raises:
        DataError: if there is no such file, or a column is missing.
    """

    def __init__(
        self,
        data: Source | ParquetTable,
        id_col: str | Sequence[str],
        columns: Sequence[str],
        rows: int,
        *,
        further: dict[str, FurtherTable] | None = None,
        chosen: Filter | None = None,
    ) -> None:
        self.ids = [id_col] if isinstance(id_col, str) else list(id_col)
        self.source = data if isinstance(data, ParquetTable) else ParquetTable.find(data)
        self.schema = self.source.schema(columns, self.ids)
        self.rows, self.further, self.chosen = rows, further or {}, chosen

    @cached_property
    def is_grouped(self) -> bool:
        """Return True if the rows of each series follow each other."""
        seen, count, checked = list[Keys](), 0, 0
        for table in self.id_batches():
            keys = series_keys(table.take(run_starts(table, self.ids)), self.ids)
            keys = keys[np.flatnonzero(np.diff(keys, prepend=~keys[:1]))]
            if seen and seen[-1][-1] == keys[0]:
                keys = keys[1:]
            if len(keys):
                seen.append(keys)
                count += len(keys)
            if count > 2 * checked + 1000:
                seen, checked = [_joined(seen)], count
                if not _all_differ(seen[0]):
                    return False
        return not seen or _all_differ(_joined(seen))

    @property
    def can_be_streamed(self) -> bool:
        """Return True if blocks can be cut from the data set as it is."""
        return not self.further and self.is_grouped

    def id_batches(self) -> Iterator[pa.Table]:
        """Yield the ids of all rows."""
        return self.source.batches(pa.schema([self.schema.field(name) for name in self.ids]))

    def __iter__(self) -> Iterator[Block]:
        number, held, count = 0, list[pa.Table](), 0
        for table in self._batches():
            if table.num_rows:
                held.append(table)
                count += table.num_rows
            while count > self.rows and (cut := self._cut(joined := pa.concat_tables(held))):
                yield self._block(number, joined.slice(0, cut))
                number, held, count = number + 1, [joined.slice(cut)], count - cut
        if count:
            yield self._block(number, pa.concat_tables(held))

    def regrouped(self, folder: Path) -> "SeriesBlocks":
        """Write the tables once more, and return blocks that each have the series of a bucket.

        Args:
            folder: an empty or a new folder, for buckets of about ``rows`` rows.

        Raises:
            ConfigError: if the folder cannot be written.
        """
        number = max(1, -(-self.source.rows // self.rows))
        buckets = {MAIN: BucketFiles(folder / MAIN, self.schema, number)}
        buckets[MAIN].write(self._batches(), self.ids)
        for name, part in self.further.items():
            buckets[name] = BucketFiles(folder / name, part.schema, number)
            buckets[name].write(part.table.batches(part.schema), self.ids)
        return BucketBlocks(self, buckets)

    def _batches(self) -> Iterator[pa.Table]:
        """Yield the wanted rows."""
        batches = self.source.batches(self.schema)
        return batches if self.chosen is None else map(self.chosen, batches)

    def _block(self, number: int, table: pa.Table, **further: pa.Table) -> Block:
        """Return a block of some rows."""
        return Block(number, table, count_series(table, self.ids), **further)

    def _cut(self, table: pa.Table) -> int:
        """Return the rows of the first whole series, at most ``rows`` if possible; 0 if none."""
        starts = run_starts(table, self.ids)
        keys = series_keys(table.take(starts), self.ids)
        starts = starts[1:][np.diff(keys) != 0]
        if not len(starts):
            return 0
        fitting = starts[starts <= self.rows]
        return int(fitting[-1] if len(fitting) else starts[0])


class BucketBlocks(SeriesBlocks):
    """Blocks of buckets of series: one block for each bucket that has rows.

    Args:
        blocks: the data set that was written into the buckets.
        buckets: files of its tables, by the names of fields of ``Block``.
    """

    def __init__(self, blocks: SeriesBlocks, buckets: dict[str, BucketFiles]) -> None:
        self.ids, self.source, self.schema = blocks.ids, blocks.source, blocks.schema
        self.rows, self.further, self.chosen = blocks.rows, blocks.further, blocks.chosen
        self.buckets = buckets

    def __iter__(self) -> Iterator[Block]:
        number = 0
        for bucket in range(self.buckets[MAIN].number):
            tables = {name: files.read(bucket) for name, files in self.buckets.items()}
            if tables[MAIN].num_rows:
                yield self._block(number, tables.pop(MAIN), **tables)
                number += 1


def count_series(table: pa.Table, ids: Sequence[str]) -> int:
    """Return the number of series of a table."""
    first = table.select(ids).take(run_starts(table, ids))
    return int(first.group_by(list(ids)).aggregate([]).num_rows)


def _joined(keys: Sequence[Keys]) -> Keys:
    return np.concatenate(keys)


def _all_differ(keys: Keys) -> bool:
    return len(np.unique(keys)) == len(keys)
