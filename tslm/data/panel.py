"""All series of a frame end to end in one tensor, each in its own units of level and spread."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.core.errors import DataError
from tslm.core.messages import naming
from tslm.data.frame import Frame

Floats = npt.NDArray[np.float64]

LARGEST = np.finfo(np.float64).max
_LARGE = 1e15  # standardised values whose squares are still numbers
_ID_TYPE = re.compile(  # of the columns that frames have as ids; not one that names a file
    r"object|str|category|bool|boolean|(u?int|U?Int|[fF]loat)\d+|"
    r"(large_)?string(\[\w+\])?|(u?int\d+|bool|float|double)\[pyarrow\]"
)
_ROUNDED = 2.0**-22  # a value less than eight spreads from its level has moved no further in fp32
_CONSTANT = 1e-12  # spread relative to level below which a series counts as constant


class Stored(NamedTuple):
    """A panel as a file holds it: arrays by name, and ids as JSON with their dtype."""

    arrays: dict[str, npt.NDArray[Any]]
    ids: dict[str, Any]


class LaggedEffect(NamedTuple):
    """What covariates known up to a row say of the steps after it.

    Args:
        amplitude: how much, at the steps 1, 2, 4, 8 ... up to ``horizon``, for each row; linear in
            the logarithm of the step between them, and the same beyond.
        horizon: of the fit.
    """

    amplitude: Float[Tensor, "T R"]
    horizon: int

    @staticmethod
    def curves(horizon: int, steps: int) -> Floats:
        """The share of each amplitude in each step: one row a step."""
        last = np.log2(horizon)
        place = np.log2(np.arange(1, steps + 1)).clip(max=last)[:, None]
        return np.asarray((1 - np.abs(place - np.arange(np.ceil(last) + 1))).clip(0))

    def fits(self, rows: int) -> bool:
        """Whether it has an amplitude for each row and curve, each a number."""
        curves = self.curves(self.horizon, 1).shape[1] if self.horizon > 0 else 0
        return self.amplitude.shape == (rows, curves) and bool(self.amplitude.isfinite().all())

    def part(self, share: float) -> "LaggedEffect":
        """Only a share of it."""
        return self._replace(amplitude=self.amplitude * share)

    def ahead(self, rows: Int[Tensor, " N"], steps: int) -> Float[Tensor, "N F"]:
        """What it says of the steps after some rows."""
        curves = torch.from_numpy(self.curves(self.horizon, steps)).to(self.amplitude)
        return self.amplitude[rows] @ curves.T


@dataclass(frozen=True)
class Panel:
    """Series end to end; series i is rows ``offsets[i]`` to ``offsets[i + 1]``.

    Args:
        values: standardised values, ``(y - loc) / spread``, NaN where missing.
        time: Unix seconds (UTC), or the integers of the frame.
        offsets: where each series starts, and where the last one ends.
        ids: the id of each series.
        loc: mean of each series, in the units of ``y``.
        spread: population standard deviation of each series, in the units of ``y``; of a constant
            series its absolute level, or 1 if that is 0.
        step: distance of the first two rows of each series, to extend time backwards.
        lead: what past covariates say of the steps after each row; None without them.
        ahead: what covariates say of the steps after the last row of each series, standardised.
        ordinary: mean and spread of covariates by their name and the id of a series; None is
            what they were in ``fit``.
        statics: static covariates of each series; None is what they were in ``fit``.
        about: what is said of each series in words; None if nothing is.
    """

    values: Float[Tensor, " T"]
    time: Int[Tensor, " T"]
    offsets: Ints
    ids: pd.Index
    loc: Floats
    spread: Floats
    step: Ints
    lead: LaggedEffect | None = None
    ahead: Float[Tensor, "n H"] | None = None
    ordinary: Mapping[str, Mapping[Any, tuple[float, float]]] | None = None
    statics: pd.DataFrame | None = None
    about: Sequence[str] | None = None

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
            frame: what was read.
            until: how many first rows of each series the statistics may see; all if None. A
                series without a value there is standardised by all it has.
            stats: (loc, spread) by id; ids not in it take those of their own history.
            dtype: of the values.

        Raises:
            DataError: if values are too far from what ``stats`` expect to be held in ``dtype``.
        """
        y = frame.table["y"].to_numpy()
        offsets = frame.offsets
        loc, spread = _statistics(y, offsets, until)
        if stats is not None:
            known = [(i, stats[name]) for i, name in enumerate(frame.ids.tolist()) if name in stats]
            for i, pair in known:
                loc[i], spread[i] = pair
        time = frame.calendar.to_int(frame.table["ds"])
        return cls(
            values=_standardised(y, offsets, loc, spread, frame.ids, dtype),
            time=torch.from_numpy(time.copy()),
            offsets=offsets,
            ids=frame.ids,
            loc=loc,
            spread=spread,
            step=_steps(time, offsets, frame),
        )

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def still(self) -> npt.NDArray[np.bool_]:
        """Series that have never moved from their level."""
        moved = ~(np.abs(np.nan_to_num(self.values.numpy())) <= _CONSTANT)
        known = ~np.isnan(self.values.numpy())
        ever, some = (
            np.add.reduceat(part, self.offsets[:-1], dtype=np.int64) > 0 for part in (moved, known)
        )
        return np.asarray(some & ~ever & (self.spread == _instead(self.loc)))

    @property
    def lengths(self) -> Ints:
        """Rows of each series."""
        return np.diff(self.offsets)

    @property
    def stats(self) -> dict[Any, tuple[float, float]]:
        """(loc, spread) by id, as `from_frame` takes them."""
        pairs = zip(self.loc.tolist(), self.spread.tolist(), strict=True)
        return dict(zip(self.ids.tolist(), pairs, strict=True))

    def restore(self, values: Tensor | npt.NDArray[Any], series: Tensor | Ints) -> Floats:
        """Bring forecasts back to the units of ``y``, with what covariates say of their steps.

        Args:
            values: standardised values, one row per entry of ``series``; where covariates say
                something of the steps after the last row, the last axis is these steps.
            series: number of the series each row belongs to.

        Returns:
            Values in the units of ``y``; the largest numbers there are where they would lie
            beyond. Of a series that has never moved they are its level. A value as near to a short
            decimal as fp32 can hold it is that decimal, so 79 comes back as 79.
        """
        z = np.asarray(values, dtype=np.float64)
        rows = np.asarray(series)
        if self.ahead is not None:
            effect = self.ahead[rows].numpy().astype(np.float64)
            z = z + effect.reshape(len(rows), *(1,) * (z.ndim - 2), -1)
        shape = (len(rows),) + (1,) * (z.ndim - 1)
        still, loc, spread = (
            part[rows].reshape(shape) for part in (self.still, self.loc, self.spread)
        )
        with np.errstate(over="ignore", invalid="ignore"):
            y = np.where(still, loc, _as_written(z * spread + loc, spread))
        return y.clip(-LARGEST, LARGEST)

    def take(self, series: Ints) -> "Panel":
        """These series alone, in this order."""
        lengths = self.lengths[series]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        shift = np.repeat(self.offsets[:-1][series] - offsets[:-1], lengths)
        rows = torch.from_numpy(np.arange(offsets[-1]) + shift)
        return replace(
            self,
            values=self.values[rows],
            time=self.time[rows],
            offsets=offsets,
            ids=self.ids[series],
            loc=self.loc[series],
            spread=self.spread[series],
            step=self.step[series],
            lead=self.lead and self.lead._replace(amplitude=self.lead.amplitude[rows]),
            ahead=None if self.ahead is None else self.ahead[series],
            about=self.about and [self.about[number] for number in series.tolist()],
        )

    def tail(self, n: int) -> "Panel":
        """The last ``n`` rows of each series, by the same statistics."""
        lengths = np.minimum(self.lengths, n)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        shift = np.repeat(self.offsets[1:] - offsets[1:], lengths)
        rows = torch.from_numpy(np.arange(offsets[-1]) + shift)
        lead = self.lead and self.lead._replace(amplitude=self.lead.amplitude[rows])
        return replace(
            self, values=self.values[rows], time=self.time[rows], offsets=offsets, lead=lead
        )

    def without_series(self) -> "Panel":
        """A panel of no series."""
        none = self.tail(0)
        return replace(
            none,
            offsets=none.offsets[:1],
            ids=none.ids[:0],
            loc=none.loc[:0],
            spread=none.spread[:0],
            step=none.step[:0],
            ahead=None,
            ordinary=None,
            statics=None,
            about=None,
        )

    def to_arrays(self) -> Stored:
        """Everything, ready for safetensors and JSON."""
        arrays = {
            "values": self.values.numpy(),
            "time": self.time.numpy(),
            "offsets": self.offsets,
            "loc": self.loc,
            "spread": self.spread,
            "step": self.step,
        }
        if self.lead is not None:
            arrays["lead"] = self.lead.amplitude.numpy()
            arrays["lead.horizon"] = np.array([self.lead.horizon])
        return Stored(arrays, {"dtype": str(self.ids.dtype), "values": self.ids.tolist()})

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], ids: Mapping[str, Any]) -> "Panel":
        """The inverse of `to_arrays`.

        Raises:
            DataError: if they do not fit together.
        """
        if not isinstance(ids["dtype"], str) or not _ID_TYPE.fullmatch(ids["dtype"]):
            raise DataError("The saved ids must have a type that ids can have.")
        lead = None
        if "lead" in arrays:
            lead = LaggedEffect(torch.tensor(arrays["lead"]), int(arrays["lead.horizon"][0]))
        panel = cls(
            values=torch.tensor(arrays["values"]),
            time=torch.tensor(arrays["time"]),
            offsets=arrays["offsets"],
            ids=pd.Index(ids["values"], dtype=ids["dtype"]),
            loc=arrays["loc"],
            spread=arrays["spread"],
            step=arrays["step"],
            lead=lead,
        )
        if not panel._fits():
            raise DataError("The saved series do not fit together.")
        return panel

    def _fits(self) -> bool:
        """Whether rows, series and their statistics go together."""
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
            and (self.lead is None or self.lead.fits(rows))
        )


