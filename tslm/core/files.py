"""Tables, pictures and texts in files: formats by their ending, written atomically.

The path "-" is the standard input or output.
"""

import bz2
import gzip
import io
import json
import lzma
import sys
import zipfile
import zlib
from collections.abc import Callable, Collection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from omegaconf import DictConfig

from tslm.core.atomic_write import beside, check_room, place
from tslm.core.csv_tables import Dialect as Dialect
from tslm.core.csv_tables import read_csv
from tslm.core.errors import ConfigError, DataError
from tslm.core.hardware import is_first

PACKED = ("", ".gz", ".bz2", ".xz", ".zip")
TABLES = (*(f"{text}{packed}" for packed in PACKED for text in (".csv", ".tsv")), ".parquet")
READABLE = (
    *TABLES,
    *(f".txt{packed}" for packed in PACKED),
    *(".csv.zst", ".tsv.zst", ".txt.zst", ".xlsx"),
)
FOLDER = ("",)  # a folder may have any name
PIPE = "-"
_MAGIC: dict[bytes, Callable[[Any], Any]] = {  # what the first bytes say a file is
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ": lzma.LZMAFile,
    b"\x28\xb5\x2f\xfd": lambda file: pa.CompressedInputStream(file, "zstd"),
    b"PK\x03\x04": lambda file: _only_member(file),
}
_PARQUET = b"PAR1"
_BROKEN = (
    *(OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException),
    *(ValueError, KeyError, TypeError, AttributeError, IndexError),  # metadata that are none
)


def read_table(
    path: str | Path, dialect: Dialect | None = None, ids: Collection[str] = ()
) -> pd.DataFrame:
    """Read a CSV, Parquet or Excel file, or the standard input ("-").

    Args:
        path: path of the file.
        dialect: dialect of a CSV file; inferred if None.
        ids: columns of a CSV file that stay text, such as 001 and NA.

    Raises:
        DataError: if there is no such file, or it is no table.
    """
    file, title = place(path), "The standard input" if str(path) == PIPE else str(path)
    begin = _opener(file, title)
    try:
        with begin() as stream:
            parquet = stream.read(4) == _PARQUET
        if parquet or file.name.lower().endswith(".parquet"):
            with begin() as stream:
                return pd.read_parquet(stream)
        if file.name.lower().endswith(".xlsx"):
            return _excel(file, ids)
        return read_csv(begin, title, dialect or Dialect(), ids)
    except DataError:
        raise
    except _BROKEN as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(f"{title} cannot be read as a table: {reason}") from error


def read(cfg: DictConfig, path: Any, id_col: Any = None) -> Any:
    """Read the file of a command with the CSV settings of its configuration; ids stay text.

    Args:
        cfg: configuration with sep, decimal, encoding and id_col.
        path: path of the file; None returns None.
        id_col: name or names of the id columns; those of ``cfg`` if None.
    """
    if path is None:
        return None
    dialect = Dialect.of(cfg.sep, cfg.decimal, cfg.encoding)
    names = cfg.id_col if id_col is None else id_col
    ids = [names] if isinstance(names, str) else list(names or ["unique_id"])
    return read_table(path, dialect, ids)


