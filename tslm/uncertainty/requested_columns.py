"""Columns of intervals, quantiles and samples: their names, from a request or in a table."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tslm.core.errors import ConfigError, warn
from tslm.core.messages import whole_number

_ENDING = re.compile(r"(?P<forecast>.+)-(?P<kind>lo|hi|q|sample)-(?P<number>\d+(\.\d+)?)")

MOST = 100_000  # sample paths; so many columns of a short horizon still fit in memory


@dataclass(frozen=True)
class RequestedColumns:
    """The requested columns beside the point forecast.

    Args:
        quantile_levels: quantile level of each column, by the ending of its name.
        samples: number of sample paths.
    """

    quantile_levels: dict[str, float] = field(default_factory=dict)
    samples: int = 0

    @classmethod
    def of(
        cls,
        level: Any = None,
        quantiles: Any = None,
        num_samples: Any = None,
    ) -> "RequestedColumns":
        """Check a request.

        Args:
            level: coverage of central intervals in percent, one number or several. 80 is the
                interval between the quantiles 0.1 and 0.9.
            quantiles: quantile levels in (0, 1), one number or several.
            num_samples: number of sample paths.

        Raises:
            ConfigError: if a number is out of range or given twice, or both ``level`` and
                ``quantiles`` are given.
        """
        if level is not None and quantiles is not None:
            raise ConfigError(
                f"level={_listed(level)} and quantiles={_listed(quantiles)} cannot be used "
                "together: level=[80] is quantiles=[0.1,0.9]. Give one of them."
            )
        quantile_levels: dict[str, float] = {}
        levels = _numbers("level", level, 100)
        if small := [value for value in levels if value < 1]:
            warn(
                f"level={small} are intervals of less than one percent. Levels are in percent: "
                f"write level=[80] for 80 percent."
            )
        for value in levels:
            outside = (100 - value) / 200
            quantile_levels |= {f"lo-{value:g}": outside, f"hi-{value:g}": 1 - outside}
        asked = _numbers("quantiles", quantiles, 1)
        quantile_levels |= {f"q-{100 * value:g}": value for value in asked}
        if len(quantile_levels) < 2 * len(levels) + len(asked):
            raise ConfigError(
                f"{'quantiles' if asked else 'level'}={_listed(asked or levels)} has numbers that "
                "agree in their first six digits, so their columns would have one name. Leave out "
                "one of them."
            )
        if num_samples is None:
            return cls(quantile_levels)
        samples = whole_number("num_samples", num_samples)
        if samples > MOST:
            raise ConfigError(
                f"num_samples={samples} must be at most {MOST:,}: each sample path is a column."
            )
        return cls(quantile_levels, samples)

    def __bool__(self) -> bool:
        return bool(self.quantile_levels) or self.samples > 0

    @property
    def endings(self) -> list[str]:
        """Return the endings of the names of the columns, in their order."""
        return [*self.quantile_levels, *(f"sample-{i}" for i in range(self.samples))]


@dataclass(frozen=True)
class ForecastColumns:
    """The columns of intervals, quantiles and samples that belong to one forecast.

    Args:
        levels: lower and upper column of each interval, by its level in percent.
        quantiles: column of each quantile level, ends of intervals included.
        samples: columns of sample paths.
    """

    levels: dict[float, tuple[str, str]]
    quantiles: dict[float, str]
    samples: list[str]

    @classmethod
    def of(cls, forecast: str, columns: Iterable[str]) -> "ForecastColumns":
        """Find the columns of one forecast among all columns of a table."""
        ends: dict[tuple[str, float], str] = {}
        for column in columns:
            found = _ENDING.fullmatch(column)
            if found and found["forecast"] == forecast:
                ends[found["kind"], float(found["number"])] = column
        lower = {level: column for (kind, level), column in ends.items() if kind == "lo"}
        levels = {n: (low, ends["hi", n]) for n, low in lower.items() if ("hi", n) in ends}
        quantiles = {number / 100: column for (kind, number), column in ends.items() if kind == "q"}
        for level, (low, high) in levels.items():
            quantiles |= {(100 - level) / 200: low, (100 + level) / 200: high}
        samples = [column for (kind, _), column in ends.items() if kind == "sample"]
        return cls(levels, dict(sorted(quantiles.items())), samples)

    @property
    def bands(self) -> list[tuple[str, str]]:
        """Return the lower and upper column of each pair of symmetric quantiles."""
        pairs = zip(self.quantiles.items(), reversed(self.quantiles.items()), strict=True)
        return [(lower, upper) for (low, lower), (high, upper) in pairs if low < high]


def forecasts(columns: Iterable[str]) -> list[str]:
    """Return the columns that are no interval, quantile or sample of another column."""
    names = [str(column) for column in columns]
    ends = [_ENDING.fullmatch(name) for name in names]
    return [
        n for n, end in zip(names, ends, strict=True) if not end or end["forecast"] not in names
    ]


def _numbers(name: str, values: Any, end: int) -> list[float]:
    """Check that values lie between 0 and ``end``, each once, and return them as a list."""
    if values is None:
        return []
    listed = _listed(values)
    for value in listed:
        number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not number or not 0 < value < end:
            raise ConfigError(
                f"{name}={listed} must be numbers between 0 and {end}, both excluded, such as "
                f"{name}={'[80,95]' if end == 100 else '[0.1,0.9]'}."
            )
    if not listed or len(set(listed)) < len(listed):
        raise ConfigError(f"{name}={listed} must name one or more values, each once.")
    return [float(value) for value in listed]


def _listed(values: Any) -> list[Any]:
    one = isinstance(values, int | float | np.number | str)
    return [values] if one else list(values)