def _statistics(y: Floats, offsets: Ints, until: Ints | None) -> tuple[Floats, Floats]:
    """Mean and spread of each series, without overflow at any magnitude."""
    lengths, starts = np.diff(offsets), offsets[:-1]
    seen = ~np.isnan(y)
    if until is not None:
        fitting = seen & (np.arange(len(y)) < np.repeat(starts + until, lengths))
        blind = np.add.reduceat(fitting, starts, dtype=np.int64) == 0
        seen = fitting | (seen & np.repeat(blind, lengths))
    known = np.where(seen, y, 0.0)
    size = np.maximum(np.add.reduceat(seen, starts, dtype=np.int64), 1)
    peak = np.maximum(np.maximum.reduceat(known, starts), -np.minimum.reduceat(known, starts))
    peak = np.ldexp(1.0, np.frexp(peak)[1] - 1)  # a power of two divides without rounding
    known /= np.repeat(peak, lengths)
    mean = np.add.reduceat(known, starts) / size
    known -= np.repeat(mean, lengths)
    known[~seen] = 0.0
    rest = np.add.reduceat(known, starts) / size  # what rounding left of the mean
    variance = np.add.reduceat(np.square(known, out=known), starts) / size - rest**2
    mean += rest
    spread = np.sqrt(variance.clip(0))
    moves = spread > _CONSTANT * np.abs(mean)
    top = np.maximum.reduceat(np.where(seen, y, -np.inf), starts)
    loc = np.where(moves | np.isinf(top), mean * peak, top)
    return loc, np.where(moves, spread * peak, _instead(loc))


