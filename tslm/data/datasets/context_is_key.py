"""Context is Key: instances of short series, each with a text that is needed to forecast it.

Williams et al., "Context is Key: A Benchmark for Forecasting with Essential Textual Information",
ICML 2025. https://arxiv.org/abs/2410.18959
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from tslm.core.errors import DataError
from tslm.core.hashing import sha256_bytes
from tslm.data.datasets.benchmarks import CONTEXT_IS_KEY, kind_of

SOURCES = {  # source of the context, by its code in the file
    "c_f": "future",
    "c_causal": "causal",
    "c_cov": "covariate",
    "c_h": "history",
    "c_i": "intemporal",
}


@dataclass(frozen=True)
class Instance:
    """Instance: a history, a text, and the values that follow.

    Attributes:
        name: name of the task.
        seed: number of the instance within the task.
        weight: weight in averages.
        sources: sources of the context, values of ``SOURCES``.
        background: text about the series.
        scenario: text about the past and the future.
        constraints: text about bounds.
        season_length: steps of the season; 1 if there is none.
        past: long frame of the history.
        times: times of the steps to forecast.
        truth: values of these steps.
        scaling: factor that makes scores of tasks comparable.
        region: places of the steps that the text is about.
        lower: lower bound that the truth obeys; None if there is none.
        upper: upper bound that the truth obeys.
        limits: upper bounds of single steps, by place.
    """

    name: str
    seed: int
    weight: float
    sources: tuple[str, ...]
    background: str
    scenario: str
    constraints: str
    season_length: int
    past: pd.DataFrame
    times: pd.DatetimeIndex
    truth: Float64[np.ndarray, " H"]
    scaling: float
    region: Int64[np.ndarray, " R"]
    lower: float | None = None
    upper: float | None = None
    limits: Mapping[int, float] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return the whole text, paragraph after paragraph."""
        return "\n\n".join(filter(None, (self.background, self.scenario, self.constraints)))


def is_context_is_key(content: Any) -> bool:
    """Return whether the content of a file in ``conf/benchmark`` is that of Context is Key."""
    return kind_of(content) == CONTEXT_IS_KEY


def load(path: str | Path) -> tuple[list[Instance], str]:
    """Read a file of instances.

    Args:
        path: file with one JSON object a line, as the data set publishes them; gzip is unpacked.

    Returns:
        The instances in the order of the file, and its SHA-256, unpacked.

    Raises:
        DataError: if the file is missing, or a line is no instance; names the line and the field.
    """
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from error
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    lines = [line for line in content.decode("utf-8").splitlines() if line.strip()]
    instances = [_parse(line, f"{path}, line {i + 1}") for i, line in enumerate(lines)]
    return instances, sha256_bytes([content])


def _parse(line: str, place: str) -> Instance:
    """Parse one line; ``place`` names it in messages."""
    try:
        return _instance(json.loads(line))
    except (KeyError, ValueError, TypeError, AttributeError, IndexError) as error:
        what = (
            f"has no field {error}" if isinstance(error, KeyError) else f"is no instance: {error}"
        )
        raise DataError(
            f"{place} {what}. Each line is one instance of Context is Key, as published."
        ) from error


def _instance(row: Mapping[str, Any]) -> Instance:
    past, future = _values(row["past_time"]), _values(row["future_time"])
    limits = zip(
        row["constraint_variable_max_index"], row["constraint_variable_max_values"], strict=True
    )
    frame = pd.DataFrame({"unique_id": row["name"], "ds": past.index, "y": past.to_numpy()})
    return Instance(
        name=str(row["name"]),
        seed=int(row["seed"]),
        weight=float(Fraction(row["weight"])),
        sources=tuple(SOURCES[code] for code in row["context_sources"] if code in SOURCES),
        background=row["background"] or "",
        scenario=row["scenario"] or "",
        constraints=row["constraints"] or "",
        season_length=max(int(row["seasonal_period"]), 1),
        past=frame,
        times=pd.DatetimeIndex(future.index),
        truth=np.asarray(future, dtype=np.float64),
        scaling=float(row["metric_scaling"]),
        region=np.array(row["region_of_interest"] or [], dtype=np.int64),
        lower=row["constraint_min"],
        upper=row["constraint_max"],
        limits={int(place): float(value) for place, value in limits},
    )


def _values(written: str) -> "pd.Series[float]":
    """Read a table of columns as text; the last column is the one to forecast."""
    columns = json.loads(written)
    values = pd.Series(columns[list(columns)[-1]], dtype=float)
    values.index = pd.to_datetime(values.index)
    return values
