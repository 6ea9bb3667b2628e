"""Files in, files out: CSV or Parquet by their ending, written whole or not at all."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.errors import EmptyDataError, ParserError
from pyarrow import ArrowException

from tslm.drafts import beside, place
from tslm.errors import ConfigError, DataError
from tslm.machine import is_first

TABLES = (".csv", ".csv.gz", ".parquet")
FOLDER = ("",)  # a folder may have any name


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a CSV or Parquet file.

    Raises:
        DataError: if there is no such file, or it is neither.
    """
    file = Path(path)
    if not file.is_file():
        raise DataError(f"There is no file {file}. data= takes a CSV or Parquet file.")
    try:
        return pd.read_parquet(file) if _is_parquet(file) else pd.read_csv(file)
    except (EmptyDataError, ParserError, UnicodeDecodeError, ArrowException) as error:
        raise DataError(f"{file} cannot be read as a table: {error}") from error


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a CSV or Parquet file."""
    file = Path(path)
    parquet = _is_parquet(file)
    _write(
        file,
        lambda draft: (
            table.to_parquet(draft, index=False) if parquet else table.to_csv(draft, index=False)
        ),
    )


def write_json(value: Any, path: str | Path) -> None:
    """Write indented JSON."""
    _write(Path(path), lambda draft: draft.write_text(f"{json.dumps(value, indent=1)}\n", "utf-8"))


def write_text(text: str, path: str | Path) -> None:
    """Write text as it is."""
    _write(Path(path), lambda draft: draft.write_text(text, "utf-8"))


def check_writable(path: str | Path, endings: tuple[str, ...] = TABLES) -> None:
    """Find out before the work, not after it, whether ``out`` can be written.

    Raises:
        ConfigError: if its ending is unknown or its folder cannot be made.
    """
    file = place(path)
    if not file.name.endswith(endings):
        raise ConfigError(f"out={path} must end in {', '.join(endings)}.")
    taken = file.is_file() if endings == FOLDER else file.is_dir()
    nearest = next(folder for folder in file.absolute().parents if folder.exists())
    if taken or not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ConfigError(f"out={path} cannot be written. Give another path.")


def _is_parquet(file: Path) -> bool:
    if not file.name.endswith(TABLES):
        raise DataError(f"{file} must be a table: its name ends in {', '.join(TABLES)}.")
    return file.suffix == ".parquet"


def _write(file: Path, write: Callable[[Path], Any]) -> None:
    """Write beside the place, under the same ending, then move there.

    Of processes that train together the first one writes.
    """
    if not is_first():
        return
    file = place(file)
    with beside(file) as draft:
        write(draft)
        draft.replace(file)