def _instead(loc: Floats) -> Floats:
    """The spread of a series that does not move: its level, or 1."""
    return np.where(loc == 0, 1.0, np.abs(loc))


def _standardised(
    y: Floats, offsets: Ints, loc: Floats, spread: Floats, ids: pd.Index, dtype: torch.dtype
) -> Float[Tensor, " T"]:
    lengths = np.diff(offsets)
    z = y - np.repeat(loc, lengths)
    z /= np.repeat(spread, lengths)
    values = torch.from_numpy(z).to(dtype)
    if far := torch.isinf(values).numpy().nonzero()[0].tolist():
        series = np.unique(np.searchsorted(offsets, far, side="right") - 1)
        raise DataError(
            f"Series {naming(ids[series])} have values too far from the level and spread they are "
            "standardised by. Rescale them, or fit the model on them."
        )
    return values


def _as_written(y: Floats, spread: Floats) -> Floats:
    """Values as near to a short decimal as fp32 can hold them are that decimal; others stay.

    All values of a series take the same decimals and the same distance, so their order stays.
    """
    moved = _ROUNDED * spread
    digits = np.floor(-np.log10(16 * moved))  # chance alone brings one value in eight so near
    up, down = 10.0 ** digits.clip(0, 22), 10.0 ** (-digits).clip(0, 22)  # both exact
    short = np.rint(y * up / down) * down / up
    return np.where((np.abs(short - y) <= moved) & (np.abs(digits) <= 22), short, y)


def _steps(time: Ints, offsets: Ints, frame: Frame) -> Ints:
    """Distance of the first two rows; of the only row and the one that would follow."""
    first = offsets[:-1]
    second = np.minimum(first + 1, len(time) - 1)
    steps = time[second] - time[first]
    if (single := np.diff(offsets) == 1).any():
        alone = time[first[single]]
        steps[single] = frame.calendar.future(alone, 1)[:, 0] - alone
    return steps
