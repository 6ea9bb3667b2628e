"""Comparison of forecasts on held-out rows: one fit, then every origin in one batch.

A model is fitted on the rows before the first origin. It forecasts each origin from all rows before
that origin, without another fit. No model sees the rows on which it is scored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tslm.data.datasets.demonstration import DemonstrationSet
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.evaluation.metrics import panel_errors
from tslm.evaluation.metrics.panel_errors import DECILES

QUANTILES = [f"q-{100 * level:g}" for level in DECILES]  # endings of columns
INSIDE = "inside 80 %"  # fraction of true values inside the interval from first to last decile
BOUNDS = {"q-10": "lo-80", "q-90": "hi-80"}  # endings of the same quantiles as an interval


@dataclass(frozen=True)
class HeldOut:
    """Rows before each origin, and the rows to forecast after it.

    Attributes:
        train: rows before the first origin.
        known: rows before each origin; each pair of series and origin has an id of its own.
        ahead: rows to forecast; ``window`` is the id in ``known``, ``cutoff`` the last time there.
        h: steps forecast from each origin.
        season_length: steps of the season in the scale of MASE.
    """

    train: pd.DataFrame
    known: pd.DataFrame
    ahead: pd.DataFrame
    h: int
    season_length: int

    @classmethod
    def of(cls, data: DemonstrationSet) -> "HeldOut":
        """Cut the rows of all origins, the oldest first."""
        left = data.frame.groupby("unique_id", sort=False).cumcount(ascending=False)
        known, ahead = [], []
        for number in range(data.origins, 0, -1):
            rows, ending = number * data.h, "" if number == data.origins else f"/{number}"
            past = data.frame[left >= rows]
            future = data.frame[(left < rows) & (left >= rows - data.h)]
            cutoff = future.unique_id.map(past.groupby("unique_id").ds.max())
            known.append(past.assign(unique_id=past.unique_id + ending))
            ahead.append(future.assign(window=future.unique_id + ending, cutoff=cutoff))
        train = known[0]
        return cls(train, pd.concat(known), pd.concat(ahead), data.h, data.season_length)

    @property
    def scale(self) -> np.ndarray:
        """Return the seasonal error of the rows before each origin, the unit of MASE."""
        pasts = self.known.groupby("unique_id", sort=False).y
        errors = [panel_errors.seasonal_error(y.to_numpy(), self.season_length) for _, y in pasts]
        return np.array(errors)


def forecasts(models: Iterable[TrainedForecaster], rows: HeldOut) -> pd.DataFrame:
    """Fit models, and forecast every origin.

    Args:
        models: unfitted estimators; they are fitted in place.
        rows: rows to fit on, and to forecast.

    Returns:
        One row per step: id, time, ``cutoff``, true value, and the point and the deciles of each
        model.
    """
    table = rows.ahead[["unique_id", "ds", "cutoff", "y", "window"]]
    for model in models:
        found = model.fit(rows.train).predict(rows.known, quantiles=list(DECILES))
        found = found.rename(columns={"unique_id": "window"})
        table = table.merge(found, how="left", on=["window", "ds"], validate="one_to_one")
    return table.drop(columns="window")


def errors(table: pd.DataFrame, names: Sequence[str], rows: HeldOut) -> pd.DataFrame:
    """Return MASE, WQL and coverage of each forecast, the smallest MASE first.

    Args:
        table: result of ``forecasts``.
        names: names of the forecasts.
        rows: rows before each origin.
    """
    truth, scale = table.y.to_numpy().reshape(-1, rows.h), rows.scale
    found = []
    for name in names:
        points = table[name].to_numpy().reshape(-1, rows.h)
        columns = [f"{name}-{ending}" for ending in QUANTILES]
        quantiles = table[columns].to_numpy().reshape(-1, rows.h, len(columns))
        inside = (quantiles[..., 0] <= truth) & (truth <= quantiles[..., -1])
        found.append(
            {
                "forecast": name,
                "MASE": panel_errors.mase(truth, points, scale),
                "WQL": panel_errors.wql(truth, quantiles, DECILES),
                INSIDE: inside.mean(),
            }
        )
    return pd.DataFrame(found).sort_values("MASE", ignore_index=True)


def with_intervals(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return points and 80 % intervals in place of deciles, as ``predict(level=[80])`` names them.

    Args:
        table: result of ``forecasts``.
        names: names of the forecasts, in the order of the columns.
    """
    titles = {
        f"{name}-{ending}": f"{name}-{bound}" for name in names for ending, bound in BOUNDS.items()
    }
    shown = [column for name in names for column in (name, f"{name}-lo-80", f"{name}-hi-80")]
    return table.rename(columns=titles)[["unique_id", "ds", "cutoff", "y", *shown]]
