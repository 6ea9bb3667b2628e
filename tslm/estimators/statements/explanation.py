"""Explanation of a forecast by the statements that it reads."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tslm.data.panel import Panel
from tslm.estimators.inference import PanelForecaster
from tslm.estimators.statements.effects import StatementEffects
from tslm.estimators.titles.titled_forecaster import TitledForecaster
from tslm.plots.statements import plot_statements

HISTORY_HORIZONS = 2  # horizons of history before the forecast


@dataclass(frozen=True)
class StatementExplanation:
    """Effect of each statement on a forecast.

    Attributes:
        effects: one row per statement and series: ``unique_id``, ``text``, ``start`` and ``end``
            (first and last forecast step concerned), ``steps``, mean ``factor``, mean ``shift`` (in
            the units of the series), share ``replaced`` by 0, bounds ``lower`` and ``upper``, and
            the sum of the forecast in these steps ``before`` and ``after`` this statement alone.
        forecasts: one row per step: ``unique_id``, ``ds``, the forecast under its name, and the
            forecast ``without`` statements.
        history: last rows before the forecast: ``unique_id``, ``ds`` and ``y``.
        name: name of the forecast.
    """

    effects: pd.DataFrame
    forecasts: pd.DataFrame
    history: pd.DataFrame
    name: str

    @classmethod
    def of(
        cls,
        statements: StatementEffects,
        forecaster: PanelForecaster | TitledForecaster,
        panel: Panel,
        horizon: int,
        name: str,
    ) -> "StatementExplanation":
        """Explain the forecast of a panel.

        Args:
            statements: the statements and their effects.
            forecaster: forecasts without statements.
            panel: the series, with the effects of covariates on the ``horizon`` steps.
            horizon: steps to forecast.
            name: name of the forecast.
        """
        plain = forecaster.forecast(panel, horizon)
        moved = statements.forecast(forecaster, panel, horizon)
        times = statements.calendar.from_int
        ahead = {
            "unique_id": np.repeat(np.asarray(panel.ids), horizon),
            "ds": times(plain.time.ravel()),
            name: moved.point,
            "without": plain.point,
        }
        shown = panel.tail(HISTORY_HORIZONS * horizon)
        past = {
            "unique_id": np.repeat(np.asarray(shown.ids), shown.lengths),
            "ds": times(shown.time.numpy()),
            "y": shown.in_units(),
        }
        effects = statements.explain(plain, panel)
        return cls(effects, pd.DataFrame(ahead), pd.DataFrame(past), name)

    def plot(self) -> Any:
        """Draw the forecasts with and without statements, and the spans; a matplotlib Figure."""
        return plot_statements(self.effects, self.forecasts, self.history, self.name)
