"""What a user asks of a forecast besides the point: levels, quantiles or samples."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tslm.errors import ConfigError


@dataclass(frozen=True)
class Asked:
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
        level: Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        num_samples: int | None = None,
    ) -> "Asked":
        """Check what a user asks for.

        Args:
            level: of central intervals, in percent: 80 lies between the shares 0.1 and 0.9.
            quantiles: shares below the value.
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
        for value in _numbers("level", level, 100):
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
