"""Short series of the M competitions: what was known, and what followed.

What a set is stands in ``conf/benchmark``, beside the long ones. Times are counted, as the dates
of these series are placeholders or missing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from tslm.core.errors import ConfigError, DataError
from tslm.data.datasets.benchmarks import M_COMPETITION, kind_of, published

Series = dict[str, np.ndarray]


@dataclass(frozen=True)
class Competition:
    """Many series, each with the steps that are to be forecast.

    Args:
        name: as in the literature.
        known: each series before the origin.
        truth: the steps after it.
        season_length: by which errors are scaled; 1 where the competition takes no season.
        horizon: steps forecast.
    """

    name: str
    known: Series
    truth: Series
    season_length: int
    horizon: int

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Return the known values as a long frame; ``ds`` counts steps."""
        lengths = [len(values) for values in self.known.values()]
        return pd.DataFrame(
            {
                "unique_id": np.repeat(list(self.known), lengths),
                "ds": np.concatenate([np.arange(n) for n in lengths]),
                "y": np.concatenate(list(self.known.values())),
            }
        )

    def longer_than(self, points: int) -> "Competition":
        """Only the series of more than ``points`` points, with those to be forecast."""
        kept = {n for n in self.known if len(self.known[n]) + len(self.truth[n]) > points}
        parts = ({n: v for n, v in part.items() if n in kept} for part in (self.known, self.truth))
        known, truth = parts
        return replace(self, known=known, truth=truth)


@dataclass(frozen=True)
class Files:
    """One file of ``conf/benchmark`` that describes a competition.

    Args:
        name: as in the literature.
        files: the published files, "train" and "test", or "both".
        sha256: of the uncompressed files, by the same words.
        source: where they come from.
        licence: what they may be used for.
        horizon: steps to forecast.
        season_length: by which errors are scaled.
        period: which series of a file with several kinds.
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
        content: of a file of ``conf/benchmark``.

    Raises:
        ConfigError: if it does not describe a competition.
        DataError: if a file is missing or altered.
    """
    plain = OmegaConf.to_container(OmegaConf.create(dict(content)), resolve=True)
    assert isinstance(plain, dict)
    try:
        files = Files(**{str(key): value for key, value in plain.items()})
    except TypeError as error:
        raise ConfigError(f"This does not describe a competition: {error}.") from error
    read = _from_json if "both" in files.files else _from_tables
    known, truth = read(files)
    if not known:
        raise DataError(f"{files.name}: there is no series of period {files.period!r}.")
    return Competition(files.name, known, truth, files.season_length, files.horizon)


def _from_tables(files: Files) -> tuple[Series, Series]:
    """A row a series, its name first, the end padded with empty cells (M4)."""
    train, test = (_table(_content(files, part)) for part in ("train", "test"))
    return train, {name: values[: files.horizon] for name, values in test.items()}


def _table(content: bytes) -> Series:
    table = pd.read_csv(BytesIO(content), index_col=0)
    values = table.to_numpy(dtype=np.float64)
    return {str(name): row[~np.isnan(row)] for name, row in zip(table.index, values, strict=True)}


def _from_json(files: Files) -> tuple[Series, Series]:
    """An object a series, with its period, its known and its later values (M3)."""
    known: Series = {}
    truth: Series = {}
    for name, series in _chosen(json.loads(_content(files, "both")), files.period):
        known[name] = np.array(series["x"], dtype=np.float64)
        truth[name] = np.array(series["xx"], dtype=np.float64)[: files.horizon]
    return known, truth


def _chosen(every: Mapping[str, Any], period: str | None) -> Iterator[tuple[str, Any]]:
    return ((name, one) for name, one in every.items() if period in (None, one["period"][0]))


def _content(files: Files, part: str) -> bytes:
    return published(files.files[part], files.sha256[part], files.name, files.source)