def write_picture(figure: Any, path: str | Path) -> None:
    """Write a figure of matplotlib as a picture, or one of plotly as an HTML page."""

    def write(draft: Path) -> None:
        if draft.suffix == ".html":
            figure.write_html(draft)
        else:
            figure.savefig(draft, dpi=110)

    _write(Path(path), write)


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a CSV or Parquet file; "-" is CSV on the standard output."""
    file = place(path)
    if str(path) == PIPE:
        table.to_csv(sys.stdout, index=False)
        return
    name = file.name.lower()
    _check_ending(file, str(path), TABLES)
    sep = "\t" if ".tsv" in Path(name).suffixes else ","
    _write(
        file,
        lambda draft: (
            table.to_parquet(draft, index=False)
            if name.endswith(".parquet")
            else table.to_csv(draft, index=False, sep=sep, compression=_packing(name))
        ),
    )


def write_json(value: Any, path: str | Path) -> None:
    """Write indented JSON."""
    _write(Path(path), lambda draft: draft.write_text(f"{json.dumps(value, indent=1)}\n", "utf-8"))


def write_text(text: str, path: str | Path) -> None:
    """Write text as it is."""
    _write(Path(path), lambda draft: draft.write_text(text, "utf-8"))


def is_table(path: str | Path) -> bool:
    """Return whether a text names a table file."""
    return str(path) == PIPE or str(path).lower().endswith(READABLE)


def is_data_set(path: str | Path) -> bool:
    """Return whether a text names a folder, or a pattern of files."""
    return place(path).is_dir() or "*" in str(path)


def check_writable(path: str | Path, endings: tuple[str, ...] = TABLES) -> None:
    """Check before a long computation that its result can be written.

    Args:
        path: path of the file or folder to write.
        endings: endings its name may have.

    Raises:
        ConfigError: if its ending is unknown or its folder cannot be made.
    """
    if str(path) == PIPE and endings == TABLES:
        return
    file = place(path)
    if not file.name.lower().endswith(endings):
        raise ConfigError(f"out={path} must end in {_shown(endings)}.")
    taken = file.is_file() if endings == FOLDER else file.is_dir()
    nearest = next(folder for folder in file.absolute().parents if folder.exists())
    try:
        if taken or not nearest.is_dir():
            raise NotADirectoryError
        check_room(nearest)  # rights do not tell all
    except OSError as error:
        why = f": {error.strerror}" if error.strerror else ""
        raise ConfigError(f"out={path} cannot be written{why}. Give another path.") from error


def _check_ending(file: Path, title: str, endings: tuple[str, ...]) -> None:
    if not file.name.lower().endswith(endings):
        raise DataError(f"{title} must be a table: its name ends in {_shown(endings)}.")


def _shown(endings: tuple[str, ...]) -> str:
    """List endings for a message, without those of packed files."""
    return ", ".join(ending for ending in endings if ending.count(".") < 2)


def _opener(file: Path, title: str) -> Callable[[], Any]:
    """Open a file at its first byte, unpacked.

    Raises:
        DataError: if there is no such file.
    """
    if str(file) == PIPE:
        return _unpacking_opener(sys.stdin.buffer.read())
    try:
        if file.is_file():
            _check_ending(file, title, READABLE)
            return _unpacking_opener(file)
        if file.exists() and not file.is_dir():  # a pipe can be read once
            return _unpacking_opener(file.read_bytes())
    except OSError as error:
        raise DataError(f"{title} cannot be read: {error.strerror or error}.") from error
    raise DataError(f"There is no file {title}. data= takes a CSV or Parquet file.")


def _unpacking_opener(source: Path | bytes) -> Callable[[], Any]:
    def begin() -> Any:
        file: Any = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        start = file.read(8)
        file.seek(0)
        unpack = next((way for magic, way in _MAGIC.items() if start.startswith(magic)), None)
        xlsx = isinstance(source, Path) and source.name.lower().endswith(".xlsx")
        return file if unpack is None or xlsx else unpack(file)

    return begin


def _only_member(file: Any) -> Any:
    archive = zipfile.ZipFile(file)
    names = [name for name in archive.namelist() if not name.startswith("__MACOSX/")]
    if len(names) != 1:
        raise DataError(f"The archive holds {len(names)} files. Give an archive of one table.")
    return archive.open(names[0])


def _excel(file: Path, ids: Collection[str]) -> pd.DataFrame:
    if find_spec("openpyxl") is None:
        raise DataError(
            f"{file} is an Excel file, which needs openpyxl: pip install openpyxl. Or save it as "
            "CSV."
        )
    return pd.read_excel(file, dtype={name: str for name in ids})


def _packing(name: str) -> Any:
    """Return the compression that pandas uses for a file of this name."""
    endings = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zip": "zip"}
    return endings.get(Path(name).suffix)


def _write(file: Path, write: Callable[[Path], Any]) -> None:
    """Write to a temporary file with the same ending, then move it to its place.

    If several processes train together, only the first one writes.
    """
    if not is_first():
        return
    file = place(file)
    with beside(file) as draft:
        write(draft)
        draft.replace(file)
