"""Public benchmark sets: found, verified, and split as in the published results.

Each set is described (file, checksum, borders, quirks) by a file of ``conf/benchmark``. Sets are
not scaled, cut or repaired here: ``Benchmark`` holds the content of the file and the borders.
"""

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64
from omegaconf import OmegaConf

from tslm.core.errors import ConfigError, DataError
from tslm.core.hashing import sha256_bytes
from tslm.core.messages import check_choice, did_you_mean
from tslm.core.paths import data_folders, find, group_files

LONG_HORIZON, M_COMPETITION, CONTEXT_IS_KEY, STATEMENTS, COLD_START = KINDS = (  # protocols
    "long_horizon",
    "m_competition",
    "context_is_key",
    "statements",
    "cold_start",
)


class Borders(NamedTuple):
    """Ends of the parts, in rows of the file; rows after ``test_end`` are not used."""

    train_end: int
    val_end: int
    test_end: int


@dataclass(frozen=True)
class Benchmark:
    """Benchmark set: a multivariate series with regular steps, in its original units.

    Attributes:
        name: name in the literature.
        columns: names of the series, in the order of the file.
        values: one column per series.
        time: Unix seconds, as if the local times of the file were UTC.
        borders: ends of the training, validation and test part.
        season_length: steps of the main season.
        freq: pandas offset alias.
        horizons: horizons of the published results.
        description: description of the data in words.
        covariates: columns that are known ahead, the same for all series; None if there are none.
    """

    name: str
    columns: tuple[str, ...]
    values: Float64[np.ndarray, "rows C"]
    time: Int64[np.ndarray, " rows"]
    borders: Borders
    season_length: int
    freq: str
    horizons: tuple[int, ...]
    description: str = ""
    covariates: pd.DataFrame | None = None

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Return the whole file as a long frame: unique_id, ds, y, and columns known ahead."""
        rows, series = self.values.shape
        ds = self.time.astype("datetime64[s]")
        known = {} if self.covariates is None else dict(self.covariates.items())
        return pd.DataFrame(
            {
                "unique_id": pd.Index(self.columns).repeat(rows),
                "ds": np.tile(ds, series),
                "y": self.values.ravel(order="F"),
                **{str(name): np.tile(column, series) for name, column in known.items()},
            }
        )

    def standardise(self) -> Float64[np.ndarray, "rows C"]:
        """Return values with mean 0 and standard deviation 1 (ddof 0) over the training rows.

        Columns that are constant in training are only centred.
        """
        train = self.values[: self.borders.train_end]
        return (self.values - train.mean(axis=0)) / self.spread_of(self.columns)

    def spread_of(self, ids: Iterable[Any]) -> Float64[np.ndarray, " C"]:
        """Return the unit of errors: the standard deviation (ddof 0) of training rows.

        Args:
            ids: names of the columns asked for; one that is constant in training has 1.
        """
        deviation = self.values[: self.borders.train_end].std(axis=0)
        deviation = np.where(deviation > 0, deviation, 1.0)
        known = dict(zip(self.columns, deviation.tolist(), strict=True))
        return np.array([known[str(name)] for name in ids])

    def target_rows(self, split: str) -> tuple[int, int]:
        """Return the rows [start, stop) of the targets of a split; contexts may begin earlier.

        Args:
            split: "train", "val" or "test".

        Raises:
            ConfigError: if there is no such split.
        """
        train_end, val_end, test_end = self.borders
        parts = {"train": (0, train_end), "val": (train_end, val_end), "test": (val_end, test_end)}
        if split not in parts:
            raise ConfigError(f"There is no split {split!r}. Known: {', '.join(parts)}.")
        return parts[split]


@dataclass(frozen=True)
class BenchmarkFile:
    """Description of a benchmark set: one file of ``conf/benchmark``.

    Attributes:
        name: name in the literature.
        file: name of the data file, without .gz.
        sha256: checksum of the uncompressed file; None skips the check.
        source: address of the file.
        licence: licence of the data.
        freq: pandas offset alias.
        season_length: steps of the main season.
        split: number of rows of the parts "train", "val" and "test".
        horizons: horizons of the published results.
        time_column: name of the time column; all others are series.
        time_format: format of the times; None for ISO 8601.
        equally_spaced: True replaces the times of the file by equal steps from the first one.
        target: the only column that is a series; the others are covariates known ahead. None takes
            every column as a series.
        description: description in words, for adapters that put it into a prompt.
        kind: ``long_horizon``.
    """

    name: str
    file: str
    sha256: str | None
    source: str
    licence: str
    freq: str
    season_length: int
    split: Mapping[str, int]
    horizons: list[int]
    time_column: str = "date"
    time_format: str | None = None
    equally_spaced: bool = False
    target: str | None = None
    description: str = ""
    kind: str = LONG_HORIZON


def load(benchmark: str | Mapping[Any, Any]) -> Benchmark:
    """Read a benchmark set.

    Args:
        benchmark: a name of ``conf/benchmark`` ("etth1"), or the content of such a file.

    Raises:
        ConfigError: if there is no such set, or the content does not describe one.
        DataError: if its file is missing, altered, or shorter than its borders.
    """
    file = _description(_named(benchmark) if isinstance(benchmark, str) else benchmark)
    table = _read(file)
    time = table.pop(file.time_column)
    covariates = None
    if file.target is not None:
        table, covariates = table[[file.target]], table.drop(columns=file.target)
    values = table.to_numpy(dtype=np.float64)
    borders = Borders(*np.cumsum([file.split[part] for part in ("train", "val", "test")]).tolist())
    if len(values) < borders.test_end:
        raise DataError(
            f"{file.name}: {file.file} has {len(values)} rows, its split needs "
            f"{borders.test_end}. Lower benchmark.split."
        )
    return Benchmark(
        name=file.name,
        columns=tuple(map(str, table.columns)),
        values=values,
        time=_seconds(time, file),
        borders=borders,
        season_length=file.season_length,
        freq=file.freq,
        horizons=tuple(file.horizons),
        description=file.description,
        covariates=covariates,
    )


def names() -> list[str]:
    """Return the names that ``load`` knows, those of plug-ins included."""
    files = group_files("benchmark").items()
    return [name for name, path in files if kind_of(OmegaConf.load(path).benchmark) == LONG_HORIZON]


def kind_of(content: Mapping[Any, Any]) -> str:
    """Return the protocol of a benchmark: its ``kind``, and ``long_horizon`` if it has none.

    Args:
        content: the node ``benchmark`` of a yaml file.

    Raises:
        ConfigError: if there is no such kind.
    """
    kind = content.get("kind", LONG_HORIZON)
    check_choice("benchmark.kind", kind, KINDS)
    return str(kind)


def _named(name: str) -> Mapping[Any, Any]:
    path = find("benchmark", name.lower())
    if path is None:
        hint = did_you_mean(name, names())
        raise ConfigError(f"There is no benchmark {name!r}.{hint} Known: {', '.join(names())}.")
    return OmegaConf.load(path)  # type: ignore[return-value]


def _description(content: Mapping[Any, Any]) -> BenchmarkFile:
    plain = OmegaConf.to_container(OmegaConf.create(dict(content)), resolve=True)
    assert isinstance(plain, dict)
    plain = plain.get("benchmark", plain)
    if kind_of(plain) != LONG_HORIZON:
        raise ConfigError(
            f"{plain.get('name')} is a set of many short series with one origin each, which tslm "
            f"benchmark scores. Here, choose one of {', '.join(names())}, or give your own table."
        )
    try:
        return BenchmarkFile(**plain)
    except TypeError as error:
        raise ConfigError(f"This does not describe a benchmark: {error}.") from error


def _read(file: BenchmarkFile) -> pd.DataFrame:
    content = read_published(file.file, file.sha256, file.name, file.source)
    table = pd.read_csv(BytesIO(content), engine="pyarrow")  # exact and fast
    return table.rename(columns=str.strip)


def read_published(file: str, sha256: str | None, name: str, source: str) -> bytes:
    """Read a published file, unpack it and verify its checksum.

    Args:
        file: name of the file without .gz, in the folder of the shipped data or in ``TSLM_DATA``.
        sha256: checksum of the content; None skips the check.
        name: name of the set, for messages.
        source: address of the file, for messages.

    Raises:
        DataError: if the file is missing or altered.
    """
    path = _find(file, name, source)
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)
    found = sha256_bytes([content])
    if sha256 not in (None, found):
        raise DataError(
            f"{path} is not the published {file}: its content has SHA-256 {found}, expected "
            f"{sha256}. Download it again, unchanged, from {source}."
        )
    return content


def _find(file: str, name: str, source: str) -> Path:
    folders = data_folders()
    for folder in folders:
        for path in (folder / file, folder / f"{file}.gz"):
            if path.is_file():
                return path
    raise DataError(
        f"{file} ({name}) is missing, plain and as .gz, in {' or '.join(map(str, folders))}. "
        f"Download it from {source}, and set TSLM_DATA to its folder."
    )


def _seconds(times: "pd.Series[Any]", file: BenchmarkFile) -> Int64[np.ndarray, " rows"]:
    parsed = pd.to_datetime(times, format=file.time_format)
    if file.equally_spaced:
        parsed = pd.Series(pd.date_range(parsed.iloc[0], periods=len(times), freq=file.freq))
    return parsed.to_numpy().astype("datetime64[s]").astype(np.int64)
