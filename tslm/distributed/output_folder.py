"""Output folder of a run: one file a block, written once, and a manifest at the end."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from platform import node
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from tslm.core.atomic_write import beside
from tslm.core.errors import ConfigError
from tslm.core.files import write_json, write_table
from tslm.core.hashing import sha256_text
from tslm.data.events.table import EventTable
from tslm.data.series_blocks import Block
from tslm.distributed.table_worker import Forecasted
from tslm.evaluation.metrics.error_sums import mean_errors

RUN, MANIFEST, ERRORS = "run.json", "manifest.json", "errors.parquet"
METRICS = "metrics.csv"
PARTS, MEASURED, WORK, LOCK = (
    "errors",
    "measured",
    "work",
    "lock",
)  # inside the hidden folder of a run
HIDDEN = ".run"


@dataclass(frozen=True)
class OutputFolder:
    """Folder of the forecasts of one run. A run that is started again continues it.

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    def begin(cls, path: str | Path, run: Mapping[str, Any]) -> "OutputFolder":
        """Open a folder for a run: a new one, or one that this run has begun.

        Args:
            path: the folder.
            run: facts on which the forecasts depend, plain values and tables.

        Raises:
            ConfigError: if it has files of something else, or cannot be written.
        """
        folder = cls(Path(path).expanduser().absolute())
        run = {name: _fact(value) for name, value in run.items()}
        with folder.writable():
            folder._check_own()
            with folder.lock():
                folder._claim(run)
        return folder

    def _check_own(self) -> None:
        """Refuse a folder with files of something else.

        Raises:
            ConfigError: if it is not a new folder, and no run has begun in it.
        """
        if not self.path.exists() or (self.path / RUN).is_file():
            return
        for entry in self.path.iterdir():
            if entry.name != HIDDEN and not entry.name.startswith(f".{RUN}-"):
                raise ConfigError(f"{self.path} has other files. Give an empty or a new folder.")

    def _claim(self, run: Mapping[str, Any]) -> None:
        """Note the facts of a new run, or compare them with those of the run in the folder.

        Raises:
            ConfigError: if they differ.
        """
        note = self.path / RUN
        if not note.is_file():
            write_json(dict(run), note)
            return
        before = json.loads(note.read_text(encoding="utf-8"))
        if other := sorted(key for key in {*before, *run} if before.get(key) != run.get(key)):
            raise ConfigError(
                f"{self.path} has the forecasts of another run: {', '.join(other)} differ. Give "
                "another out=, or the settings of that run to continue it."
            )

    @contextmanager
    def writable(self) -> Iterator[None]:
        """Raise an error of a file inside a ``with`` block as one of this folder.

        Raises:
            ConfigError: with the reason, such as a full disk.
        """
        try:
            yield
        except OSError as error:
            if error.errno is None:  # of damaged data that are read, not of a file system
                raise
            raise ConfigError(
                f"{self.path} cannot be written: {error.strerror or error}. Make room, or give "
                "another out=. The same command continues the run."
            ) from error

    @property
    def work(self) -> Path:
        """Return the folder of regrouped series."""
        return self.path / HIDDEN / WORK

    def lock(self) -> FileLock:
        """Return the lock that one run holds.

        Raises:
            ConfigError: if another process has it, or the folder cannot be written.
        """
        lock = FileLock(self.path / HIDDEN / LOCK, timeout=0)
        with self.writable():
            (self.path / HIDDEN).mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except Timeout as error:
                raise ConfigError(
                    f"Another process is writing to {self.path}. Wait for it."
                ) from error
        return lock

    def file(self, block: Block) -> Path:
        """Return the file of the forecasts of a block, named by its place and content."""
        return self.path / f"part-{block.number:06d}-{block.digest}.parquet"

    def is_done(self, block: Block) -> bool:
        """Return True if a block is forecast: its file is the last that is written."""
        return self.file(block).is_file()

    def write(self, block: Block, found: Forecasted) -> None:
        """Write the refused series and the measured errors of a block, and then its forecasts.

        Raises:
            ConfigError: if the disk is full, or this machine does not see the folder of the run.
        """
        if not (self.path / RUN).is_file():
            raise ConfigError(
                f"{self.path} of this run is not on {node()}. Give out= in a folder that all "
                "machines share."
            )
        target = self.file(block)
        if found.measured is not None:
            _write(found.measured, self.path / HIDDEN / MEASURED / target.name)
        if found.errors.num_rows:
            _write(found.errors, self.path / HIDDEN / PARTS / target.name)
        _write(found.forecasts, target)

    def refused(self) -> int:
        """Return the number of refused series in the blocks that are written."""
        return sum(pq.read_metadata(part).num_rows for part in self._error_files())

    def close(self, blocks: int, series: int) -> dict[str, Any]:
        """Write ``errors.parquet``, the metrics of a backtest and the manifest; return the last."""
        parts = self._error_files()
        if parts:
            errors = pa.concat_tables([pq.read_table(part) for part in parts])
            _write(errors, self.path / ERRORS)
        files = sorted(file.name for file in self.path.glob("part-*.parquet"))
        manifest: dict[str, Any] = {
            "blocks": blocks,
            "series": series,
            "errors": self.refused(),
            "files": files,
        }
        measured = sorted((self.path / HIDDEN / MEASURED).glob("*.parquet"))
        if measured:
            means = mean_errors(pq.read_table(part).to_pandas() for part in measured)
            write_table(means, self.path / METRICS)
            values = {name: means[name].tolist() for name in means if name != "metric"}
            manifest["metrics"] = {
                name: dict(zip(means["metric"], column, strict=True))
                for name, column in values.items()
            }
        write_json(manifest, self.path / MANIFEST)
        return manifest

    def _error_files(self) -> list[Path]:
        """Return the files of errors, one for each block that has any."""
        return sorted((self.path / HIDDEN / PARTS).glob("*.parquet"))


def _fact(value: Any) -> Any:
    """Return a value ready for JSON: the digest of a table, any other value as it is."""
    if isinstance(value, EventTable):
        value = pd.DataFrame(vars(value))
    return sha256_text(value.to_csv()) if isinstance(value, pd.DataFrame) else value


def _write(table: pa.Table, path: Path) -> None:
    """Write a table in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with beside(path) as draft:
        pq.write_table(table, draft)
        draft.replace(path)
