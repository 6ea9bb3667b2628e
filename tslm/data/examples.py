"""In-context forecasting: an example in front of a context, in place of its oldest rows.

Liu et al., "AutoTimes", NeurIPS 2024, in-context forecasting: of three segments in a context the
first two are the series at another time, and the third is to be continued.

Departures: the published example is the first rows of a series. Here it may also be the stretch of
rows, of the same series or of given ones, whose beginning is most similar to the context.
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

FLOOR = 0.1  # smallest standard deviation to divide by, as in the scale of adapters
QUERIES, STRETCHES = 256, 2**14  # contexts and stretches compared at once, to bound memory


@dataclass(frozen=True)
class Examples:
    """In-context examples: E rows for each series of a panel.

    Attributes:
        values: values, standardised like the series they are put before.
        time: times of these rows.
    """

    values: Float[Tensor, "n E"]
    time: Int[Tensor, "n E"]

    @classmethod
    def of(
        cls, source: str | Panel, panel: Panel, example_length: int, context_length: int
    ) -> "Examples":
        """Choose an example for each series of a panel.

        Args:
            source: "first" or "similar" rows of the series themselves, or a panel of other series.
            panel: the series to forecast.
            example_length: rows of an example, see ``Forecaster.example_length``.
            context_length: rows of a context with its example.

        Raises:
            ConfigError: if the model supports no examples, or the source is unknown.
            DataError: if a series, or a given one, is too short.
        """
        if not example_length:
            raise ConfigError(
                "This model reads a context as one stretch, so examples= is not supported. Choose "
                "an autoregressive adapter, such as adapter=autotimes, with base=none, and a "
                "context_length of at least three segments (adapter.patch_len)."
            )
        if isinstance(source, Panel):
            return cls.given(panel, source, example_length, context_length)
        own = {"first": cls.first, "similar": cls.similar}
        if source not in own:
            message = unknown_choice("examples", repr(source), own)
            raise ConfigError(f"{message} Or give a frame of series.")
        return own[source](panel, example_length, context_length)

    @classmethod
    def first(cls, panel: Panel, example_length: int, context_length: int) -> "Examples":
        """Take the first ``example_length`` rows of each series, as published.

        Raises:
            DataError: if a series is not longer than a context.
        """
        _check_lengths(panel, context_length)
        rows = torch.from_numpy(panel.offsets[:-1, None]) + torch.arange(example_length)
        return cls(panel.values[rows], panel.time[rows])

    @classmethod
    def similar(cls, panel: Panel, example_length: int, context_length: int) -> "Examples":
        """Take the rows of each series before its context whose beginning is most similar to it.

        Raises:
            DataError: if a series is not longer than a context.
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
        """Take the rows of a library whose beginning is most similar to the context of each series.

        Rows of a series with the same id are used only if they lie before that context.

        Args:
            panel: the series to forecast.
            library: the series to search.
            example_length: rows of an example.
            context_length: rows of a context with its example.

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
                f"examples= has no {example_length} consecutive rows for series "
                f"{naming(panel.ids[without])}; rows of the same id are used only if they lie "
                "before the context. Give longer series, or other ones."
            )
        return cls._of(shapes, library, best, example_length)

    @classmethod
    def _of(
        cls, shapes: "_Shapes", library: Panel, begins: Int[Tensor, " n"], example_length: int
    ) -> "Examples":
        """Return stretches scaled to the level and the spread of the contexts they resemble."""
        rows = begins[:, None] + torch.arange(example_length)
        found = _begun(library, begins, shapes)
        level, spread, own_level, own_spread = (
            part[:, None] for part in (shapes.level, shapes.spread, found.level, found.spread)
        )
        values = (library.values[rows] - own_level) / own_spread
        return cls(values * spread + level, library.time[rows])

    def before(self, batch: Batch, series: Int[Tensor, " B"]) -> Batch:
        """Return contexts whose first rows are replaced by the examples of their series.

        Args:
            batch: the contexts.
            series: number of the series of each.
        """
        size = self.values.shape[1]
        past, time = batch.past.clone(), batch.time.clone()
        past[:, :size, 0], time[:, :size] = self.values[series], self.time[series]
        return batch._replace(past=past, time=time)


class _Shapes(NamedTuple):
    """Shapes of stretches: values without level and spread.

    Attributes:
        values: standardised values; 0 where missing.
        level: mean of each stretch.
        spread: standard deviation of each stretch, at least ``FLOOR``.
    """

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
    """Return the shape of the last rows of every series; a shorter series is padded with NaN."""
    behind = torch.arange(-recent, 0)
    rows = torch.from_numpy(panel.offsets[1:, None]) + behind
    inside = rows >= torch.from_numpy(panel.offsets[:-1, None])
    return _Shapes.read(torch.where(inside, panel.values[rows.clamp(min=0)], torch.nan))


def _series(panel: Panel) -> Int[Tensor, " T"]:
    """Return the number of the series of each row."""
    return torch.from_numpy(np.repeat(np.arange(len(panel)), panel.lengths))


def _starts(panel: Panel, length: int) -> Int[Tensor, " m"]:
    """Return the rows at which ``length`` rows of one series begin."""
    ends = torch.from_numpy(np.repeat(panel.offsets[1:], panel.lengths))
    return (torch.arange(len(ends)) + length <= ends).nonzero()[:, 0]


def _begun(library: Panel, begins: Int[Tensor, " m"], like: _Shapes) -> _Shapes:
    """Return the shapes of the first rows of stretches, as many rows as contexts have."""
    return _Shapes.read(library.values[begins[:, None] + torch.arange(like.values.shape[1])])


def _nearest(
    shapes: _Shapes, library: Panel, rows: Int[Tensor, " m"], barred: Int[Tensor, " m"]
) -> tuple[Int[Tensor, " n"], Float[Tensor, " n"]]:
    """Return the row at which the most similar stretch begins, and its distance, per context.

    Args:
        shapes: shapes of the contexts.
        library: the series to search.
        rows: rows at which the stretches begin.
        barred: for each stretch, the number of the context that must not use it; -1 if all may.
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
