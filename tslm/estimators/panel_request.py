"""Requests for forecasts, read for a fitted estimator: a panel, and all that is wanted of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from tslm.data.events.table import EventTable
from tslm.data.examples import Examples
from tslm.data.joined_panel import joined
from tslm.data.origins import warn_of_long_horizon
from tslm.data.panel import Panel
from tslm.estimators.frame_estimator import FrameEstimator
from tslm.estimators.inference import Forecasts
from tslm.estimators.panel_reader import PanelReader
from tslm.estimators.validation.calibration import warn_if_not_calibrated
from tslm.uncertainty.requested_columns import RequestedColumns


@dataclass(frozen=True)
class PanelRequest:
    """Series to forecast, and what is wanted of them.

    Attributes:
        panel: the series, with the effects of covariates on the steps to forecast.
        horizon: number of steps.
        columns: columns beside the point forecast.
        examples: examples to place before the contexts; None without any.
        statements: statements about the series; None without any.
    """

    panel: Panel
    horizon: int
    columns: RequestedColumns
    examples: Examples | None = None
    statements: EventTable | None = None

    @classmethod
    def read(
        cls,
        model: FrameEstimator,
        panels: PanelReader,
        df: pd.DataFrame | None,
        horizon: int,
        columns: RequestedColumns,
        *,
        ids: Any = None,
        futr_df: pd.DataFrame | None = None,
        static_df: pd.DataFrame | None = None,
        events: pd.DataFrame | EventTable | None = None,
        examples: str | pd.DataFrame | None = None,
    ) -> "PanelRequest":
        """Read the tables of a request, and warn of what its forecasts suffer from.

        Args:
            model: the fitted estimator.
            panels: its reader of panels.
            df: as in ``predict``, like the arguments below.
            horizon: number of steps, at least 1.
            columns: columns beside the point forecast.
            ids: as in ``predict``.
            futr_df: as in ``predict``.
            static_df: as in ``predict``.
            events: as in ``predict``.
            examples: as in ``predict``.

        Raises:
            ConfigError: if the request is impossible.
            DataError: if a table breaks the contract.
        """
        if columns:
            warn_if_not_calibrated(model.calibration_, len(panels.contexts), model.h)
        series = panels.series(df, static_df)
        statements = None if events is None else panels.events(events, series)
        series = series if ids is None else panels.select(series, ids)
        if horizon > model.h:
            rows = np.diff(series.offsets)
            if df is None:  # of longer series only the last rows are kept
                rows = np.where(rows < panels.context_length, rows, horizon)
            warn_of_long_horizon(series.ids, rows, horizon)
        panel = panels.with_future(series, horizon, futr_df)
        shown = None if examples is None else panels.examples(examples, df, panel, columns)
        return cls(panel, horizon, columns, shown, statements)

    def table(self, found: Forecasts, panels: PanelReader) -> pd.DataFrame:
        """Return the forecasts of this request as a frame, with the user's names of columns."""
        index = {
            "unique_id": np.repeat(np.asarray(self.panel.ids), self.horizon),
            "ds": panels.calendar.from_int(found.time.ravel()),
        }
        columns = found.named(panels.name, self.columns)
        return panels.reader.rename(pd.DataFrame({**index, **columns}))

    @classmethod
    def joined(cls, requests: Sequence["PanelRequest"]) -> "PanelRequest":
        """Return one request for the series of several, which want the same of one model.

        Two of its series may have the same id. They have no examples and no statements.
        """
        first = requests[0]
        if len(requests) == 1:
            return first
        return replace(first, panel=joined([request.panel for request in requests]))
