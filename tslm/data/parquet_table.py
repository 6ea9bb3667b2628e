"""Parquet files of one long table, read as one schema whatever each file has."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq

from tslm.core.errors import DataError
from tslm.core.messages import naming

Source = str | Path | Sequence[str | Path]
BATCH = 65_536  # rows that are read at once
_NUMBER = re.compile(r"0|-?[1-9]\d{0,17}")  # text such as 007 stays text
_MISSING = "__HIVE_DEFAULT_PARTITION__"  # a missing value in the name of a folder


@dataclass(frozen=True)
class ParquetFile:
    """One Parquet file of a table.

    Attributes:
        path: the file.
        schema: its columns and their types.
        rows: number of rows.
        values: columns with one value for the whole file, from folders named ``column=value``.
    """

    path: str
    schema: pa.Schema
    rows: int
    values: Mapping[str, str]

    @classmethod
    def read(cls, path: Path) -> "ParquetFile":
        """Read the metadata of a file."""
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
        pairs = [part.split("=", 1) for part in path.parts[:-1] if "=" in part]
        values = {name: unquote(value) for name, value in pairs if name not in schema.names}
        return cls(str(path), schema, metadata.num_rows, values)

    @property
    def names(self) -> list[str]:
        """Return the names of its columns."""
        return [*self.schema.names, *self.values]

    def batches(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """Yield the rows in their order, as columns of a schema."""
        own = [name for name in schema.names if name in self.schema.names]
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(BATCH, columns=own):
                columns = [
                    _cast(batch.column(field.name), field)
                    if field.name in own
                    else self._repeated(field, batch.num_rows)
                    for field in schema
                ]
                yield pa.Table.from_arrays(columns, schema=schema)

    def _repeated(self, field: pa.Field, rows: int) -> pa.Array:
        value = self.values[field.name]
        text = pa.scalar(None if value == _MISSING else value, pa.large_string())
        return pa.repeat(text.cast(field.type), rows)


@dataclass(frozen=True)
class ParquetTable:
    """Long table in Parquet files, in the order of their names.

    Attributes:
        title: name of the table in messages.
        files: its files that have rows.
    """

    title: str
    files: tuple[ParquetFile, ...]

    @classmethod
    def find(cls, data: Source) -> "ParquetTable":
        """Find the files of a table.

        Args:
            data: a Parquet file, a folder of them, a pattern with ``*``, or a list of files. In a
                folder, names that begin with ``_`` or ``.`` are passed over.

        Raises:
            DataError: if there is no such file, a file cannot be read, or there are no rows.
        """
        title = str(data) if isinstance(data, str | Path) else naming(map(str, data), 3)
        paths = _paths(data)
        if not paths:
            raise DataError(f"{title} is no Parquet file, and no folder or pattern of such.")
        files = []
        for path in paths:
            with _readable(path):
                files.append(ParquetFile.read(path))
        if not any(file.rows for file in files):
            raise DataError(f"{title} has columns but no rows.")
        return cls(title, tuple(file for file in files if file.rows))

    @property
    def names(self) -> list[str]:
        """Return the names of the columns of the first file."""
        return self.files[0].names

    @property
    def rows(self) -> int:
        """Return the number of rows."""
        return sum(file.rows for file in self.files)

    def schema(self, columns: Sequence[str], ids: Sequence[str] = ()) -> pa.Schema:
        """Return one type for each column, which holds the values of all files.

        Text becomes ``large_string``, categories their values, and dates timestamps, at the finest
        resolution. Integer ids become ``int64``.

        Args:
            columns: names of the columns.
            ids: those of them that are ids.

        Raises:
            DataError: if a file lacks a column, its types in two files cannot be joined, or ids are
                neither text nor numbers.
        """
        for file in self.files:
            if lacking := [name for name in columns if name not in file.names]:
                where = file.path if file.path != self.title else self.title
                raise DataError(
                    f"{where} lacks the columns {naming(lacking)}. It has {naming(file.names, 20)}."
                )
        types = {name: self._type(name) for name in columns}
        for name in ids:
            if not _identifies(types[name]):
                raise DataError(
                    f"The id column {name!r} of {self.title} has the type {types[name]}. Ids are "
                    "text or numbers: convert them."
                )
        return pa.schema(list((types | {name: id_type(types[name]) for name in ids}).items()))

    def head(self, rows: int) -> pa.Table:
        """Return the first rows of the first file, with all its columns."""
        first = ParquetTable(self.title, self.files[:1])
        return next(first.batches(first.schema(first.names))).slice(0, rows)

    def batches(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """Yield the rows of all files as columns of a schema, at most ``BATCH`` rows at once.

        Raises:
            DataError: if a file is damaged, or a value does not fit its type.
        """
        for file in self.files:
            with _readable(file.path):
                yield from file.batches(schema)

    def _type(self, name: str) -> pa.DataType:
        """Return one type for a column."""
        if all(name in file.values for file in self.files):
            found = [file.values[name] for file in self.files]
            numbers = all(_NUMBER.fullmatch(value) for value in found)
            return pa.int64() if numbers else pa.large_string()
        first, joined = self.files[0], None
        for file in self.files:
            text = name in file.values
            own = pa.large_string() if text else plain_type(file.schema.field(name).type)
            joined = own if joined is None else joined
            try:
                pair = [pa.schema([(name, kind)]) for kind in (joined, own)]
                joined = pa.unify_schemas(pair, promote_options="permissive").field(0).type
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise DataError(
                    f"The column {name!r} is {joined} in {first.path} and {own} in {file.path}. "
                    "Write it with one type."
                ) from error
        return joined


def _paths(data: Source) -> list[Path]:
    """Return the files of a source, in the order of their names."""
    if not isinstance(data, str | Path):
        return [Path(file).expanduser() for file in data]
    path = Path(data).expanduser()
    if not path.is_dir():
        return [file for file in sorted(path.parent.glob(path.name)) if file.is_file()]
    found = sorted(path.glob("**/*.parquet"))
    return [
        file
        for file in found
        if file.is_file()
        and not any(p.startswith(("_", ".")) for p in file.relative_to(path).parts)
    ]


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """Name the file in errors of reading it."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        raise DataError(
            f"{path} cannot be read as Parquet: {str(error).rstrip('.')}. A data set "
            "has Parquet files only; a CSV file is read without engine=."
        ) from error


def id_type(kind: pa.DataType) -> pa.DataType:
    """Return the type as which ids of a type are read and written."""
    plain = plain_type(kind)
    return pa.int64() if pa.types.is_integer(plain) and plain != pa.uint64() else plain


def plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type as which values are read: texts, numbers and timestamps of one kind each."""
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_date(kind):
        return pa.timestamp("s")
    return pa.float64() if pa.types.is_decimal(kind) else kind


def _identifies(kind: pa.DataType) -> bool:
    """Return True if values of a type can be ids."""
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return numbers or pa.types.is_large_string(kind)


def _cast(column: pa.Array, field: pa.Field) -> pa.Array:
    """Return a column as another type; whole numbers may be rounded to floats, as pandas does."""
    if column.type == field.type:
        return column
    return column.cast(field.type, safe=not pa.types.is_floating(field.type))
