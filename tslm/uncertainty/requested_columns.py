"""Levels, quantiles and samples: what a user asks for besides the point, and their columns."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tslm.core.errors import ConfigError, warn

_ENDING = re.compile(r"(?P<forecast>.+)-(?P<kind>lo|hi|q|sample)-(?P<number>\d+(\.\d+)?)")


@dataclass(frozen=True)
class RequestedColumns:
    """Columns beside the point forecast.

    Args:
        shares: of the quantiles asked for, and the ending of the column of each.
        samples: how many paths.
    """

    shares: dict[str, float] = field(default_factory=dict)
    samples: int = 0

    @classmethod
    def of(
        cls,
        level: Any = None,
        quantiles: Any = None,
        num_samples: Any = None,
    ) -> "RequestedColumns":
        """Check what a user asks for.

        Args:
            level: numbers, or one: of central intervals, in percent; 80 lies between the shares 0.1
                and 0.9.
            quantiles: numbers, or one: shares below the value.
            num_samples: paths.

        Raises:
            ConfigError: if it is out of range, twice there, or levels and quantiles are mixed.
        """
        if level is not None and quantiles is not None:
            raise ConfigError(
                f"level={_listed(level)} and quantiles={_listed(quantiles)} exclude each other: "
                "level=[80] is quantiles=[0.1,0.9]. Give one of them."
            )
        shares: dict[str, float] = {}
        levels = _numbers("level", level, 100)
        if small := [value for value in levels if value < 1]:
            warn(
                f"level={small} are intervals of less than one percent. Levels are in percent: "
                f"write level=[80] for 80 percent."
            )
        for value in levels:
            outside = (100 - value) / 200
            shares |= {f"lo-{value:g}": outside, f"hi-{value:g}": 1 - outside}
        for value in _numbers("quantiles", quantiles, 1):
            shares[f"q-{100 * value:g}"] = value
        if num_samples is None:
            return cls(shares)
        whole = isinstance(num_samples, int | np.integer) and not isinstance(num_samples, bool)
        if not whole or num_samples < 1:
            raise ConfigError(f"num_samples={num_samples!r} must be a whole number of at least 1.")
        return cls(shares, int(num_samples))

    def __bool__(self) -> bool:
        return bool(self.shares) or self.samples > 0

    @property
    def endings(self) -> list[str]:
        """Of the columns, in their order."""
        return [*self.shares, *(f"sample-{i}" for i in range(self.samples))]


@dataclass(frozen=True)
class ForecastColumns:
    """The columns of one forecast, by what they say beside it.

    Args:
        levels: lower and upper column of each interval, by its level in percent.
        quantiles: column of each share, the ends of intervals too.
        samples: columns of paths.
    """

    levels: dict[float, tuple[str, str]]
    quantiles: dict[float, str]
    samples: list[str]

    @classmethod
    def of(cls, forecast: str, columns: Iterable[str]) -> "ForecastColumns":
        """Those of one forecast among many columns."""
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
        """Lower and upper column between each two quantiles alike far from the middle."""
        pairs = zip(self.quantiles.items(), reversed(self.quantiles.items()), strict=True)
        return [(lower, upper) for (low, lower), (high, upper) in pairs if low < high]


def forecasts(columns: Iterable[str]) -> list[str]:
    """The columns that are no interval, quantile or sample of another one."""
    names = [str(column) for column in columns]
    ends = [_ENDING.fullmatch(name) for name in names]
    return [
        n for n, end in zip(names, ends, strict=True) if not end or end["forecast"] not in names
    ]


def _numbers(name: str, values: Any, end: int) -> list[float]:
    """The values of a list, each once and between 0 and ``end``."""
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
