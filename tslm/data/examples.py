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

from tslm.core.errors import ConfigError, DataError
from tslm.core.messages import naming, unknown_choice
from tslm.core.types import Batch
from tslm.data.panel import Panel

FLOOR = 0.1  # least spread a stretch is compared by, as adapters have it
QUERIES, STRETCHES = 256, 2**14  # contexts and stretches that are compared at once


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
    def of(
        cls, source: str | Panel, panel: Panel, example_length: int, context_length: int
    ) -> "Examples":
        """Examples for each series of a panel.

        Args:
            source: "first" or "similar" rows of the series themselves, or others to look in.
            panel: the series to forecast.
            example_length: rows of an example, see ``Forecaster.example_length``.
            context_length: rows of a context with its example.

        Raises:
            ConfigError: if there is no room, or the source is unknown.
            DataError: if a series, or what is given, is too short.
        """
        if not example_length:
            raise ConfigError(
                "This model reads a context as one stretch, so examples cannot stand in it. Choose "
                "an autoregressive adapter, such as autotimes, without a base, and a "
                "context_length of at least three segments (adapter.patch_len)."
            )
        if isinstance(source, Panel):
            return cls.given(panel, source, example_length, context_length)
        own = {"first": cls.first, "similar": cls.similar}
        if source not in own:
            said = unknown_choice("examples", repr(source), own)
            raise ConfigError(f"{said} Or give a frame of series.")
        return own[source](panel, example_length, context_length)

    @classmethod
    def first(cls, panel: Panel, example_length: int, context_length: int) -> "Examples":
        """The first ``example_length`` rows of each series, as published.

        Raises:
            DataError: if a series has no row besides a context.
        """
        _check_lengths(panel, context_length)
        rows = torch.from_numpy(panel.offsets[:-1, None]) + torch.arange(example_length)
        return cls(panel.values[rows], panel.time[rows])

    @classmethod
    def similar(cls, panel: Panel, example_length: int, context_length: int) -> "Examples":
        """Take the rows of each series, before its context, that begin most like the context.

        Raises:
            DataError: if a series has no row besides a context.
        """
        _check_lengths(panel, context_length)
        shapes = _recent(panel, context_length - example_length)
        rows = _starts(panel, context_length)
        series = _series(panel)[rows]
        distance = torch.cat(
            [
                (_begun(panel, some, shapes).values - shapes.values[own]).norm(dim=1)
                for some, own in zip(rows.split(STRETCHES), series.split(STRETCHES), strict=True)
            ]
        )
        order = np.lexsort((distance.numpy(), series.numpy()))  # the first of the nearest
        first = order[np.searchsorted(series.numpy(), np.arange(len(panel)))]
        return cls._of(shapes, panel, rows[first], example_length)

    @classmethod
    def given(
        cls, panel: Panel, library: Panel, example_length: int, context_length: int
    ) -> "Examples":
        """The ``example_length`` rows of a library that begin most like the context of each series.

        Rows of a series of the same id count only before that context.

        Raises:
            DataError: if the library has no such rows for a series.
        """
        recent = context_length - example_length
        shapes = _recent(panel, recent)
        rows = _starts(library, example_length)
        begin = panel.time[np.maximum(panel.offsets[1:] - recent, panel.offsets[:-1])]
        same = torch.from_numpy(panel.ids.get_indexer(library.ids))[_series(library)[rows]]
        barred = torch.where(library.time[rows + example_length - 1] >= begin[same], same, -1)
        best, distance = _nearest(shapes, library, rows, barred)
        if (without := torch.isinf(distance).numpy()).any():
            raise DataError(
                f"examples have no {example_length} rows in a row that could stand before the "
                f"contexts of series {naming(panel.ids[without])}; rows of the same id count only "
                "before the context. Give longer examples, or of other series."
            )
        return cls._of(shapes, library, best, example_length)

    @classmethod
    def _of(
        cls, shapes: "_Shapes", library: Panel, begins: Int[Tensor, " n"], example_length: int
    ) -> "Examples":
        """Stretches at the level, and with the spread, of the contexts they resemble."""
        rows = begins[:, None] + torch.arange(example_length)
        found = _begun(library, begins, shapes)
        level, spread, own_level, own_spread = (
            part[:, None] for part in (shapes.level, shapes.spread, found.level, found.spread)
        )
        values = (library.values[rows] - own_level) / own_spread
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


def _recent(panel: Panel, recent: int) -> _Shapes:
    """The last rows of every series; a shorter one is padded."""
    behind = torch.arange(-recent, 0)
    rows = torch.from_numpy(panel.offsets[1:, None]) + behind
    inside = rows >= torch.from_numpy(panel.offsets[:-1, None])
    return _Shapes.read(torch.where(inside, panel.values[rows.clamp(min=0)], torch.nan))


def _series(panel: Panel) -> Int[Tensor, " T"]:
    """The number of the series of each row."""
    return torch.from_numpy(np.repeat(np.arange(len(panel)), panel.lengths))


def _starts(panel: Panel, length: int) -> Int[Tensor, " m"]:
    """Rows with which a stretch of ``length`` rows of one series begins."""
    ends = torch.from_numpy(np.repeat(panel.offsets[1:], panel.lengths))
    return (torch.arange(len(ends)) + length <= ends).nonzero()[:, 0]


def _begun(library: Panel, begins: Int[Tensor, " m"], like: _Shapes) -> _Shapes:
    """The first rows of some stretches, as many as contexts have."""
    return _Shapes.read(library.values[begins[:, None] + torch.arange(like.values.shape[1])])


def _nearest(
    shapes: _Shapes, library: Panel, rows: Int[Tensor, " m"], barred: Int[Tensor, " m"]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Find the stretch of a library that begins most like each context, and how far it is.

    Args:
        shapes: of the contexts.
        library: what to look in.
        rows: with which its stretches begin.
        barred: the number of the one context that must not see a stretch; -1 if all may.
    """
    least = torch.full((len(shapes.values),), torch.inf)
    best = torch.zeros(len(least), dtype=torch.long)
    for part in torch.arange(len(rows)).split(STRETCHES) if len(rows) else ():
        some, closed = rows[part], barred[part]
        found = _begun(library, some, shapes)
        for few in torch.arange(len(least)).split(QUERIES):
            distance = torch.cdist(
                shapes.values[few], found.values, compute_mode="donot_use_mm_for_euclid_dist"
            )  # the same bits however many are compared
            own = torch.isin(closed, few).nonzero()[:, 0]
            distance[closed[own] - few[0], own] = torch.inf
            near = distance.min(1)
            nearer = near.values < least[few]
            least[few] = torch.where(nearer, near.values, least[few])
            best[few] = torch.where(nearer, some[near.indices], best[few])
    return best, least


def _check_lengths(panel: Panel, context_length: int) -> None:
    if (short := panel.lengths <= context_length).any():
        raise DataError(
            f"An example must not overlap the context, so series need more than {context_length} "
            f"rows; too short: {naming(panel.ids[short])}. Forecast these without examples."
        )
