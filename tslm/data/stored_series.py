"""Series of a data set on a regular grid, in files: for more rows than fit in memory."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from filelock import FileLock

from tslm.core.atomic_write import beside, swap
from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import DataError
from tslm.data.columns import order_of_ids
from tslm.data.frame import Frame, warn_about_end
from tslm.data.frame_report import Report
from tslm.data.series_blocks import SeriesBlocks

Read = Callable[[pd.DataFrame, Calendar | None], Frame]

BLOCK, SERIES, FACTS, REGROUPED = "block-{:06d}.arrow", "series.arrow", "facts.json", "regrouped"
VALUE, TIME = "\0y", "\0time"  # columns of a block, which no column of a user is called


@dataclass(frozen=True)
class StoredSeries:
    """Series on a regular grid, sorted by id, whose rows are in files of some whole series each.

    Attributes:
        folder: folder of the files.
        work: folder of this process alone, for further files.
        ids: id of each series.
        offsets: number of the row at which each series starts, and of the end of the last one.
        unknown: number of rows after the last value of each series.
        ends: time of the last row of each series as an integer.
        blocks: numbers of the series in each file.
        calendar: frequency and time zone of the rows.
        report: counts of gaps, missing values and duplicates.
    """

    folder: Path
    work: Path
    ids: pd.Index
    offsets: Ints
    unknown: Ints
    ends: Ints
    blocks: list[Ints]
    calendar: Calendar
    report: Report

    @classmethod
    def of(
        cls, blocks: SeriesBlocks, read: Read, folder: Path, work: Path, key: str
    ) -> "StoredSeries":
        """Read a data set block after block, or open what an earlier call has written.

        Args:
            blocks: blocks of whole series.
            read: reads a table as a frame, with the calendar of the first block.
            folder: folder of the files; it is complete or not there.
            work: folder of this process alone; it must exist.
            key: digest of the data set and of everything that ``read`` depends on.

        Raises:
            DataError: if the rows of a block break the contract of a frame.
            ConfigError: if the folder cannot be written.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):  # of processes that train together, one writes
            if not _is_complete(folder, key):
                with beside(folder) as draft:
                    draft.mkdir()
                    _write(blocks, read, draft, key)
                    swap(draft, folder)
        return cls._open(folder, work)

    @classmethod
    def _open(cls, folder: Path, work: Path) -> "StoredSeries":
        facts = json.loads((folder / FACTS).read_text("utf-8"))
        series = _read_table(folder / SERIES).to_pandas()
        ids = pd.Index(series["id"], dtype=facts["ids"]).rename(None)
        order = order_of_ids(ids)
        place = np.empty(len(order), dtype=np.int64)
        place[order] = np.arange(len(order))
        sizes = np.cumsum(facts["blocks"])[:-1]
        lengths = series["length"].to_numpy()[order]
        return cls(
            folder,
            work,
            ids.take(order),
            np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
            series["unknown"].to_numpy()[order],
            series["end"].to_numpy()[order],
            np.split(place, sizes),
            Calendar.from_state(facts["calendar"]),
            Report.from_state(facts["report"]),
        )

    def warn(self, missing: str) -> None:
        """Warn of missing values, as ``Frame.warn`` does."""
        self.report.warn(missing)
        warn_about_end(self.ids, self.unknown, self.ends, self.calendar)

    def frames(self) -> Iterator[tuple[Ints, Frame]]:
        """Yield the numbers of some series, and their rows, file after file."""
        for number, series in enumerate(self.blocks):
            yield series, self.frame(number)

    def sample(self, rows: int) -> tuple[Ints, Frame]:
        """Return the numbers and the rows of some series, evenly spaced.

        Args:
            rows: number of rows, about; one series at least.
        """
        share = rows / max(int(self.offsets[-1]), 1)
        count = min(max(int(len(self.ids) * share), 1), len(self.ids))
        chosen = np.unique(np.linspace(0, len(self.ids) - 1, count).astype(np.int64))
        tables = dict[int, pd.DataFrame]()
        for number, series in enumerate(self.blocks):
            if not (own := series[np.isin(series, chosen)]).size:
                continue
            table = self.frame(number).table
            places = np.repeat(series, np.diff(self.offsets)[series])
            tables |= {int(one): table[places == one] for one in own}
        frame = pd.concat([tables[one] for one in chosen.tolist()], ignore_index=True)
        return chosen, Frame(frame, self.calendar, self.report)

    def frame(self, number: int) -> Frame:
        """Return the rows of one file."""
        series = self.blocks[number]
        table = _read_table(self.folder / BLOCK.format(number)).to_pandas()
        lengths = np.diff(self.offsets)[series]
        rows = pd.DataFrame(
            {
                "unique_id": self.ids.take(series).repeat(lengths),
                "ds": self.calendar.from_int(table.pop(TIME).to_numpy()),
                "y": table.pop(VALUE),
            }
        )
        return Frame(pd.concat([rows, table], axis=1), self.calendar, self.report)


def _is_complete(folder: Path, key: str) -> bool:
    """Return True if a folder has the series of this key."""
    try:
        facts = json.loads((folder / FACTS).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and facts.get("key") == key


def _write(blocks: SeriesBlocks, read: Read, folder: Path, key: str) -> None:
    """Write the rows of each block, the facts about each series, and last the facts of all."""
    calendar: Calendar | None = None
    parts, reports = list[pd.DataFrame](), list[Report]()
    if not blocks.is_grouped:
        blocks = blocks.regrouped(folder / REGROUPED)
    for block in blocks:
        frame = read(block.table.to_pandas(), calendar)
        calendar = calendar or frame.calendar
        time = frame.calendar.to_int(frame.table["ds"])
        rows = frame.table.drop(columns=["unique_id", "ds", "y"])
        rows[VALUE], rows[TIME] = frame.table["y"], time
        _write_table(rows, folder / BLOCK.format(len(parts)))
        lengths = np.diff(frame.offsets)
        columns = {"length": lengths, "unknown": frame.unknown, "end": frame.ends}
        parts.append(pd.DataFrame({"id": frame.ids, **columns}))
        reports.append(frame.report)
    if calendar is None:
        raise DataError("The data set has no rows.")
    series = pd.concat(parts, ignore_index=True)
    _write_table(series, folder / SERIES)
    facts: Mapping[str, Any] = {
        "key": key,
        "ids": str(series["id"].dtype),
        "blocks": [len(part) for part in parts],
        "calendar": calendar.state(),
        "report": Report.joined(reports).state(),
    }
    shutil.rmtree(folder / REGROUPED, ignore_errors=True)
    (folder / FACTS).write_text(json.dumps(facts), "utf-8")


def _write_table(table: pd.DataFrame, path: Path) -> None:
    whole = pa.Table.from_pandas(table, preserve_index=False)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, whole.schema) as writer:
        writer.write_table(whole)


def _read_table(path: Path) -> pa.Table:
    with pa.OSFile(str(path), "rb") as file, pa.ipc.open_file(file) as reader:
        return reader.read_all()
