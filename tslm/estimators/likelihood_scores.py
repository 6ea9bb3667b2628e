"""Log-likelihoods and p-values of observed rows, by forecasts from earlier origins."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from tslm.core.calendar import Ints
from tslm.core.errors import ConfigError, DataError
from tslm.core.messages import naming
from tslm.data.align import align_series
from tslm.data.events.table import EventTable
from tslm.data.frame import Frame
from tslm.data.panel import Panel
from tslm.data.past_panel import past_panel
from tslm.estimators.memory.out_of_memory import predict_within_memory
from tslm.estimators.text_estimator import TextEstimator
from tslm.estimators.validation.calibration import warn_if_not_calibrated
from tslm.uncertainty.conformal.likelihood import LEVELS, likelihood
from tslm.uncertainty.p_values import window_p_values
from tslm.uncertainty.requested_columns import RequestedColumns

Floats = npt.NDArray[np.float64]
COLUMNS = ("log_likelihood", "p_value", "window_log_likelihood", "window_p_value", "anomaly")
REQUEST = RequestedColumns({f"q-{number}": level for number, level in enumerate(LEVELS.tolist())})
VALUES = 2**22  # quantiles held at once


@dataclass(frozen=True)
class Origins:
    """Origins from which rows are forecast.

    Attributes:
        series: number of the series of each origin.
        position: first forecast row, within the series.
    """

    series: Ints
    position: Ints

    def take(self, some: Any) -> "Origins":
        """Return some of the origins."""
        return Origins(self.series[some], self.position[some])


@dataclass(frozen=True)
class WindowScores:
    """Scores of the rows of a frame, by the forecasts of a fitted model.

    Attributes:
        model: the fitted estimator.
        horizon: steps forecast from each origin.
        step: rows between origins.
        rows: rows of a series that a forecast reads.
        alpha: largest p-value of an anomaly; None marks none.
    """

    model: TextEstimator
    horizon: int
    step: int
    rows: int
    alpha: float | None

    @classmethod
    def of(
        cls, model: TextEstimator, horizon: int, step: int, rows: int, alpha: Any
    ) -> "WindowScores":
        """Check the settings.

        Raises:
            ConfigError: if ``alpha`` is no share, or a column of the result has the name of one of
                the user's.
        """
        number = isinstance(alpha, int | float) and not isinstance(alpha, bool)
        if alpha is not None and not (number and 0 < alpha < 1):
            raise ConfigError(f"alpha={alpha!r} must be a number between 0 and 1, such as 0.001.")
        columns = model.reader.columns
        used = {columns.id, columns.time, columns.target, *columns.parts, model.name}
        if both := sorted(used & set(COLUMNS)):
            raise ConfigError(
                f"The column or forecast {naming(both)} has the name of a score. Rename it."
            )
        return cls(model, horizon, step, rows, None if alpha is None else float(alpha))

    def table(self, frame: Frame, events: pd.DataFrame | EventTable | None) -> pd.DataFrame:
        """Return the scores of the rows of a frame, with the user's names of columns.

        Raises:
            DataError: if no series has two rows.
        """
        panels, joint = self.model.panel_reader, self.model.panel_forecaster.forecaster.multivariate
        frame = align_series(frame) if joint else frame
        lengths = np.diff(frame.offsets)
        if not (lengths > 1).any():
            raise DataError("No series of df has two rows, so there is no forecast to compare.")
        context = int(self.model.config_.context_length)
        first = np.minimum(context, (lengths - self.horizon).clip(1))
        warn_if_not_calibrated(self.model.calibration_, len(panels.contexts), self.model.h)
        panel = panels.panel_of(frame, first, keep=True)
        said = None if events is None else panels.events(events, panel)
        parts = [
            self._scored(frame, panel, origins, said)
            for origins in self._origins(lengths, first, joint)
        ]
        found = pd.concat(parts).sort_values(["series", "position", "row"], ignore_index=True)
        found = found.drop(columns=["series", "position", "row"])
        if self.alpha is not None:
            found["anomaly"] = (found.p_value <= self.alpha).to_numpy()
        return panels.reader.rename(found)

    def _origins(self, lengths: Ints, first: Ints, joint: bool) -> Iterator[Origins]:
        """Yield origins that are forecast together: of all series if they are read together."""
        counts = np.where(lengths > 1, -(-(lengths - first) // self.step), 0)
        series = np.repeat(np.arange(len(lengths)), counts)
        number = np.arange(len(series)) - np.repeat(np.cumsum(counts) - counts, counts)
        every = Origins(series, first[series] + number * self.step)
        if joint:
            for position in np.unique(every.position):
                yield every.take(np.flatnonzero(every.position == position))
            return
        size = max(1, VALUES // (self.horizon * len(LEVELS)))
        for begin in range(0, len(series), size):
            yield every.take(slice(begin, begin + size))

    def _scored(
        self, frame: Frame, panel: Panel, origins: Origins, events: EventTable | None
    ) -> pd.DataFrame:
        """Return the scores of the rows after some origins."""
        series, position = origins.series, origins.position
        past = past_panel(panel, series, position, self.rows)
        past = self._with_covariates(frame, panel, past, origins)
        with predict_within_memory(self.horizon, len(past), len(LEVELS)):
            found = self.model.forecast_panel(past, self.horizon, REQUEST, None, events)
        rows = position[:, None] + np.arange(self.horizon)
        inside = rows < np.diff(frame.offsets)[series][:, None]
        flat = frame.offsets[series][:, None] + np.where(inside, rows, 0)
        table = frame.table
        truth = np.where(inside, table["y"].to_numpy()[flat], np.nan)
        with np.errstate(over="ignore", invalid="ignore"):
            scores = likelihood(found.values[1:], truth, panel.spread[series][:, None])
        calibration = self.model.calibration_
        p_values = calibration.tail.p_values(np.abs(scores.score))
        ranks = calibration.template.ranks.numpy().astype(np.float64)
        together = window_p_values(p_values, ranks, calibration.independent)
        known = np.isfinite(truth).any(1)
        total = np.where(known, np.nansum(scores.log_density, 1), np.nan)
        last = (frame.offsets[series] + position - 1)[:, None]
        columns: dict[str, Any] = {
            "series": series[:, None],
            "position": position[:, None],
            "row": rows,
            self.model.name: found.values[0],
            "log_likelihood": scores.log_density,
            "p_value": p_values,
            "window_log_likelihood": total[:, None],
            "window_p_value": together[:, None],
        }
        numbers = {name: np.broadcast_to(v, rows.shape)[inside] for name, v in columns.items()}
        shown = table[["unique_id", "ds", "y"]].iloc[flat[inside]].reset_index(drop=True)
        cutoff = table["ds"].iloc[np.broadcast_to(last, rows.shape)[inside]]
        shown.insert(2, "cutoff", cutoff.array)
        return shown.assign(**numbers)

    def _with_covariates(self, frame: Frame, panel: Panel, past: Panel, origins: Origins) -> Panel:
        """Return series with the covariates of the steps after each origin, taken from the frame.

        Args:
            frame: the series, with their covariates.
            panel: the same series.
            past: the rows before each origin.
            origins: the origins.
        """
        panels = self.model.panel_reader
        if panels.effects is None:
            return past
        series = origins.series
        rows = origins.position[:, None] + np.arange(self.horizon)
        last = np.diff(frame.offsets)[series][:, None] - 1
        place = (frame.offsets[series][:, None] + np.minimum(rows, last)).ravel()
        names = list(panels.reader.covariates.future)
        ahead = frame.table[names].iloc[place].reset_index(drop=True)
        known = panel.effects.known
        if known is not None and not panels.effects.subtracts:  # missing ones were filled in
            ahead = pd.DataFrame(known.values[torch.from_numpy(place)].numpy(), columns=names)
        ends = past.time.numpy()[past.offsets[1:] - 1]
        time = panels.calendar.future(ends, self.horizon).ravel()
        return panels.effects.apply_future(past, ahead, time, panels.calendar)
