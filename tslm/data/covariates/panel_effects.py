"""Covariate effects of the series of a panel: removed from its values, added back to forecasts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.data.covariates.lagged import LaggedEffect

Floats = npt.NDArray[np.float64]


class KnownRows(NamedTuple):
    """Covariates known in advance that a model reads itself.

    Attributes:
        values: covariates of each row of a panel; in their own units, or standardised where their
            effects are subtracted; the last column is then the effect.
        names: their names.
        future: covariates of the steps after the last row of each series; None before they are
            known.
    """

    values: Float[Tensor, "T K"]
    names: tuple[str, ...]
    future: Float[Tensor, "n H K"] | None = None

    @classmethod
    def joined(cls, parts: Sequence["KnownRows"]) -> "KnownRows":
        """Return the covariates of several panels, of which each has the same columns."""
        future = [each.future for each in parts if each.future is not None]
        values = torch.cat([each.values for each in parts])
        return cls(values, parts[0].names, torch.cat(future) if future else None)

    def is_valid(self, rows: int) -> bool:
        """Return True if there are finite covariates for each of ``rows`` rows."""
        shape = (rows, len(self.names))
        return self.values.shape == shape and bool(self.values.isfinite().all())

    def after(
        self, offsets: Ints, series: Int[Tensor, " B"], position: Int[Tensor, " B"], horizon: int
    ) -> Float[Tensor, "B H K"]:
        """Return the covariates from a row of some series on; the last known ones go on.

        Args:
            offsets: row at which each series starts, and the end of the last one.
            series: number of the series.
            position: its row.
            horizon: steps, H.
        """
        start, end = (torch.from_numpy(part)[series][:, None] for part in (offsets, offsets[1:]))
        row = start + position[:, None] + torch.arange(horizon)
        values = self.values[torch.minimum(row, end - 1)]
        if self.future is None:
            return values
        beyond = (row - end).clamp(0, self.future.shape[1] - 1)
        return torch.where((row < end)[:, :, None], values, self.future[series[:, None], beyond])

    def take(self, rows: Int[Tensor, " N"], series: Ints | None) -> "KnownRows":
        """Return the covariates of some rows, and of some series; of all series if None."""
        future = self.future
        if future is not None and series is not None:
            future = future[series]
        return self._replace(values=self.values[rows], future=future)


@dataclass(frozen=True)
class PanelEffects:
    """Covariate effects that belong to the rows and series of one panel.

    Attributes:
        lagged: effect of past covariates on the steps after each row; None without them.
        future: effect of all covariates on the steps after the last row of each series,
            standardised; None before these steps are known.
        levels: mean and standard deviation of covariates by column name and series id; None for
            those of ``fit``.
        statics: static covariates of each series, indexed by id; None for those of ``fit``.
        known: covariates that the model reads itself; None if it reads none.
    """

    lagged: LaggedEffect | None = None
    future: Float[Tensor, "n H"] | None = None
    levels: Mapping[str, Mapping[Any, tuple[float, float]]] | None = None
    statics: pd.DataFrame | None = None
    known: KnownRows | None = None

    @classmethod
    def joined(cls, parts: Sequence["PanelEffects"]) -> "PanelEffects":
        """Return the effects of several panels of one model, as far as forecasts need them."""
        future = [each.future for each in parts if each.future is not None]
        lagged = [each.lagged for each in parts if each.lagged is not None]
        known = [each.known for each in parts if each.known is not None]
        return cls(
            lagged=LaggedEffect.joined(lagged) if lagged else None,
            future=torch.cat(future) if future else None,
            known=KnownRows.joined(known) if known else None,
        )

    def add_future(self, z: Floats, series: Ints) -> Floats:
        """Return standardised forecasts plus the effect of covariates on their steps.

        Args:
            z: forecasts, one row per entry of ``series``; the last axis is the steps.
            series: number of the series of each row.
        """
        if self.future is None:
            return z
        effect = self.future[series].numpy().astype(np.float64)
        return np.asarray(z + effect.reshape(len(series), *(1,) * (z.ndim - 2), -1))

    def take(self, rows: Int[Tensor, " N"], series: Ints | None = None) -> "PanelEffects":
        """Return the effects of some rows, and of some series; of all series if None."""
        future = self.future
        if future is not None and series is not None:
            future = future[series]
        lagged = None if self.lagged is None else self.lagged.take(rows)
        known = None if self.known is None else self.known.take(rows, series)
        return replace(self, lagged=lagged, future=future, known=known)

    def scale_lagged(self, factor: float) -> "PanelEffects":
        """Return the effects with that of past covariates multiplied by a factor."""
        return replace(self, lagged=None if self.lagged is None else self.lagged.scale(factor))

    def without_lagged(self) -> "PanelEffects":
        """Return the effects without that of past covariates."""
        return replace(self, lagged=None)
