"""Panel: all series of a frame end to end in one tensor, each standardised."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import DataError
from tslm.data.covariates.lagged import LaggedEffect
from tslm.data.covariates.panel_effects import KnownRows, PanelEffects
from tslm.data.frame import Frame, check_series_texts
from tslm.data.standardise import (
    CONSTANT,
    round_to_decimals,
    series_statistics,
    spread_of_constant,
    standardise,
)

Floats = npt.NDArray[np.float64]

LARGEST = np.finfo(np.float64).max
_LARGE = 1e15  # saved standardised values may not be larger: their squares would overflow
_ID_TYPE = re.compile(  # dtypes that id columns can have
    r"object|str|category|bool|boolean|(u?int|U?Int|[fF]loat)\d+|"
    r"(large_)?string(\[\w+\])?|(u?int\d+|bool|float|double)\[pyarrow\]"
)


@dataclass(frozen=True)
class Panel:
    """Series end to end; series i is rows ``offsets[i]`` to ``offsets[i + 1]``.

    Attributes:
        values: standardised values, ``(y - loc) / spread``, NaN where missing.
        time: Unix seconds (UTC), or the integers of the frame.
        offsets: row at which each series starts, and the end of the last one.
        ids: id of each series.
        loc: mean of each series, in the units of ``y``.
        spread: population standard deviation of each series, in the units of ``y``; for a constant
            series its absolute level, or 1 if that is 0.
        step: distance of the first two rows of each series, used to extend time backwards.
        effects: effects of covariates that were removed from the values.
        text: words about each series for prompts; None if there are none.
        titles: title of each series; None without titles.
    """

    values: Float[Tensor, " T"]
    time: Int[Tensor, " T"]
    offsets: Ints
    ids: pd.Index
    loc: Floats
    spread: Floats
    step: Ints
    effects: PanelEffects = field(default_factory=PanelEffects)
    text: Sequence[str] | None = None
    titles: Sequence[str] | None = None

    @classmethod
    def from_frame(
        cls,
        frame: Frame,
        *,
        until: Ints | None = None,
        stats: Mapping[Any, tuple[float, float]] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> "Panel":
        """Standardise every series of a frame, in float64 before it is rounded to ``dtype``.

        Args:
            frame: the series.
            until: number of first rows of each series that the statistics use; all if None. A
                series without a value in these rows uses all its rows.
            stats: (loc, spread) by id; other ids use their own rows.
            dtype: type of the values.

        Raises:
            DataError: if values standardised by ``stats`` overflow in ``dtype``.
        """
        y = frame.table["y"].to_numpy()
        time = frame.calendar.to_int(frame.table["ds"])
        parts = (frame.offsets, frame.ids, frame.calendar)
        return cls.from_rows(y, time, *parts, until=until, stats=stats, dtype=dtype)

    @classmethod
    def from_rows(
        cls,
        y: Floats,
        time: Ints,
        offsets: Ints,
        ids: pd.Index,
        calendar: Calendar,
        *,
        until: Ints | None = None,
        stats: Mapping[Any, tuple[float, float]] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> "Panel":
        """Standardise series that lie end to end, see ``from_frame``.

        Args:
            y: values of the series; NaN where missing.
            time: time of each row: Unix seconds (UTC), or integers.
            offsets: first row of each series, and the number of rows.
            ids: the id of each series.
            calendar: the frequency of the rows.
            until: see ``from_frame``.
            stats: see ``from_frame``.
            dtype: see ``from_frame``.
        """
        loc, spread = series_statistics(y, offsets, until)
        if stats is not None:
            known = [(i, stats[name]) for i, name in enumerate(ids.tolist()) if name in stats]
            for i, pair in known:
                loc[i], spread[i] = pair
        return cls(
            values=standardise(y, offsets, loc, spread, ids, dtype),
            time=torch.from_numpy(time.copy()),
            offsets=offsets,
            ids=ids,
            loc=loc,
            spread=spread,
            step=_steps(time, offsets, calendar),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def still(self) -> npt.NDArray[np.bool_]:
        """Return a mask of the series whose known values all equal their level."""
        moved = ~(np.abs(np.nan_to_num(self.values.numpy())) <= CONSTANT)
        known = ~np.isnan(self.values.numpy())
        ever, some = (
            np.add.reduceat(part, self.offsets[:-1], dtype=np.int64) > 0 for part in (moved, known)
        )
        return np.asarray(some & ~ever & (self.spread == spread_of_constant(self.loc)))

    @property
    def lengths(self) -> Ints:
        """Return the number of rows of each series."""
        return np.diff(self.offsets)

    @cached_property
    def stats(self) -> dict[Any, tuple[float, float]]:
        """Return (loc, spread) by id, as `from_frame` takes them."""
        pairs = zip(self.loc.tolist(), self.spread.tolist(), strict=True)
        return dict(zip(self.ids.tolist(), pairs, strict=True))

    def restore(self, values: Tensor | npt.NDArray[Any], series: Tensor | Ints) -> Floats:
        """Return forecasts in the units of ``y``, with the effects of covariates added.

        Args:
            values: standardised values, one row per entry of ``series``; if there are effects on
                the steps after the last row, the last axis is these steps.
            series: number of the series of each row.

        Returns:
            Values in the units of ``y``, clipped to the range of float64. For a series that never
            moved they are its level. A value that float32 cannot tell from a short decimal is that
            decimal, so that 79 is 79 and not 79.00000012.
        """
        z = np.asarray(values, dtype=np.float64)
        rows = np.asarray(series)
        z = self.effects.add_future(z, rows)
        shape = (len(rows),) + (1,) * (z.ndim - 1)
        still, loc, spread = (
            part[rows].reshape(shape) for part in (self.still, self.loc, self.spread)
        )
        with np.errstate(over="ignore", invalid="ignore"):
            y = np.where(still, loc, round_to_decimals(z * spread + loc, spread))
        return y.clip(-LARGEST, LARGEST)

    def in_units(self) -> Floats:
        """Return the values in the units of ``y``, without the effects of covariates."""
        loc, spread = (np.repeat(part, self.lengths) for part in (self.loc, self.spread))
        return np.asarray(self.values.double().numpy() * spread + loc)

    def take(self, series: Ints) -> "Panel":
        """Return some series, in the order given."""
        lengths = self.lengths[series]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = rows_of(self.offsets[:-1][series], lengths)
        return replace(
            self,
            values=self.values[rows],
            time=self.time[rows],
            offsets=offsets,
            ids=self.ids[series],
            loc=self.loc[series],
            spread=self.spread[series],
            step=self.step[series],
            effects=self.effects.take(rows, series),
            text=self.text and [self.text[number] for number in series.tolist()],
            titles=self.titles and [self.titles[number] for number in series.tolist()],
        )

    def tail(self, n: int) -> "Panel":
        """Return the last ``n`` rows of each series, with the same statistics."""
        lengths = np.minimum(self.lengths, n)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = rows_of(self.offsets[1:] - lengths, lengths)
        return replace(
            self,
            values=self.values[rows],
            time=self.time[rows],
            offsets=offsets,
            effects=self.effects.take(rows),
        )

    def head(self, rows: Ints) -> "Panel":
        """Return the first rows of each series, with the same statistics.

        Args:
            rows: number of rows of each series, at least 1.
        """
        offsets = np.concatenate([[0], np.cumsum(rows)]).astype(np.int64)
        index = rows_of(self.offsets[:-1], rows)
        return replace(
            self,
            values=self.values[index],
            time=self.time[index],
            offsets=offsets,
            effects=self.effects.take(index),
        )

    def without_series(self) -> "Panel":
        """Return a panel of no series, of the same kind."""
        none = self.tail(0)
        return replace(
            none,
            offsets=none.offsets[:1],
            ids=none.ids[:0],
            loc=none.loc[:0],
            spread=none.spread[:0],
            step=none.step[:0],
            effects=PanelEffects(lagged=none.effects.lagged, known=none.effects.known),
            text=None,
            titles=None,
        )

    def state(self) -> dict[str, Any]:
        """Return plain values and arrays for ``from_state``: ids, rows, statistics and texts."""
        state: dict[str, Any] = {
            "ids": {"dtype": str(self.ids.dtype), "values": self.ids.tolist()},
            "about": self.text,
            "titles": self.titles,
            "values": self.values.numpy(),
            "time": self.time.numpy(),
            "offsets": self.offsets,
            "loc": self.loc,
            "spread": self.spread,
            "step": self.step,
        }
        if (lagged := self.effects.lagged) is not None:
            state["lead"] = lagged.amplitude.numpy()
            state["lead.horizon"] = np.array([lagged.horizon])
        if (known := self.effects.known) is not None:
            state["known"] = known.values.numpy()
            state["known.names"] = list(known.names)
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Panel":
        """Make a panel from its ``state``.

        Raises:
            DataError: if its values do not fit together.
        """
        ids = state["ids"]
        if not isinstance(ids["dtype"], str) or not _ID_TYPE.fullmatch(ids["dtype"]):
            raise DataError("The saved ids must have a type that ids can have.")
        lagged = None
        if "lead" in state:
            lagged = LaggedEffect(torch.tensor(state["lead"]), int(state["lead.horizon"][0]))
        known = None
        if state.get("known.names") is not None:
            known = KnownRows(torch.tensor(state["known"]), tuple(state["known.names"]))
        panel = cls(
            values=torch.tensor(state["values"]),
            time=torch.tensor(state["time"]),
            offsets=state["offsets"],
            ids=pd.Index(ids["values"], dtype=ids["dtype"]),
            loc=state["loc"],
            spread=state["spread"],
            step=state["step"],
            text=check_series_texts(state.get("about"), len(ids["values"])),
            titles=check_series_texts(state.get("titles"), len(ids["values"])),
            effects=PanelEffects(lagged=lagged, known=known),
        )
        if not panel._fits():
            raise DataError("The saved series do not fit together.")
        return panel

    def _fits(self) -> bool:
        """Return True if rows, series and statistics have consistent shapes, types and values."""
        n, rows = len(self.ids), len(self.values)
        whole = (self.offsets, self.step)
        real = (self.loc, self.spread)
        return bool(
            self.values.shape == self.time.shape == (rows,)
            and self.values.dtype == torch.float32
            and self.time.dtype == torch.int64
            and all(part.dtype == np.int64 for part in whole)
            and all(part.dtype == np.float64 and np.isfinite(part).all() for part in real)
            and all(part.shape == (n,) for part in (self.step, *real))
            and self.offsets.shape == (n + 1,)
            and self.offsets[0] == 0
            and self.offsets[-1] == rows
            and (np.diff(self.offsets) > 0).all()
            and (self.step > 0).all()
            and (self.spread > 0).all()
            and not (self.values.abs() > _LARGE).any()
            and self.ids.is_unique
            and (self.effects.lagged is None or self.effects.lagged.is_valid(rows))
            and (self.effects.known is None or self.effects.known.is_valid(rows))
        )


def rows_of(starts: Ints, lengths: Ints) -> Int[Tensor, " N"]:
    """Return the numbers of the rows of series, given the first one and the number of each."""
    shift = np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
    return torch.from_numpy(np.arange(len(shift)) + shift)


def _steps(time: Ints, offsets: Ints, calendar: Calendar) -> Ints:
    """Return the distance of the first two rows of each series, or one step for a single row."""
    first = offsets[:-1]
    second = np.minimum(first + 1, len(time) - 1)
    steps = time[second] - time[first]
    if (single := np.diff(offsets) == 1).any():
        alone = time[first[single]]
        steps[single] = calendar.future(alone, 1)[:, 0] - alone
    return steps
