"""Series of fit with titles, as a fitted and a saved model have them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import DataError
from tslm.data.panel import Panel
from tslm.models.text.title_process import TitleProcess

SMALLEST = 1e-6  # share of the typical level below which a value counts as this share, in logs


@dataclass(frozen=True)
class ValueScale:
    """Scale on which series of different levels are compared.

    Attributes:
        logs: True for the logarithm; False for asinh, which is linear near 0.
        unit: typical size of a value.
    """

    logs: bool = True
    unit: float = 1.0

    @classmethod
    def of(cls, panel: Panel) -> "ValueScale":
        """Choose the scale for the series of a panel: logarithms if all values are positive."""
        y = panel.in_units()
        y = y[~np.isnan(y)]
        unit = float(np.median(np.abs(y))) if len(y) else 1.0
        return cls(bool((y > 0).all()), unit if unit > 0 else float(np.abs(y).max()) or 1.0)

    def apply(self, y: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Return values on this scale."""
        z = y / self.unit
        return z.clamp(min=SMALLEST).log() if self.logs else z.asinh()

    def undo(self, z: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
        """Return values in the units of the series."""
        z = z.clamp(-300, 300)
        return self.unit * (z.exp() if self.logs else z.sinh())


@dataclass(frozen=True)
class Trust:
    """Share of the forecast from titles, by the number of known rows.

    Attributes:
        rows: numbers of known rows, increasing from 0.
        share: share of the forecast from titles for each.
        width: factor on its standard deviation for each.
    """

    rows: tuple[int, ...] = (0, 1)
    share: tuple[float, ...] = (1.0, 0.0)
    width: tuple[float, ...] = (1.0, 1.0)

    def of(self, known: int) -> tuple[float, float]:
        """Return share and width for a series with this number of known rows."""
        share, width = (float(np.interp(known, self.rows, y)) for y in (self.share, self.width))
        return share, width


@dataclass(frozen=True)
class KnownTitles:
    """Knowledge from the titles of the series of ``fit``.

    Attributes:
        process: forecast from a title and few rows; None without titles.
        scale: scale on which series are compared.
        trust: share of its forecast.
        reader: identity of the reader of titles.
    """

    process: TitleProcess | None = None
    scale: ValueScale = ValueScale()
    trust: Trust = Trust()
    reader: str = ""

    @property
    def phases(self) -> int:
        """Return the rows of a season."""
        return 1 if self.process is None else len(self.process.centre)

    @property
    def few(self) -> int:
        """Return the number of known rows from which on titles are not used."""
        return 0 if self.process is None else few_rows(self.phases)

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for ``from_state``; empty without titles."""
        if self.process is None:
            return {}
        return {
            "logs": self.scale.logs,
            "unit": self.scale.unit,
            "rows": list(self.trust.rows),
            "share": list(self.trust.share),
            "width": list(self.trust.width),
            "reader": self.reader,
            **self.process.state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "KnownTitles":
        """Make the knowledge from its ``state``.

        Raises:
            DataError: if its values do not fit together.
        """
        if not state:
            return cls()
        scale = ValueScale(bool(state["logs"]), float(state["unit"]))
        rows = tuple(int(each) for each in state["rows"])
        share, width = (tuple(float(x) for x in state[name]) for name in ("share", "width"))
        fits = (
            len(rows) == len(share) == len(width) > 0
            and rows[0] == 0
            and bool((np.diff(rows) > 0).all())
            and all(0 <= each <= 1 for each in share)
            and all(0 < each < np.inf for each in (*width, scale.unit))
            and isinstance(state["reader"], str)
        )
        if not fits:
            raise DataError("The saved titles do not fit together.")
        process = TitleProcess.from_state(state)
        return cls(process, scale, Trust(rows, share, width), state["reader"])


def few_rows(phases: int) -> int:
    """Return the number of rows from which on a series needs no title: two seasons, at least 8."""
    return max(2 * phases, 8)


def phase_of(calendar: Calendar, time: Ints, phases: int) -> Ints:
    """Return the phase of times in their season, from 0."""
    return np.asarray(calendar.count(time) // calendar.step % phases)


def known_rows(panel: Panel) -> torch.Tensor:
    """Return the number of known values of each series."""
    seen = (~panel.values.isnan()).long()
    ends = torch.cat([seen.new_zeros(1), seen.cumsum(0)])
    return ends[panel.offsets[1:]] - ends[panel.offsets[:-1]]
