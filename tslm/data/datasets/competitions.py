"""Short series with one origin each: the M competitions, and sets of the Monash archive.

Each set is described by a file of ``conf/benchmark``, like the long ones. Times are counted, since
the dates of these series are placeholders or missing.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from tslm.core.errors import ConfigError, DataError
from tslm.data.datasets import monash
from tslm.data.datasets.benchmarks import M_COMPETITION, kind_of, read_published

Series = dict[str, np.ndarray]


@dataclass(frozen=True)
class Competition:
    """Competition: many series, each with the steps to forecast.

    Attributes:
        name: name in the literature.
        known: values of each series before the origin.
        truth: values of the steps after it.
        season_length: season of the scaled errors; 1 if the competition uses none.
        horizon: steps to forecast.
    """

    name: str
    known: Series
    truth: Series
    season_length: int
    horizon: int

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Return the known values as a long frame; ``ds`` counts steps."""
        return long_frame(self.known)

    def longer_than(self, points: int) -> "Competition":
        """Return only the series of more than ``points`` values, including those to forecast."""
        kept = {n for n in self.known if len(self.known[n]) + len(self.truth[n]) > points}
        parts = ({n: v for n, v in part.items() if n in kept} for part in (self.known, self.truth))
        known, truth = parts
        return replace(self, known=known, truth=truth)


def long_frame(series: Series) -> pd.DataFrame:
    """Return series as a long frame; ``ds`` counts steps."""
    lengths = [len(values) for values in series.values()]
    return pd.DataFrame(
        {
            "unique_id": np.repeat(list(series), lengths),
            "ds": np.concatenate([np.arange(n) for n in lengths]),
            "y": np.concatenate(list(series.values())),
        }
    )


@dataclass(frozen=True)
class CompetitionFiles:
    """Description of a competition: one file of ``conf/benchmark``.

    Attributes:
        name: name in the literature.
        files: names of the published files, by "train" and "test", or by "both". In a file of the
            Monash archive (.tsf) the last ``horizon`` values of each series are those to forecast.
        sha256: checksums of the uncompressed files, by the same keys; None skips the check.
        source: address of the files.
        licence: licence of the data.
        horizon: steps to forecast.
        season_length: season of the scaled errors.
        period: kind of series to use, in a file of several kinds; None uses all.
        kind: ``m_competition``.
    """

    name: str
    files: Mapping[str, str]
    sha256: Mapping[str, str | None]
    source: str
    licence: str
    horizon: int
    season_length: int
    period: str | None = None
    kind: str = M_COMPETITION


def is_competition(content: Any) -> bool:
    """Return whether the content of a file in ``conf/benchmark`` is of an M competition."""
    return kind_of(content) == M_COMPETITION


def load(content: Mapping[Any, Any]) -> Competition:
    """Read a competition.

    Args:
        content: content of a file of ``conf/benchmark``.

    Raises:
        ConfigError: if it does not describe a competition.
        DataError: if a file is missing or altered.
    """
    plain = OmegaConf.to_container(OmegaConf.create(dict(content)), resolve=True)
    assert isinstance(plain, dict)
    try:
        files = CompetitionFiles(**{str(key): value for key, value in plain.items()})
    except TypeError as error:
        raise ConfigError(f"This does not describe a competition: {error}.") from error
    known, truth = _reader(files)(files)
    if not known:
        raise DataError(f"{files.name}: there is no series of period {files.period!r}.")
    return Competition(files.name, known, truth, files.season_length, files.horizon)


def _reader(files: CompetitionFiles) -> Callable[[CompetitionFiles], tuple[Series, Series]]:
    """Return the function that reads these files."""
    if "both" not in files.files:
        return _from_tables
    return _from_archive if files.files["both"].endswith(".tsf") else _from_json


def _from_archive(files: CompetitionFiles) -> tuple[Series, Series]:
    """Read whole series of the Monash archive, and cut off the values to forecast."""
    series = monash.parse(_content(files, "both"), files.files["both"])
    known = {name: values[: -files.horizon] for name, values in series.items()}
    return known, {name: values[-files.horizon :] for name, values in series.items()}


def _from_tables(files: CompetitionFiles) -> tuple[Series, Series]:
    """Read tables with one row per series: name first, empty cells at the end (M4)."""
    train, test = (_table(_content(files, part)) for part in ("train", "test"))
    return train, {name: values[: files.horizon] for name, values in test.items()}


def _table(content: bytes) -> Series:
    table = pd.read_csv(BytesIO(content), index_col=0)
    values = table.to_numpy(dtype=np.float64)
    return {str(name): row[~np.isnan(row)] for name, row in zip(table.index, values, strict=True)}


def _from_json(files: CompetitionFiles) -> tuple[Series, Series]:
    """Read one JSON object per series, with its period, known and later values (M3)."""
    known: Series = {}
    truth: Series = {}
    for name, series in _chosen(json.loads(_content(files, "both")), files.period):
        known[name] = np.array(series["x"], dtype=np.float64)
        truth[name] = np.array(series["xx"], dtype=np.float64)[: files.horizon]
    return known, truth


def _chosen(every: Mapping[str, Any], period: str | None) -> Iterator[tuple[str, Any]]:
    return ((name, one) for name, one in every.items() if period in (None, one["period"][0]))


def _content(files: CompetitionFiles, part: str) -> bytes:
    return read_published(files.files[part], files.sha256[part], files.name, files.source)
