"""Parquet data set to fit on: series that are read block after block, in bounded memory."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from tslm.core.atomic_write import beside
from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError, DataError
from tslm.core.hardware import is_first
from tslm.core.hashing import sha256_text
from tslm.data.frame import Frame
from tslm.data.parquet_table import ParquetTable
from tslm.data.series_blocks import SeriesBlocks
from tslm.data.stored_series import StoredSeries
from tslm.estimators.frame_reader import FrameReader

ROWS = 250_000  # rows of a block
SAMPLE = 1000  # first rows, by which the columns of times and values are found
FOLDER = "rows"  # folder of the series, kept until the end of a fit


@dataclass(frozen=True)
class DataSet:
    """Parquet data set, and the folders of the files that a fit makes of it.

    Attributes:
        source: a file, a folder of files, or a pattern with ``*``.
        rows: folder of the series on their grid. A fit that is interrupted finds them there.
        work: folder of this process alone, for its memory-mapped files.
    """

    source: str | Path
    rows: Path
    work: Path

    @classmethod
    @contextmanager
    def of(cls, df: Any, folder: str | Path | None) -> "Iterator[DataSet | Any]":
        """Yield the data set that a path names; yield anything else as it is.

        Its files are removed at the end, and after an interruption only those of this process.

        Args:
            df: a path, a pattern, or a frame.
            folder: folder of the files; None takes a temporary one.

        Raises:
            ConfigError: if the folder cannot be written.
        """
        if not isinstance(df, str | Path):
            yield df
        elif folder is None:
            with tempfile.TemporaryDirectory(prefix="tslm-") as temporary:
                work = Path(temporary)
                yield cls(df, work / FOLDER, work)
        else:
            home = Path(folder).expanduser()
            with beside(home / "panel") as work:
                work.mkdir()
                yield cls(df, home / FOLDER, work)
            if is_first():
                shutil.rmtree(home / FOLDER, ignore_errors=True)

    def head(self) -> pd.DataFrame:
        """Return the first rows."""
        head: pd.DataFrame = ParquetTable.find(self.source).head(SAMPLE).to_pandas()
        return head

    def refuse(self, **given: Any) -> None:
        """Refuse arguments of ``fit`` that a data set does not take.

        Args:
            given: the arguments by their names; None where there is none.

        Raises:
            ConfigError: with the first one that is given.
        """
        for name, value in given.items():
            if value is not None:
                raise ConfigError(
                    f"{name} cannot be used with a data set in files yet. Leave {name} out, or "
                    "pass a frame."
                )

    def read(self, reader: FrameReader, static_df: pd.DataFrame | None) -> StoredSeries:
        """Read the series, or open those that an interrupted fit has read.

        Args:
            reader: reads frames.
            static_df: one row per series with static columns; None takes them from the data set.

        Raises:
            DataError: if a column is missing, or rows break the contract of a frame.
            ConfigError: for settings that a data set does not take.
        """
        _check(reader)
        columns = reader.columns
        beside_them = dict.fromkeys([*reader.covariates.columns, *reader.words])
        if static_df is not None:
            beside_them = {name: None for name in beside_them if name not in static_df}
        ids = list(columns.parts) or [columns.id]
        names = [*ids, columns.time, columns.target, *beside_them]
        blocks = SeriesBlocks(self.source, ids, list(dict.fromkeys(names)), ROWS)

        def read(table: pd.DataFrame, calendar: Calendar | None) -> Frame:
            try:
                return reader.read(table, static_df, calendar=calendar, silent=True)
            except DataError as error:
                here = "the first series of the data set have"
                raise DataError(str(error).replace("the model was fitted on", here)) from error

        key = _key(blocks, reader, static_df)
        series = StoredSeries.of(blocks, read, self.rows, self.work, key)
        series.warn(reader.missing)
        return series


def _check(reader: FrameReader) -> None:
    """Refuse settings that a data set does not take.

    Raises:
        ConfigError: with the setting.
    """
    refused = {
        "resample": (reader.resample is not None, "Average the rows of each step first"),
        "titles": (bool(reader.titles.pieces), "Leave titles out"),
        "hist_exog": (bool(reader.covariates.past), "Leave hist_exog out"),
    }
    for name, (given, advice) in refused.items():
        if given:
            raise ConfigError(
                f"{name} cannot be used with a data set in files yet. {advice}, or pass a frame."
            )


def _key(blocks: SeriesBlocks, reader: FrameReader, static_df: pd.DataFrame | None) -> str:
    """Return a digest of the files of a data set, and of all that its reading depends on."""
    stats = [(file.path, Path(file.path).stat()) for file in blocks.source.files]
    files = [(file, stat.st_size, stat.st_mtime_ns) for file, stat in stats]
    static = None if static_df is None else static_df.to_csv()
    return sha256_text(repr((files, reader, static)))
