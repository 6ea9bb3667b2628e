"""Long frame in, long frame out: what every forecaster of frames shares."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import astuple, replace
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from sklearn.base import BaseEstimator, clone
from torch import Tensor

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import ConfigError, DataError, NotFittedError, warn
from tslm.core.forecaster import Forecaster
from tslm.core.messages import did_you_mean, naming, whole_number
from tslm.core.plain_values import LONGEST, plain
from tslm.data.align import align_series
from tslm.data.covariates.effects import Effects
from tslm.data.covariates.future import (
    check_future,
    future_rows,
    future_times,
    look_up_future,
    missing_future_rows,
)
from tslm.data.covariates.selection import CovariateColumns
from tslm.data.covariates.static import join_statics
from tslm.data.examples import Examples
from tslm.data.frame import Columns, Frame, read_frame
from tslm.data.id_columns import split_ids
from tslm.data.interchange import same_kind, to_pandas
from tslm.data.origins import all_rolling_origins, check_lengths, rolling_origins, steps_after
from tslm.data.panel import Floats, Panel
from tslm.data.roles import columns_of, find_columns
from tslm.data.series_text import PromptTemplate
from tslm.data.time_writing import Writing
from tslm.estimators.inference import PanelForecaster
from tslm.estimators.tensor_forecast import forecast_tensor
from tslm.uncertainty.conformal.base import ENOUGH, Conformal
from tslm.uncertainty.requested_columns import RequestedColumns, forecasts


class LongFrameForecaster(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn is untyped
    """Fits on, and forecasts, any number of series of any lengths in one long frame.

    Subclasses set ``calendar_``, ``contexts_`` (the end of every series), ``context_length_`` and
    ``forecaster_`` and ``calibration_`` in ``fit``.
    """

    h: int
    freq: str | int | None
    season_length: int | None
    id_col: str | Sequence[str] | None
    time_col: str
    target_col: str
    missing: str
    on_duplicate: str
    time_format: str | None
    dayfirst: bool | None
    tz: str | None
    resample: str | None
    alias: str | None
    futr_exog: Sequence[str] | None
    hist_exog: Sequence[str] | None
    static_exog: Sequence[str] | None
    holidays: str | None
    calendar: bool
    floor: float | None
    random_state: int | None

    columns_: Columns
    calendar_: Calendar
    effects_: Effects | None
    contexts_: Panel
    context_length_: int
    forecaster_: Forecaster
    calibration_: Conformal

    @property
    @abstractmethod
    def name(self) -> str:
        """The forecast column: ``alias``, or what the method is called."""

    @abstractmethod
    def fit(self, df: pd.DataFrame, y: None = None) -> "LongFrameForecaster":
        """Learn from a long frame."""

    @abstractmethod
    def recalibrate(self, df: pd.DataFrame) -> "LongFrameForecaster":
        """Learn intervals anew from newer rows."""

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
        examples: str | pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Forecast the steps after the last row of each series.

        Args:
            df: series to continue, seen in ``fit`` or not; None continues those of ``fit``.
            h: steps, the estimator's ``h`` by default; any number.
            ids: a list of the ids to forecast, in this order; None forecasts all.
            level: of central intervals in percent, such as [80, 95]: columns ``{alias}-lo-80`` and
                ``{alias}-hi-80``.
            quantiles: shares below the value, such as [0.1, 0.9], in place of ``level``: columns
                ``{alias}-q-10``.
            num_samples: paths that may come, coherent over the horizon: ``{alias}-sample-0`` and
                so on. The same ``random_state`` gives the same ones.
            futr_df: id, time and ``futr_exog`` of the steps to forecast; other rows of it do not
                matter.
            static_df: ``static_exog``, and what ``prompt`` names, of the series of ``df``, one row
                each, if ``df`` has not got them as columns.
            examples: what to show the model in place of the oldest two thirds of each context, see
                ``tslm.data.examples``: the "first" rows of the series; the earlier rows of it that
                are most "similar" to the rest of the context, with what followed them; or the most
                similar ones of other series, a long frame. For autoregressive adapters.

        Returns:
            One row a step: the id, the time, the forecast in the units of ``y``, and what else is
            asked for.

        Raises:
            ConfigError: if what is asked for is impossible, or covariates or the prompt were
                changed after ``fit``.
            DataError: if the frame breaks the contract.
        """
        asked = RequestedColumns.of(level, quantiles, num_samples)
        self._check_as_fitted()
        if asked:
            self._say_source()
        horizon = positive("h", self.h if h is None else h)
        history = self._history(df, static_df)
        history = history if ids is None else self._some(history, ids)
        panel = self._with_ahead(history, horizon, futr_df)
        shown = None if examples is None else self._examples(examples, df, panel, asked)
        found = self.panel_forecaster.forecast(panel, horizon, asked, shown)
        index = {
            "unique_id": np.repeat(np.asarray(panel.ids), horizon),
            "ds": self.calendar_.from_int(found.time.ravel()),
        }
        return self.renamed(pd.DataFrame({**index, **found.named(self.name, asked)}))

    def forecast(
        self,
        past: Tensor,
        h: int | None = None,
        *,
        time: Tensor | None = None,
        quantiles: Sequence[float | int] | None = None,
        num_samples: int | None = None,
    ) -> Tensor:
        """Forecast windows given as a tensor, such as those of a research loop.

        Every channel is standardised by its own values, as ``predict`` does with series that
        ``fit`` has not seen. No covariates take part.

        Args:
            past: windows, steps and channels ``[B, L, C]``, oldest step first; NaN where missing.
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
        examples: str | pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Backtest from a rolling origin: forecasts beside what happened.

        Args:
            df: the long frame.
            h: steps forecast from each origin.
            n_windows: origins; the last one leaves exactly ``h`` rows to the end of each series.
            step_size: rows between origins, ``h`` by default.
            refit: train anew at every origin (True), at every n-th (n), or at the first one only.
            recalibrate: at origins without training, learn intervals anew from the rows before it.
            level: as in ``predict``, for this model and the baselines.
            quantiles: as in ``predict``, for this model and the baselines.
            baselines: names of ``conf/model`` to stand beside, fitted wherever this model is.
            static_df: ``static_exog`` of each series, one row each; else ``df`` has them as
                columns. Covariates known ahead are taken from ``df``.
            examples: what to show this model, as in ``predict``; the baselines are shown nothing.

        Returns:
            One row a step: id, time, ``cutoff`` (last row known), truth, this model's forecast
            and each baseline's.
        """
        asked = RequestedColumns.of(level, quantiles)
        maker = self.addressed(df)
        horizon = positive("h", self.h if h is None else h)
        every = int(refit) if isinstance(refit, bool) or refit == 0 else positive("refit", refit)
        frame = maker.read(maker.joined(df, static_df))
        step = horizon if step_size is None else positive("step_size", step_size)
        named = [baselines] if isinstance(baselines, str) else baselines
        beside = {name: maker.baseline(name) for name in named}
        rivals = {name: rival for name, rival in beside.items() if rival is not maker}
        own = clone(maker).name
        maker.check_names([own, *rivals])
        check_lengths(frame, horizon + step * (positive("n_windows", n_windows) - 1))
        makers = {own: maker, **rivals}
        fitted: dict[str, LongFrameForecaster] = {}
        columns: dict[str, Floats]
        folds = []
        for fold, (cutoffs, known, truth) in enumerate(
            rolling_origins(frame, horizon, n_windows, step)
        ):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # said once, when df was read
                known = maker.renamed(known)
                if fold == 0 or (every and fold % every == 0):
                    fitted = {name: clone(model).fit(known) for name, model in makers.items()}
                elif recalibrate:
                    fitted = {name: model.recalibrate(known) for name, model in fitted.items()}
                columns = {}
                for name, model in fitted.items():
                    panel, shown = model._known(known, horizon, truth), None
                    if examples is not None and name == own:
                        shown = model._examples(examples, known, panel, asked)
                    found = model.panel_forecaster.forecast(panel, horizon, asked, shown)
                    columns |= found.named(name, asked)
            truth = truth[["unique_id", "ds", "y"]].merge(cutoffs, on="unique_id")
            truth = truth[["unique_id", "ds", "cutoff", "y"]]
            folds.append(maker.renamed(truth).assign(**columns))
        return pd.concat(folds, ignore_index=True)

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
        """Forecast from every origin in a frame with the model as it is, beside what happened.

        Nothing is trained: on the rows of ``fit`` these are in-sample forecasts, and their errors
        are smaller than those of a backtest.

        Args:
            df: the long frame, of ``fit`` or newer.
            h: steps forecast from each origin, the estimator's ``h`` by default.
            step_size: rows between origins, ``h`` by default, so that each row is forecast once.
            level: as in ``predict``.
            quantiles: as in ``predict``.
            static_df: as in ``predict``.

        Returns:
            One row a step: id, time, ``cutoff`` (last row known), truth and forecast. Rows before
            the first origin of a series, a context after its first row, are not among them.

        Raises:
            DataError: if no series is longer than ``h``.
        """
        asked = RequestedColumns.of(level, quantiles)
        self._check_as_fitted()
        horizon = positive("h", self.h if h is None else h)
        step = horizon if step_size is None else positive("step_size", step_size)
        frame = self.read(self.joined(df, static_df), self.calendar_)
        frame = align_series(frame) if self.forecaster_.multivariate else frame
        if not (np.diff(frame.offsets) > horizon).any():
            raise DataError(f"No series has more than h={horizon} rows. Set a smaller h.")
        folds = []
        for cutoffs, known, truth in all_rolling_origins(
            frame, horizon, step, self.context_length_
        ):
            panel = self._known(self.renamed(known), horizon, truth)
            found = self.panel_forecaster.forecast(panel, horizon, asked)
            values = found.named(self.name, asked)
            truth = truth[["unique_id", "ds", "y"]].merge(cutoffs, on="unique_id")
            truth = truth[["unique_id", "ds", "cutoff", "y"]]
            folds.append(self.renamed(truth).assign(**values))
        return pd.concat(folds, ignore_index=True)

    def score(
        self, df: pd.DataFrame, y: None = None, *, static_df: pd.DataFrame | None = None
    ) -> float:
        """Return minus the mean absolute error of forecasts: the higher the better, 0 is perfect.

        Each series counts on the scale of its training rows, and each of its rows alike. Where all
        series of ``df`` follow those of ``fit``, they are forecast from the end of ``fit``, as
        ``GridSearchCV`` with ``TimeSeriesSplit`` asks; else the last ``h`` rows of each series are
        held out and forecast from the rows before them.

        Args:
            df: the long frame.
            y: ignored; scikit-learn passes it.
            static_df: as in ``predict``.

        Raises:
            DataError: if the frame breaks the contract, or a series has no row before its last
                ``h``.
        """
        self._check_as_fitted()
        frame = self.read(self.joined(to_pandas(df), static_df), self.calendar_)
        steps = steps_after(frame, self._ends())
        if steps is None:
            check_lengths(frame, self.h)
            ((_, known, truth),) = rolling_origins(frame, self.h, 1, self.h)
            panel, steps = self._known(self.renamed(known), self.h, truth), self.h
        else:
            truth = frame.table
            futr_df = self.renamed(truth) if self._chosen().future else None
            panel = self._with_ahead(self._some(self.contexts_, frame.ids), steps, futr_df)
        found = self.panel_forecaster.forecast(panel, steps)
        ahead = pd.DataFrame(
            {
                "unique_id": np.repeat(np.asarray(panel.ids), steps),
                "ds": self.calendar_.from_int(found.time.ravel()),
                "ahead": found.point,
                "spread": np.repeat(panel.spread, steps),
            }
        )
        both = truth.merge(ahead, on=["unique_id", "ds"])
        return -float(((both.y - both.ahead).abs() / both.spread).mean())

    @same_kind
    def plot(
        self,
        df: pd.DataFrame | None = None,
        forecasts: pd.DataFrame | None = None,
        *,
        engine: str = "matplotlib",
    ) -> Any:
        """Draw series and their forecasts, one panel a series, eight at most.

        Args:
            df: what happened.
            forecasts: what ``predict`` or ``cross_validation`` gave.
            engine: "matplotlib", or "plotly" for a figure to zoom into.

        Returns:
            A ``Figure`` of that library.

        Raises:
            DataError: if there is nothing to draw.
            ConfigError: if the engine is unknown or not installed.
        """
        from tslm.plots.forecasts import draw_forecasts

        columns = self._columns() if df is None else find_columns(df, self._columns())
        if calendar := vars(self).get("calendar_"):
            columns = replace(columns, writing=columns.writing.with_context(None, calendar))
        return draw_forecasts(df, forecasts, columns, engine)

    def _html_repr(self) -> str:  # the hook scikit-learn has
        """Return what a notebook shows: settings, and numbers of frozen and trained weights."""
        from tslm.estimators.notebook_html import html

        params = self.get_params(deep=False)
        defaults = type(self)().get_params(deep=False)
        return html(type(self).__name__, params, defaults, vars(self).get("forecaster_"))

    def _columns(self) -> Columns:
        """The columns of its frames: as ``fit`` found them, or as the parameters name them."""
        return vars(self).get("columns_") or self._named()

    def _named(self) -> Columns:
        writing = Writing(self.time_format, self.dayfirst, self.tz)
        return columns_of(self.id_col, self.time_col, self.target_col, writing)

    def _found(self, df: Any) -> Columns:
        """The columns of a frame, as the parameters name them, or as they are found."""
        others = {*self._chosen().columns, *self._sentence().names}
        return find_columns(df, self._named(), others)

    def with_known_ids(self, table: Any) -> Any:
        """A table whose ids are text, with ids as ``fit`` has seen them, where they are numbers."""
        name, ids = self._columns().id, self.contexts_.ids
        if not isinstance(table, pd.DataFrame) or name not in table or not is_numeric_dtype(ids):
            return table
        numbers = pd.to_numeric(table[name], errors="coerce")
        if numbers.isna().any():
            return table
        return table.assign(**{name: numbers.astype(ids.dtype)})

    def known_ids(self, ids: Sequence[str]) -> list[Any]:
        """Ids that were typed, as ``fit`` has seen them."""
        name = self._columns().id
        return list(self.with_known_ids(pd.DataFrame({name: list(ids)}))[name])

    def addressed(self, df: Any) -> "LongFrameForecaster":
        """This one if its parameters name the columns of a frame, else a copy whose parameters do.

        Raises:
            DataError: if the columns cannot be told.
        """
        columns = self._found(df)
        if (columns.time, columns.target) == (self.time_col, self.target_col):
            return self
        made: LongFrameForecaster = clone(self)
        made.set_params(time_col=columns.time, target_col=columns.target)
        return made

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse names of forecasts that another column of their frame has.

        Raises:
            ConfigError: naming the clash.
        """
        columns = self._columns()
        own = {"unique_id", "ds", "y", "cutoff", columns.id, columns.time, columns.target}
        own |= set(columns.parts)
        for name in names:
            if name in own:
                raise ConfigError(
                    f"The forecast {name!r} is called like a column of ids, times, values or "
                    "origins. Pass another alias, or rename that column."
                )
        if len(set(names)) < len(names) or forecasts(names) != list(names):
            raise ConfigError(
                f"Columns would clash among the forecasts {', '.join(names)}. Pass another alias."
            )

    def read(self, df: pd.DataFrame, calendar: Calendar | None = None) -> Frame:
        """A user's frame, checked and on a regular grid.

        Raises:
            DataError: if it breaks the contract.
        """
        sentence = self._sentence()
        if isinstance(df, pd.DataFrame):
            sentence.check(df.columns, self._columns())
        return read_frame(
            df,
            self._columns(),
            extra=self._chosen().columns,
            words=sentence.columns(self._columns()),
            freq=plain(self.freq) if calendar is None else None,
            resample=plain(self.resample) if calendar is None else None,
            missing=self.missing,
            on_duplicate=self.on_duplicate,
            calendar=calendar,
        )

    def make_future_dataframe(
        self, df: pd.DataFrame | None = None, h: int | None = None
    ) -> pd.DataFrame:
        """Ids and times of the steps to forecast: the rows that ``futr_df`` must have.

        Args:
            df: series to continue; None continues those of ``fit``.
            h: steps, the estimator's ``h`` by default.
        """
        self._check_as_fitted()
        horizon = positive("h", self.h if h is None else h)
        history = self._history(df, None)
        return self.renamed(future_rows(history, self.calendar_, horizon))

    def get_missing_future(
        self, futr_df: pd.DataFrame, df: pd.DataFrame | None = None, h: int | None = None
    ) -> pd.DataFrame:
        """Ids and times of the steps to forecast that ``futr_df`` lacks, or has without a value.

        Args:
            futr_df: covariates known ahead.
            df: series to continue; None continues those of ``fit``.
            h: steps, the estimator's ``h`` by default.
        """
        rows = self.make_future_dataframe(df, h)
        history = self._history(df, None)
        time = future_times(history, self.calendar_, len(rows) // len(history))
        names = self._chosen().future
        known = look_up_future(futr_df, names, history, time, self.calendar_, self._columns())
        return missing_future_rows(known, rows)

    def _chosen(self) -> CovariateColumns:
        """The covariates its parameters name.

        Raises:
            ConfigError: if they are no lists of names, or name what is none.
        """
        names = {}
        for part in ("futr_exog", "hist_exog", "static_exog"):
            given = plain(getattr(self, part))
            if isinstance(given, str) or not all(isinstance(name, str) for name in given or ()):
                raise ConfigError(f"{part}={given!r} must be a list of column names.")
            names[part.partition("_")[0]] = tuple(given or ())
        columns = self._columns()
        calendar = bool(self.calendar)
        chosen = CovariateColumns(
            names["futr"], names["hist"], names["static"], self.holidays, calendar
        )
        return chosen.check((columns.id, columns.time, columns.target))

    def _sentence(self) -> PromptTemplate:
        """Return the template of the text of each series; none here."""
        return PromptTemplate()

    def joined(self, df: pd.DataFrame, static_df: pd.DataFrame | None) -> pd.DataFrame:
        """A frame with the static columns it needs, from ``static_df`` if there is one."""
        if static_df is None:
            return df
        names = list(self._chosen().static)
        if isinstance(df, pd.DataFrame) and isinstance(static_df, pd.DataFrame):
            sentence, own = self._sentence(), self._columns()
            sentence.check([*df.columns, *static_df.columns], own)
            names += [name for name in sentence.columns(own) if name in static_df.columns]
        return join_statics(df, static_df, self._columns(), list(dict.fromkeys(names)))

    def _history(self, df: pd.DataFrame | None, static_df: pd.DataFrame | None) -> Panel:
        """The series to continue."""
        if df is not None:
            panel = self._panel(self.joined(df, static_df))
            self._check_seen(panel)
            return panel
        if static_df is not None:
            raise ConfigError("static_df describes the series of df: pass both, or neither.")
        if not len(self.contexts_):
            raise DataError("The model was saved without rows of series (history=False). Pass df.")
        return self.contexts_

    def _ends(self) -> pd.Series:
        """The last time of each series of ``fit``, by its id."""
        last = self.contexts_.time.numpy()[self.contexts_.offsets[1:] - 1]
        return pd.Series(self.calendar_.from_int(last), index=self.contexts_.ids)

    def _some(self, panel: Panel, ids: Any) -> Panel:
        """The series of these ids, in their order.

        Raises:
            DataError: if there is no series of an id.
        """
        chosen = [] if isinstance(ids, str) or not np.iterable(ids) else list(ids)
        if not chosen:
            raise ConfigError(f"ids={ids!r} must be a list of ids, such as ids=['a', 'b'].")
        numbers = panel.ids.get_indexer(pd.Index(chosen))
        if unknown := [one for one, number in zip(chosen, numbers, strict=True) if number < 0]:
            hint = did_you_mean(unknown[0], map(str, panel.ids), "{!r}")
            hint = hint or f" There are {naming(panel.ids)}."
            raise DataError(f"There is no series {naming(unknown)} to forecast.{hint}")
        if len(set(numbers.tolist())) < len(numbers):
            raise ConfigError("ids names a series twice. Name each once.")
        if self.forecaster_.multivariate and len(numbers) < len(panel):
            raise ConfigError(
                f"{self.name} reads all series together, so it forecasts all of them. Leave ids "
                "out, and choose rows of the forecast."
            )
        return panel.take(numbers)

    def _check_seen(self, panel: Panel) -> None:
        """Say so if ids are of another type than those of ``fit``, and so none was seen there."""
        ids, known = panel.ids, self.contexts_.ids
        alike = is_numeric_dtype(ids) == is_numeric_dtype(known)
        if len(known) and not alike and not ids.isin(known).any():
            warn(
                f"No series of df was seen in fit: its ids are {ids.dtype}, such as "
                f"{naming(ids[:1])}, and those of fit {known.dtype}, such as {naming(known[:1])}. "
                "Each is taken for a new series. Convert the ids if they are the same."
            )

    def _examples(
        self,
        examples: str | pd.DataFrame,
        df: pd.DataFrame | None,
        panel: Panel,
        asked: RequestedColumns,
    ) -> Examples:
        """Return the examples to place before the contexts of a panel."""
        if asked:
            raise ConfigError(
                "How far forecasts with examples are off has not been learnt, so level, quantiles "
                "and num_samples cannot be given with examples. Ask for points."
            )
        source = self._panel(examples) if isinstance(examples, pd.DataFrame) else examples
        if df is None and isinstance(source, str):
            raise ConfigError(
                f"examples={examples!r} are earlier rows of each series, and only its last "
                f"{self.context_length_} are kept. Pass df."
            )
        return Examples.of(source, panel, self.forecaster_.example_length, self.context_length_)

    def _panel(self, df: pd.DataFrame) -> Panel:
        """New series, on the scale of their training where ``fit`` has seen them."""
        frame = self.read(df, self.calendar_)
        return self.panel_of(frame)

    def panel_of(self, frame: Frame, until: Ints | None = None) -> Panel:
        """A frame that was read, as the fitted model sees it.

        Args:
            frame: any series; those of ``fit`` stay on the scale of their training.
            until: for series that are other ones, whatever their ids: how many first rows of each
                give its scale.
        """
        stats = self.contexts_.stats if until is None else None
        frame = align_series(frame) if self.forecaster_.multivariate else frame
        panel = Panel.from_frame(frame, until=until, stats=stats)
        panel = replace(panel, text=self._sentence().fill(frame, self._columns()))
        return panel if self.effects_ is None else self.effects_.apply(panel, frame)

    def _known(self, known: pd.DataFrame, horizon: int, truth: pd.DataFrame) -> Panel:
        """Series up to a cutoff, and the covariates that are known of what follows."""
        futr = self.renamed(truth) if self._chosen().future else None
        return self._with_ahead(self._panel(known), horizon, futr)

    def _with_ahead(self, panel: Panel, horizon: int, futr_df: pd.DataFrame | None) -> Panel:
        """Series with what covariates say of their next steps.

        Raises:
            DataError: if covariates are missing.
        """
        names = self._chosen().future
        if futr_df is not None and not names:
            raise ConfigError("futr_df is given, but futr_exog names no covariate to take from it.")
        if self.effects_ is None:
            return panel
        columns = self._columns()
        rows = future_rows(panel, self.calendar_, horizon)
        time = future_times(panel, self.calendar_, horizon)
        known = pd.DataFrame(index=rows.index, columns=list(names), dtype=float)
        if futr_df is not None:
            known = look_up_future(futr_df, names, panel, time, self.calendar_, columns)
        check_future(known, rows)
        return self.effects_.apply_future(panel, known, time, self.calendar_)

    @abstractmethod
    def baseline(self, name: str) -> "LongFrameForecaster":
        """A baseline with the same task, to stand beside in a backtest; or self, if it is that."""

    def renamed(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of ours under the user's names."""
        columns = self._columns()
        names = {"unique_id": columns.id, "ds": columns.time, "y": columns.target}
        return split_ids(table.rename(columns=names), columns)

    @property
    def panel_forecaster(self) -> PanelForecaster:
        """Return what forecasts panels as this fitted estimator does, without its settings."""
        self._check_fitted()
        seed = None if self.random_state is None else int(self.random_state)
        floor = None if self.floor is None else float(self.floor)
        parts = (self.forecaster_, self.calibration_, self.calendar_, self.context_length_)
        return PanelForecaster(*parts, floor=floor, random_state=seed)

    def _say_source(self) -> None:
        """Say where widths come from, if no errors on validation windows were learnt."""
        found = self.calibration_
        if found.learnt or found.fallback is None:
            return
        rows = ceil(ENOUGH / max(len(self.contexts_), 1)) * self.h
        warn(
            f"The validation rows are {found.independent:.2g} times as long as h, too few to "
            f"measure how wide intervals must be. Their width comes from {found.fallback}. Give "
            f"longer series, or val_size={rows} or more, to have it measured."
        )

    def _check_fitted(self) -> None:
        if not hasattr(self, "forecaster_"):
            raise NotFittedError(
                f"This {type(self).__name__} is not fitted yet. Call fit(df) first, or load a "
                "saved one."
            )

    def _check_as_fitted(self) -> None:
        """Refuse to go on if settings that forecasts depend on were changed after ``fit``.

        Raises:
            NotFittedError: before ``fit``.
            ConfigError: if one was changed; names it, with its values then and now.
        """
        self._check_fitted()
        fitted = CovariateColumns() if self.effects_ is None else self.effects_.encoder.chosen
        now = self._chosen()
        if not now and not fitted:  # such as an empty list in place of None
            return
        settings = ("futr_exog", "hist_exog", "static_exog", "holidays", "calendar")
        for name, value, before in zip(settings, astuple(now), astuple(fitted), strict=True):
            check_unchanged(name, before, value)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "forecaster_")


def check_unchanged(name: str, before: Any, now: Any) -> None:
    """Refuse a setting that was changed after ``fit``.

    Raises:
        ConfigError: if the two values differ.
    """
    if now != before:
        raise ConfigError(
            f"{name} was changed from {plain(before)!r} to {plain(now)!r} after fit. Fit again, or "
            "set it back."
        )


def positive(name: str, value: Any) -> int:
    """A whole number of at least 1.

    Raises:
        ConfigError: if it is something else.
    """
    number = whole_number(name, value)
    if number > LONGEST:
        raise ConfigError(f"{name}={number} must be at most {LONGEST:,}.")
    return number
