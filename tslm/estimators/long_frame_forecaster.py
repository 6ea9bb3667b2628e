"""Forecasts of long frames: predict, backtest and plot with a fitted estimator."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.fitted import fitted_attribute
from tslm.core.messages import check_choice
from tslm.core.plain_values import positive
from tslm.core.types import Task
from tslm.data.events.table import EventTable
from tslm.data.interchange import same_kind
from tslm.data.roles import find_columns
from tslm.estimators.backtesting import Origins, backtest, forecast_insample
from tslm.estimators.input_importance import explain_inputs
from tslm.estimators.memory.out_of_memory import predict_within_memory
from tslm.estimators.panel_request import PanelRequest
from tslm.estimators.statements.explanation import StatementExplanation
from tslm.estimators.tensor_forecast import forecast_tensor
from tslm.estimators.text_estimator import TextEstimator
from tslm.uncertainty.requested_columns import RequestedColumns

EXPLAINED = ("statements", "inputs")  # kinds of explanation that every estimator has


class LongFrameForecaster(TextEstimator):
    """Forecaster of any number of series of any lengths in one long frame.

    Attributes:
        task_: lengths, season and frequency.
    """

    task_: Task

    @same_kind
    def predict(
        self,
        df: pd.DataFrame | None = None,
        *,
        h: int | None = None,
        ids: Any = None,
        level: Sequence[float | int] | None = None,
        quantiles: Sequence[float | int] | None = None,
        num_samples: int | None = None,
        futr_df: pd.DataFrame | None = None,
        static_df: pd.DataFrame | None = None,
        events: pd.DataFrame | EventTable | None = None,
        examples: str | pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Forecast the steps after the last row of each series.

        Args:
            df: series to continue, also ones that ``fit`` did not see; None continues those of
                ``fit``.
            h: number of steps, the estimator's ``h`` by default.
            ids: a list of the ids to forecast, in this order; None forecasts all.
            level: coverage of central intervals in percent, such as [80, 95]. It adds the columns
                ``{alias}-lo-80`` and ``{alias}-hi-80``.
            quantiles: quantile levels such as [0.1, 0.9], in place of ``level``. They add the
                columns ``{alias}-q-10`` and so on.
            num_samples: number of sample paths, coherent over the horizon. They are the columns
                ``{alias}-sample-0`` and so on, and depend on ``random_state``.
            futr_df: id, time and ``futr_exog`` of the steps to forecast; other rows are ignored.
            static_df: one row per series of ``df`` with the columns of ``static_exog`` and those
                that ``prompt`` names; None takes them from ``df``.
            events: statements about the past or the steps to forecast, one per row: ``text``, and
                where they are known the id, ``start``, ``end`` (first and last step concerned),
                ``said_at`` (when it became known; statements after the last row are left out),
                ``lower`` and ``upper`` (bounds of the values). ``tslm.data.events.read`` makes
                such a table from free text.
            examples: rows in place of the oldest two thirds of each context, for autoregressive
                adapters; see ``tslm.data.examples``. "first" are the first rows of the series.
                "similar" are its earlier rows that are most similar to the rest of the context,
                with the rows after them. A long frame gives the most similar rows of other series.

        Returns:
            One row per step: the id, the time, the forecast in the units of ``y``, and the
            requested columns.

        Raises:
            ConfigError: if a request is impossible, or covariates or the prompt were changed after
                ``fit``.
            DataError: if the frame breaks the contract; the message names ids and dates.
            NotFittedError: before ``fit``.
        """
        columns = RequestedColumns.of(level, quantiles, num_samples)
        self._check_as_fitted()
        panels, horizon = self.panel_reader, positive("h", self.h if h is None else h)
        tables: dict[str, Any] = {"futr_df": futr_df, "static_df": static_df, "events": events}
        asked = PanelRequest.read(
            self, panels, df, horizon, columns, ids=ids, examples=examples, **tables
        )
        parts = (asked.panel, horizon, columns, asked.examples, asked.statements)
        with predict_within_memory(horizon, len(asked.panel), len(columns.endings)):
            found = self.forecast_panel(*parts)
        return asked.table(found, panels)

    def explain(
        self,
        df: pd.DataFrame | None = None,
        *,
        kind: str | None = None,
        events: pd.DataFrame | None = None,
        h: int | None = None,
        futr_df: pd.DataFrame | None = None,
        patch_len: int | None = None,
    ) -> Any:
        """Show what the forecast of ``predict`` depends on: each statement, or every input.

        Args:
            df: series to explain, also ones that ``fit`` did not see; None takes those of ``fit``.
            kind: "statements" shows the effect of each statement in ``events``. "inputs" shows the
                importance of each patch of the context, covariate and statement: the change of the
                forecast if it is replaced by what is expected without it. None is "statements".
            events: statements, as in ``predict``.
            h: steps to forecast, the estimator's ``h`` by default.
            futr_df: as in ``predict``.
            patch_len: rows of a patch, for "inputs". None takes a season, or less if there are few
                in a context.

        Returns:
            A ``StatementExplanation`` or an ``InputExplanation``: tables, and ``plot()``.

        Raises:
            ConfigError: if there is nothing of this kind to explain.
        """
        self._check_as_fitted()
        check_choice("kind", kind or "statements", EXPLAINED)
        panels, horizon = self.panel_reader, positive("h", self.h if h is None else h)
        if kind == "inputs":
            season = self.task_.season_length
            tables = (df, futr_df, events)
            return explain_inputs(
                self, *tables, horizon=horizon, patch_len=patch_len, season=season
            )
        if events is None:
            raise ConfigError(
                "There are no words to explain. Pass events=, a table of statements, or "
                'kind="inputs" for the importance of each part of the context.'
            )
        panel = panels.with_future(panels.series(df), horizon, futr_df)
        effects = self.statement_effects(panels.events(events, panel))
        forecaster = self.forecaster_of(panel)
        return StatementExplanation.of(effects, forecaster, panel, horizon, panels.name)

    def forecast(
        self,
        past: Tensor | np.ndarray,
        h: int | None = None,
        *,
        time: Tensor | np.ndarray | None = None,
        quantiles: Sequence[float | int] | None = None,
        num_samples: int | None = None,
    ) -> Tensor:
        """Forecast windows given as a tensor, such as those of a research loop.

        Every channel is standardised by its own values, as ``predict`` does with series that
        ``fit`` did not see. Covariates are not supported.

        Args:
            past: windows, steps and channels ``[B, L, C]``, oldest step first; NaN where missing.
                An array is read as a tensor on the CPU.
                Steps before the last ``context_length_`` only help to standardise.
            h: steps to forecast, the estimator's ``h`` by default.
            time: of each step of ``past``, ``[B, L]``: Unix seconds (UTC), or the integers of the
                time column. Needed only by models that read times.
            quantiles: levels in (0, 1), such as [0.1, 0.5, 0.9].
            num_samples: number of sample paths; in place of ``quantiles``.

        Returns:
            Point forecasts ``[B, H, C]`` in the units of ``past``, on its device; or the quantiles,
            or the sample paths, of each, ``[B, H, C, n]``.

        Raises:
            ConfigError: if the model was fitted with covariates, or reads times and none are given.
            DataError: if a shape is wrong.
            NotFittedError: before ``fit``.
        """
        self._check_as_fitted()
        if self.effects_ is not None:
            raise ConfigError(
                "This model was fitted with covariates, which a tensor of windows lacks. Use "
                "predict(df, futr_df=...)."
            )
        if quantiles is not None and num_samples is not None:
            raise ConfigError("quantiles and num_samples are both given. Give one of them.")
        horizon = positive("h", self.h if h is None else h)
        request = RequestedColumns.of(None, quantiles, num_samples)
        return forecast_tensor(self.panel_forecaster, past, horizon, time, request)

    @same_kind
    def cross_validation(
        self,
        df: pd.DataFrame,
        *,
        h: int | None = None,
        n_windows: int = 1,
        step_size: int | None = None,
        refit: bool | int = False,
        recalibrate: bool = False,
        level: Sequence[float | int] | None = None,
        quantiles: Sequence[float | int] | None = None,
        baselines: str | Sequence[str] = ("SeasonalNaive",),
        static_df: pd.DataFrame | None = None,
        events: pd.DataFrame | None = None,
        examples: str | pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Backtest from rolling origins: fit, and put forecasts beside the true values.

        Args:
            df: the long frame.
            h: steps forecast from each origin.
            n_windows: number of origins; the last one leaves exactly ``h`` rows to the end of each
                series.
            step_size: rows between origins, ``h`` by default.
            refit: True fits at every origin, a number n at every n-th, False at the first only.
            recalibrate: True to calibrate intervals again at origins without a fit, on the rows
                before the origin.
            level: as in ``predict``, for this model and the baselines.
            quantiles: as in ``predict``, for this model and the baselines.
            baselines: names of ``conf/model`` to compare with, fitted wherever this model is.
            static_df: as in ``predict``. Covariates known ahead are taken from ``df``.
            events: as in ``predict``; at each origin only those that were said before are read. The
                baselines have none.
            examples: as in ``predict``; the baselines have none.

        Returns:
            One row per step: id, time, ``cutoff`` (the last known time), the true value, the
            forecast of this model and of each baseline.
        """
        request = RequestedColumns.of(level, quantiles)
        maker = self.addressed(df)
        horizon = positive("h", self.h if h is None else h)
        every = int(refit) if isinstance(refit, bool) or refit == 0 else positive("refit", refit)
        reader = maker.reader
        frame = reader.read(df, static_df)
        step = horizon if step_size is None else positive("step_size", step_size)
        named = [baselines] if isinstance(baselines, str) else baselines
        beside = {name: maker.baseline(name) for name in named}
        rivals = {name: rival for name, rival in beside.items() if rival is not maker}
        own = clone(maker).name
        reader.check_names([own, *rivals])
        number = positive("n_windows", n_windows)
        origins = Origins(horizon, number, step, every, recalibrate)
        said = None if events is None else reader.events(events, frame.calendar, frame.ids)
        models = {own: maker, **rivals}
        return backtest(models, frame, reader, origins, request, examples, said)

    @same_kind
    def predict_insample(
        self,
        df: pd.DataFrame,
        *,
        h: int | None = None,
        step_size: int | None = None,
        level: Sequence[float | int] | None = None,
        quantiles: Sequence[float | int] | None = None,
        static_df: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Forecast from every origin in a frame, with the model as it is.

        Nothing is trained. On the rows of ``fit`` these are in-sample forecasts, and their errors
        are smaller than those of a backtest.

        Args:
            df: the long frame, of ``fit`` or newer.
            h: steps forecast from each origin, the estimator's ``h`` by default.
            step_size: rows between origins, ``h`` by default, so that each row is forecast once.
            level: as in ``predict``.
            quantiles: as in ``predict``.
            static_df: as in ``predict``.

        Returns:
            One row per step: id, time, ``cutoff`` (the last known time), true value and forecast.
            The first origin of a series is one context after its first row; rows before it are
            left out.

        Raises:
            DataError: if no series is longer than ``h``.
        """
        request = RequestedColumns.of(level, quantiles)
        self._check_as_fitted()
        horizon = positive("h", self.h if h is None else h)
        step = horizon if step_size is None else positive("step_size", step_size)
        frame = self.reader.read(df, static_df, calendar=self.calendar_)
        return forecast_insample(self, frame, horizon, step, request)

    @same_kind
    def plot(
        self,
        df: pd.DataFrame | None = None,
        forecasts: pd.DataFrame | None = None,
        *,
        engine: str = "matplotlib",
    ) -> Any:
        """Draw series and their forecasts, one panel per series, eight at most.

        Args:
            df: true values.
            forecasts: the result of ``predict`` or ``cross_validation``.
            engine: "matplotlib", or "plotly" for a figure to zoom into.

        Returns:
            A ``Figure`` of that library.

        Raises:
            DataError: if there is nothing to draw.
            ConfigError: if the engine is unknown or not installed.
        """
        from tslm.plots.forecasts import draw_forecasts

        columns = self._columns() if df is None else find_columns(df, self._columns())
        if calendar := fitted_attribute(self, "calendar_"):
            columns = replace(columns, writing=columns.writing.with_context(None, calendar))
        return draw_forecasts(df, forecasts, columns, engine)

    def make_future_dataframe(
        self, df: pd.DataFrame | None = None, h: int | None = None
    ) -> pd.DataFrame:
        """Return ids and times of the steps to forecast: the rows that ``futr_df`` must have.

        Args:
            df: series to continue; None continues those of ``fit``.
            h: steps, the estimator's ``h`` by default.
        """
        self._check_as_fitted()
        panels = self.panel_reader
        horizon = positive("h", self.h if h is None else h)
        return panels.reader.rename(panels.future_rows(panels.series(df), horizon))

    def get_missing_future(
        self, futr_df: pd.DataFrame, df: pd.DataFrame | None = None, h: int | None = None
    ) -> pd.DataFrame:
        """Return ids and times of the steps for which ``futr_df`` lacks a row or a value.

        Args:
            futr_df: covariates known ahead.
            df: series to continue; None continues those of ``fit``.
            h: steps, the estimator's ``h`` by default.
        """
        self._check_as_fitted()
        panels = self.panel_reader
        horizon = positive("h", self.h if h is None else h)
        return panels.reader.rename(panels.missing_future(futr_df, panels.series(df), horizon))
