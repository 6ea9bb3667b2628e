"""Forecasts from past origins, beside the true values: backtests, in-sample forecasts and score."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from tslm.core.errors import DataError
from tslm.data.align import align_series
from tslm.data.events.table import EventTable
from tslm.data.frame import Frame
from tslm.data.origins import all_rolling_origins, check_lengths, rolling_origins, steps_after
from tslm.data.panel import Floats
from tslm.estimators.frame_reader import FrameReader
from tslm.estimators.text_estimator import TextEstimator
from tslm.uncertainty.requested_columns import RequestedColumns


@dataclass(frozen=True)
class Origins:
    """Rolling origins of a backtest, and the work that is done at each of them.

    Attributes:
        horizon: steps forecast from each origin.
        number: number of origins; the last one leaves ``horizon`` rows to the end of each series.
        step: rows between origins.
        refit_every: a model is fitted at every n-th origin; 0 fits it at the first one only.
        recalibrate: True to calibrate intervals again at origins without a fit.
    """

    horizon: int
    number: int
    step: int
    refit_every: int = 0
    recalibrate: bool = False


def backtest(
    models: Mapping[str, TextEstimator],
    frame: Frame,
    reader: FrameReader,
    origins: Origins,
    request: RequestedColumns,
    examples: str | pd.DataFrame | None = None,
    events: EventTable | None = None,
    *,
    fitted: Mapping[str, TextEstimator] | None = None,
) -> pd.DataFrame:
    """Fit models on the rows before each origin, and forecast the rows after it.

    Args:
        models: unfitted estimators by the names of their forecast columns. The first model, fitted
            or not, is given the examples and the events.
        frame: the series.
        reader: gives the user's names of columns.
        origins: the origins, and the work at each.
        request: requested columns beside the point forecasts.
        examples: examples for the first model, see ``predict``.
        events: statements for the first model. Those that were said after an origin are not read.
        fitted: models that are used as they are, before the others.

    Returns:
        One row per step: id, time, ``cutoff``, true value, and the forecasts of each model.
    """
    ready = dict(fitted or {})
    own, h = next(iter({**ready, **models})), origins.horizon
    check_lengths(frame, h + origins.step * (origins.number - 1))
    said = {} if events is None else {"events": events}
    folds = []
    for fold, (cutoffs, known, truth) in enumerate(
        rolling_origins(frame, h, origins.number, origins.step)
    ):
        columns: dict[str, Floats] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # given when the frame was read
            known = reader.rename(known)
            if fold == 0 or (origins.refit_every and fold % origins.refit_every == 0):
                ready |= {
                    name: clone(model).fit(known, **(said if name == own else {}))
                    for name, model in models.items()
                }
            elif origins.recalibrate:
                ready = {name: model.recalibrate(known) for name, model in ready.items()}
            for name, model in ready.items():
                panels, shown = model.panel_reader, None
                panel = panels.known(known, h, truth)
                about = events if name == own else None
                if examples is not None and name == own:
                    shown = panels.examples(examples, known, panel, request)
                found = model.forecast_panel(panel, h, request, shown, about)
                columns |= found.named(name, request)
        folds.append(_fold(reader, cutoffs, truth, columns))
    return pd.concat(folds, ignore_index=True)


def forecast_insample(
    model: TextEstimator, frame: Frame, horizon: int, step: int, request: RequestedColumns
) -> pd.DataFrame:
    """Forecast from every origin in a frame with a fitted model.

    Args:
        model: the fitted estimator.
        frame: the series.
        horizon: steps forecast from each origin.
        step: rows between origins.
        request: requested columns beside the point forecast.

    Returns:
        One row per step, as in ``backtest``.

    Raises:
        DataError: if no series is longer than ``horizon``.
    """
    panels, forecaster = model.panel_reader, model.panel_forecaster
    frame = align_series(frame) if forecaster.forecaster.multivariate else frame
    if not (np.diff(frame.offsets) > horizon).any():
        raise DataError(f"No series has more than h={horizon} rows. Set a smaller h.")
    folds = []
    for cutoffs, known, truth in all_rolling_origins(
        frame, horizon, step, forecaster.context_length
    ):
        panel = panels.known(panels.reader.rename(known), horizon, truth)
        found = model.forecast_panel(panel, horizon, request).named(panels.name, request)
        folds.append(_fold(panels.reader, cutoffs, truth, found))
    return pd.concat(folds, ignore_index=True)


def _fold(
    reader: FrameReader, cutoffs: pd.DataFrame, truth: pd.DataFrame, forecasts: dict[str, Any]
) -> pd.DataFrame:
    """Return the rows of one origin, with the user's names of columns."""
    truth = truth[["unique_id", "ds", "y"]].merge(cutoffs, on="unique_id")
    return reader.rename(truth[["unique_id", "ds", "cutoff", "y"]]).assign(**forecasts)


def scaled_error(model: TextEstimator, frame: Frame, horizon: int) -> float:
    """Return the mean absolute error of a fitted model, on the scale of its training rows.

    If all series follow those of ``fit``, they are forecast from the end of ``fit``; otherwise the
    last rows of each series are forecast from the rows before them.

    Args:
        model: the fitted estimator.
        frame: the series.
        horizon: last rows of each series that are forecast.

    Raises:
        DataError: if a series has no row before its last ``horizon``.
    """
    panels = model.panel_reader
    reader = panels.reader
    steps = steps_after(frame, panels.last_times())
    if steps is None:
        check_lengths(frame, horizon)
        ((_, known, truth),) = rolling_origins(frame, horizon, 1, horizon)
        panel, steps = panels.known(reader.rename(known), horizon, truth), horizon
    else:
        truth = frame.table
        futr_df = reader.rename(truth) if reader.covariates.future else None
        series = panels.select(panels.contexts, frame.ids)
        panel = panels.with_future(series, steps, futr_df)
    found = model.forecast_panel(panel, steps)
    ahead = pd.DataFrame(
        {
            "unique_id": np.repeat(np.asarray(panel.ids), steps),
            "ds": panels.calendar.from_int(found.time.ravel()),
            "ahead": found.point,
            "spread": np.repeat(panel.spread, steps),
        }
    )
    both = truth.merge(ahead, on=["unique_id", "ds"])
    return float(((both.y - both.ahead).abs() / both.spread).mean())
