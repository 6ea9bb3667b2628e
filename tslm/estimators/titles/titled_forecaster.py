"""Forecasts of panels in which series with few rows are forecast from their titles too."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import ndtri
from torch import Tensor

from tslm.core.float64 import exactly
from tslm.core.hashing import sha256_text
from tslm.data.examples import Examples
from tslm.data.panel import Floats, Panel
from tslm.estimators.inference import POINTS, Forecasts, PanelForecaster
from tslm.estimators.titles.known_titles import KnownTitles, known_rows, phase_of
from tslm.models.text.title_process import Prior, TitleForecast
from tslm.models.text.title_vectors import TitleVectors
from tslm.uncertainty.requested_columns import RequestedColumns


@dataclass(frozen=True)
class TitledForecaster:
    """Forecaster of panels, with the titles of series.

    A series without a known value is forecast from its title alone. The share of the title falls
    with the number of known rows, and is 0 from two seasons on.

    Attributes:
        plain: forecasts without titles.
        known: what the titles of the series of ``fit`` told.
        reader: reads titles.
    """

    plain: PanelForecaster
    known: KnownTitles
    reader: TitleVectors

    @property
    def floor(self) -> float | None:
        """Return the smallest value of a forecast."""
        return self.plain.floor

    def forecast(
        self,
        panel: Panel,
        horizon: int,
        request: RequestedColumns = POINTS,
        examples: Examples | None = None,
    ) -> Forecasts:
        """Forecast the steps after the last row of each series.

        Args:
            panel: as in ``PanelForecaster.forecast``; it may have series without a known value.
            horizon: as there.
            request: as there.
            examples: as there.
        """
        rows = known_rows(panel).numpy()
        found = self._without_titles(panel, rows > 0, horizon, request, examples)
        trusts = [self.known.trust.of(count) for count in rows.tolist()]
        share = np.array([each for each, _ in trusts]) * (rows < self.known.few)
        short = np.flatnonzero(share > 0)
        if not len(short):
            return found
        values = found.values.copy()
        own = self.from_titles(panel.take(short), horizon, request)
        for place, number in enumerate(short.tolist()):
            values[:, number] = _mixed(values[:, number], own[:, place], share[number], request)
        return replace(found, values=values)

    def from_titles(self, panel: Panel, horizon: int, request: RequestedColumns) -> Floats:
        """Return forecasts from titles and the rows of each series, ``[columns, n, H]``."""
        assert panel.titles is not None
        assert self.known.process is not None
        priors = self.known.process.priors(self.reader.vectors(panel.titles))
        rows = known_rows(panel).tolist()
        found = []
        for number, prior in enumerate(priors):
            seed = f"{self.plain.random_state}/{panel.ids[number]!r}"
            ahead = self.process_forecast(panel, number, prior, horizon)
            _, width = self.known.trust.of(rows[number])
            found.append(self.known.scale.undo(_columns(ahead, width, request, seed)))
        y = torch.stack(found, 1).numpy()
        loc, spread = (each[:, None] for each in (panel.loc, panel.spread))
        every = np.arange(len(panel))
        moved = [panel.effects.add_future((each - loc) / spread, every) for each in y]
        y = np.stack(moved) * spread + loc
        return np.asarray(y.clip(-np.inf if self.floor is None else self.floor))

    def process_forecast(
        self, panel: Panel, number: int, prior: Prior, horizon: int
    ) -> TitleForecast:
        """Return the distribution of the steps after one series, on the scale of the titles."""
        assert self.known.process is not None
        rows = slice(panel.offsets[number], panel.offsets[number + 1])
        calendar, time = self.plain.calendar, panel.time[rows].numpy()
        ahead = calendar.future(time[-1:], horizon)[0]
        y = exactly(panel.values[rows]) * panel.spread[number] + panel.loc[number]
        phase, steps = (
            torch.from_numpy(phase_of(calendar, each, self.known.phases)) for each in (time, ahead)
        )
        return self.known.process.forecast(prior, self.known.scale.apply(y), phase, steps)

    def _without_titles(
        self,
        panel: Panel,
        seen: np.ndarray,
        horizon: int,
        request: RequestedColumns,
        examples: Examples | None,
    ) -> Forecasts:
        """Return the forecasts without titles; missing for series without a known value."""
        if seen.all():
            return self.plain.forecast(panel, horizon, request, examples)
        last = panel.time.numpy()[panel.offsets[1:] - 1]
        columns = 1 + len(request.endings)
        values = np.full((columns, len(panel), horizon), np.nan)
        if seen.any():
            part = panel.take(np.flatnonzero(seen))
            values[:, seen] = self.plain.forecast(part, horizon, request).values
        return Forecasts(self.plain.calendar.future(last, horizon), values)


def _columns(
    ahead: TitleForecast, width: float, request: RequestedColumns, seed: str
) -> Float[Tensor, "columns H"]:
    """Return the median, the requested quantiles and the requested paths of a distribution."""
    scores = torch.from_numpy(ndtri(np.array([0.5, *request.quantile_levels.values()])))
    spread = ahead.covariance.diagonal().clamp(min=0).sqrt()
    columns = ahead.mean + width * scores[:, None] * spread
    if not request.samples:
        return columns
    one = torch.eye(len(spread), dtype=torch.float64)
    root = torch.linalg.cholesky(ahead.covariance + 1e-9 * ahead.covariance.trace() * one)
    dice = torch.Generator().manual_seed(int(sha256_text(seed)[:15], 16))
    drawn = torch.randn(request.samples, len(spread), generator=dice, dtype=torch.float64)
    return torch.cat([columns, ahead.mean + width * drawn @ root.T])


def _mixed(plain: Floats, titled: Floats, share: float, request: RequestedColumns) -> Floats:
    """Return columns of both forecasts mixed: means of quantiles, and some paths of each."""
    if share >= 1:
        return titled
    mixed = (1 - share) * plain + share * titled
    if request.samples:
        first = len(plain) - request.samples
        number = np.arange(request.samples)
        chosen = np.floor((number + 1) * share) > np.floor(number * share)
        mixed[first:] = np.where(chosen[:, None], titled[first:], plain[first:])
    return mixed
