"""Data set for a saved model: the columns that it reads, from each of its tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from tslm.core.errors import ConfigError, DataError
from tslm.core.files import is_table, read_table
from tslm.core.messages import naming
from tslm.data.columns import Columns
from tslm.data.events.table import EventTable
from tslm.data.id_columns import join_ids
from tslm.data.parquet_table import ParquetTable, Source
from tslm.data.series_blocks import FurtherTable, SeriesBlocks
from tslm.data.series_keys import run_starts
from tslm.estimators.panel_reader import PanelReader


@dataclass(frozen=True)
class DataTables:
    """Tables of a data set that a saved model reads.

    Attributes:
        panels: reader of the model.
        data: one row per series and time.
        futr: covariates of the steps ahead; None without such a table.
        static: one row per series; None takes static columns from ``data``.
    """

    panels: PanelReader
    data: ParquetTable
    futr: ParquetTable | None = None
    static: ParquetTable | None = None

    @classmethod
    def find(
        cls, panels: PanelReader, data: Source, futr: Source | None, static: Source | None
    ) -> "DataTables":
        """Find the files of the tables.

        Raises:
            ConfigError: if the model needs another table, or cannot read series in blocks.
            DataError: if a file cannot be read.
        """
        if panels.forecaster.multivariate:
            raise ConfigError(
                f"{panels.name} reads all series together, so they cannot be read in blocks. Use "
                "predict of the model, or engine=null."
            )
        beside = (None if one is None else ParquetTable.find(one) for one in (futr, static))
        return cls(panels, ParquetTable.find(data), *beside)

    def check_future(self) -> None:
        """Refuse to forecast without the covariates of the steps ahead, or with idle ones.

        Raises:
            ConfigError: if ``futr`` is missing or superfluous.
        """
        names = self.panels.reader.covariates.future
        if names and self.futr is None:
            raise ConfigError(
                f"The model reads {naming(names)} of the steps to forecast. Give futr=, Parquet "
                "files with the ids, the times and these columns."
            )
        if self.futr is not None and not names:
            raise ConfigError("futr= is given, but the model reads no covariate known in advance.")

    def blocks(self, rows: int, ids: Sequence[Any] | None = None) -> SeriesBlocks:
        """Return the blocks of the data set.

        Args:
            rows: rows of a block.
            ids: ids of the wanted series; None takes all.

        Raises:
            DataError: if a table lacks a column, or there is no series of an id.
        """
        reader, own = self.panels.reader, self.columns
        beside = [] if self.static is None else self.static.names
        for template in (reader.prompt, reader.titles):
            template.check([*self.data.names, *beside], own)
        static = [name for name in reader.words if name in beside]
        if self.static is not None:
            static = [*reader.covariates.static, *static]
        read = [n for n in (*reader.covariates.columns, *reader.words) if n not in static]
        columns = list(dict.fromkeys([*self.ids, own.time, own.target, *read]))
        schema = self.data.schema(columns, self.ids)
        further = {
            "futr": (self.futr, [own.time, *reader.covariates.future]),
            "static": (self.static, list(dict.fromkeys(static))),
        }
        tables = {
            name: FurtherTable(table, self._beside(table, names, schema))
            for name, (table, names) in further.items()
            if table is not None
        }
        chosen = None if ids is None else ChosenSeries(own, _of_type(ids, schema, own))
        blocks = SeriesBlocks(self.data, self.ids, columns, rows, further=tables, chosen=chosen)
        if chosen is not None:
            self.check_ids(chosen.wanted, "ids= names", blocks)
        return blocks

    @property
    def columns(self) -> Columns:
        """Return the id, time and target column."""
        return self.panels.reader.columns

    @property
    def ids(self) -> list[str]:
        """Return the id columns."""
        return list(self.columns.parts or (self.columns.id,))

    def _beside(self, table: ParquetTable, names: list[str], main: pa.Schema) -> pa.Schema:
        """Return the columns of a further table, with the ids of the series.

        Raises:
            DataError: if its ids are text and those of the series numbers, or the reverse.
        """
        schema = table.schema([*self.ids, *names], self.ids)
        for place, name in enumerate(self.ids):
            own, given = main.field(name).type, schema.field(name).type
            if pa.types.is_large_string(own) != pa.types.is_large_string(given):
                raise DataError(
                    f"The ids {name!r} are {own} in {self.data.title} and {given} in "
                    f"{table.title}. Write them with one type."
                )
            schema = schema.set(place, main.field(name))
        return schema

    def events(self, events: str | Path | pd.DataFrame | None) -> EventTable | None:
        """Return a table of statements, checked; its series must be known.

        Args:
            events: a frame, see ``predict`` of the model, or a file of it.

        Raises:
            DataError: if a row is wrong, or names a series that is not there.
        """
        if events is None:
            return None
        if not isinstance(events, pd.DataFrame):
            events = read_table(events, ids=[*self.ids, self.columns.id])
        table = self.panels.with_known_ids(events)
        reader, known = self.panels.reader, self.panels.contexts.ids
        named = _named_ids(table, self.columns)
        found = reader.events(table, self.panels.calendar, known.union(named, sort=False))
        new = {name for name in found.ids if name is not None} - set(known.tolist())
        self.check_ids(new, "events names", self.blocks(1))
        return found

    def examples(self, examples: str | Path | pd.DataFrame | None) -> str | pd.DataFrame | None:
        """Return examples, see ``predict`` of the model; a file is read."""
        if examples is None:
            return None
        if not isinstance(examples, pd.DataFrame):
            if not is_table(examples):
                return str(examples)
            examples = read_table(examples, ids=[*self.ids, self.columns.id])
        table: pd.DataFrame = self.panels.with_known_ids(examples)
        return table

    def check_ids(self, wanted: Any, who: str, blocks: SeriesBlocks) -> None:
        """Refuse ids of which there is no series; reads the ids of the data until all are found.

        Raises:
            DataError: with the ids.
        """
        missing = set(wanted)
        for table in blocks.id_batches() if missing else ():
            missing -= set(series_names(table, self.columns))
            if not missing:
                return
        if missing:
            raise DataError(f"{who} series {naming(sorted(missing, key=str))}, which do not exist.")


@dataclass(frozen=True)
class ChosenSeries:
    """Choice of some series of a table by their ids.

    Attributes:
        columns: id columns.
        wanted: the ids.
    """

    columns: Columns
    wanted: frozenset[Any]

    def __call__(self, table: pa.Table) -> pa.Table:
        """Return the rows of the chosen series."""
        starts = run_starts(table, list(self.columns.parts or (self.columns.id,)))
        own = np.array([name in self.wanted for name in series_names(table, self.columns)], bool)
        return table.filter(pa.array(own.repeat(np.diff(starts, append=table.num_rows))))


def series_names(table: pa.Table, columns: Columns) -> list[Any]:
    """Return the id of each run of rows; several id columns are joined, as in ``predict``.

    Args:
        table: rows.
        columns: id columns.
    """
    ids = list(columns.parts or (columns.id,))
    first = table.select(ids).take(run_starts(table, ids))
    if not columns.parts:
        return list(first.column(0).to_pylist())
    frame = first.to_pandas()
    whole = frame.notna().all(axis=1).to_numpy()
    names = np.full(len(frame), None, dtype=object)
    names[whole] = join_ids(frame[whole], columns.parts)
    return list(names)


def _named_ids(table: Any, columns: Columns) -> pd.Index:
    """Return the ids that a table of statements names."""
    if not isinstance(table, pd.DataFrame):
        return pd.Index([])
    if columns.parts and all(name in table for name in columns.parts):
        return pd.Index(join_ids(table, columns.parts))
    names = table[columns.id].dropna() if columns.id in table else pd.Series([], dtype=object)
    return pd.Index(names[names.astype(object) != ""].unique())


def _of_type(ids: Sequence[Any], schema: pa.Schema, columns: Columns) -> frozenset[Any]:
    """Return ids in the type of the id column, such as numbers for text.

    Raises:
        ConfigError: if there are none, or they cannot be converted.
    """
    listed = [] if isinstance(ids, str) else list(ids)
    if not listed:
        raise ConfigError(f"ids={ids!r} must be a list of ids, such as ids=['a', 'b'].")
    kind = pa.large_string() if columns.parts else schema.field(columns.id).type
    try:
        return frozenset(pa.array(listed).cast(kind).to_pylist())
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise ConfigError(f"ids={listed} are no ids of the data, which are {kind}.") from error
