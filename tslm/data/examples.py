"""In-context forecasting: an example in front of a context, in place of its oldest rows.

Liu et al., "AutoTimes", NeurIPS 2024, in-context forecasting: with three segments in a context the
first two show how the series went at another time, and the last one is to be continued.

Departures: besides the first rows of a series, as published, the example may be the stretch that
begins most like the context, with what followed it, of the same series or of given ones.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.calendar import Ints, naming
from tslm.data.panel import Panel
from tslm.errors import ConfigError, DataError
from tslm.types import Batch

FLOOR = 0.1  # least spread a stretch is compared by, as adapters have it
QUERIES = 256  # series whose contexts are compared at once


@dataclass(frozen=True)
class Examples:
    """One stretch of E rows for each series of a panel.

    Args:
        values: standardised as the series they stand in front of.
        time: of these rows.
    """

    values: Float[Tensor, "n E"]
    time: Int[Tensor, "n E"]

    @classmethod
    def of(cls, source: str | Panel, panel: Panel, room: int, context_length: int) -> "Examples":
        """Examples for each series of a panel.

        Args:
            source: "first" or "similar" rows of the series themselves, or others to look in.
            panel: the series to forecast.
            room: rows of an example, see ``Forecaster.room``.
            context_length: rows of a context with its example.

        Raises:
            ConfigError: if there is no room, or the source is unknown.
            DataError: if a series, or what is given, is too short.
        """
        if not room:
            raise ConfigError(
                "This model reads a context as one stretch, so examples cannot stand in it. Choose "
                "an autoregressive adapter, such as autotimes, without a base, and a "
                "context_length of at least three segments (adapter.patch_len)."
            )
        if isinstance(source, Panel):
            return cls.given(panel, source, room, context_length)
        own = {"first": cls.first, "similar": cls.similar}
        if source not in own:
            raise ConfigError(
                f"examples={source!r} is unknown. Choose one of {', '.join(own)}, or give series."
            )
        return own[source](panel, room, context_length)

    @classmethod
    def first(cls, panel: Panel, room: int, context_length: int) -> "Examples":
        """The first ``room`` rows of each series, as published.

        Raises:
            DataError: if a series has no row besides a context.
        """
        _check_lengths(panel, context_length)
        rows = torch.from_numpy(panel.offsets[:-1, None]) + torch.arange(room)
        return cls(panel.values[rows], panel.time[rows])

    @classmethod
    def similar(cls, panel: Panel, room: int, context_length: int) -> "Examples":
        """The ``room`` rows of each series, before its context, that begin most like that.

        Raises:
            DataError: if a series has no row besides a context.
        """
        _check_lengths(panel, context_length)
        recent = context_length - room
        shapes = _recent(panel, recent)
        found = [
            _nearest(shapes.of(i), panel, i, panel.lengths[i : i + 1] - recent, room)
            for i in range(len(panel))
        ]
        return cls._of(shapes, panel, _Match(*map(torch.cat, zip(*found, strict=True))), room)

    @classmethod
    def given(cls, panel: Panel, library: Panel, room: int, context_length: int) -> "Examples":
        """The ``room`` rows of a library that begin most like the context of each series.

        Rows of a series of the same id count only before that context.

        Raises:
            DataError: if the library has no such rows for a series.
        """
        recent = context_length - room
        shapes = _recent(panel, recent)
        best = _Match.none(len(panel))
        for number, name in enumerate(library.ids.tolist()):
            stops = np.full(len(panel), library.lengths[number])
            for i in np.flatnonzero(panel.ids == name):
                begin = panel.time[max(panel.offsets[i + 1] - recent, panel.offsets[i])]
                own = library.time[library.offsets[number] : library.offsets[number + 1]]
                stops[i] = torch.searchsorted(own, begin)
            best = best.better(_nearest(shapes, library, number, stops, room))
        if (without := torch.isinf(best.distance).numpy()).any():
            raise DataError(
                f"examples have no {room} rows in a row that could stand before the contexts of "
                f"series {naming(panel.ids[without])}; rows of the same id count only before the "
                "context. Give longer examples, or of other series."
            )
        return cls._of(shapes, library, best, room)

    @classmethod
    def _of(cls, shapes: "_Shapes", library: Panel, match: "_Match", room: int) -> "Examples":
        """Stretches at the level, and with the spread, of the contexts they resemble."""
        rows = match.row[:, None] + torch.arange(room)
        level, spread = (part[:, None] for part in (shapes.level, shapes.spread))
        values = (library.values[rows] - match.level[:, None]) / match.spread[:, None]
        return cls(values * spread + level, library.time[rows])

    def before(self, batch: Batch, series: Int[Tensor, " B"]) -> Batch:
        """Contexts of some series of the panel that begin with their examples."""
        size = self.values.shape[1]
        past, time = batch.past.clone(), batch.time.clone()
        past[:, :size, 0], time[:, :size] = self.values[series], self.time[series]
        return batch._replace(past=past, time=time)


class _Shapes(NamedTuple):
    """Stretches without their level and spread; a missing value is the level."""

    values: Float[Tensor, "n K"]
    level: Float[Tensor, " n"]
    spread: Float[Tensor, " n"]

    @classmethod
    def read(cls, rows: Float[Tensor, "n K"]) -> "_Shapes":
        level = torch.nan_to_num(rows.nanmean(1))
        rest = torch.nan_to_num(rows - level[:, None])
        seen = (~torch.isnan(rows)).sum(1).clamp(min=1)
        spread = (rest.square().sum(1) / seen).sqrt().clamp(min=FLOOR)
        return cls(rest / spread[:, None], level, spread)

    def of(self, number: int) -> "_Shapes":
        return _Shapes(*(part[number : number + 1] for part in self))


class _Match(NamedTuple):
    """Where the nearest stretch of each context begins, how far it is, its level and spread."""

    distance: Float[Tensor, " n"]
    row: Int[Tensor, " n"]
    level: Float[Tensor, " n"]
    spread: Float[Tensor, " n"]

    @classmethod
    def none(cls, size: int) -> "_Match":
        blank = torch.zeros(size)
        return cls(blank + torch.inf, blank.long(), blank, blank + 1)

    def better(self, other: "_Match") -> "_Match":
        nearer = other.distance < self.distance
        return _Match(*(torch.where(nearer, b, a) for a, b in zip(self, other, strict=True)))


def _recent(panel: Panel, recent: int) -> _Shapes:
    """The last rows of every series; a shorter one is padded."""
    behind = torch.arange(-recent, 0)
    rows = torch.from_numpy(panel.offsets[1:, None]) + behind
    inside = rows >= torch.from_numpy(panel.offsets[:-1, None])
    return _Shapes.read(torch.where(inside, panel.values[rows.clamp(min=0)], torch.nan))


def _nearest(shapes: _Shapes, library: Panel, number: int, stops: Ints, room: int) -> _Match:
    """In one series of a library, which stretch of ``room`` rows begins most like each context.

    Args:
        shapes: of the contexts.
        library: what to look in.
        number: of the series in it.
        stops: row of the series, for each context, before which a stretch must end.
        room: its rows.
    """
    start, stop = library.offsets[number : number + 2].tolist()
    if stop - start < room:
        return _Match.none(len(stops))
    rows = library.values[start:stop].unfold(0, room, 1)[:, : shapes.values.shape[1]]
    found = _Shapes.read(rows)
    end = torch.arange(room, room + len(rows))
    nearest, row = [], []
    limits = torch.from_numpy(np.asarray(stops))
    for contexts, limit in zip(shapes.values.split(QUERIES), limits.split(QUERIES), strict=True):
        distance = torch.cdist(
            contexts, found.values, compute_mode="donot_use_mm_for_euclid_dist"
        )  # the same bits however many are compared
        distance[end > limit[:, None]] = torch.inf
        least = distance.min(1)
        nearest.append(least.values)
        row.append(least.indices)
    best = torch.cat(row)
    return _Match(torch.cat(nearest), start + best, found.level[best], found.spread[best])


def _check_lengths(panel: Panel, context_length: int) -> None:
    if (short := panel.lengths <= context_length).any():
        raise DataError(
            f"An example must not overlap the context, so series need more than {context_length} "
            f"rows; too short: {naming(panel.ids[short])}. Forecast these without examples."
        )
