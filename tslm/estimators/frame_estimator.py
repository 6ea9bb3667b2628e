"""Estimator of long frames: its parameters, the settings they mean, and its state after ``fit``."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, TypeVar

import pandas as pd
from omegaconf import DictConfig, OmegaConf
from sklearn.base import BaseEstimator, clone

from tslm.core.calendar import Calendar
from tslm.core.config.estimator_settings import configure
from tslm.core.config.schema import COVARIATE, LIVE, tagged
from tslm.core.fitted import check_fitted, check_unchanged, fitted_attribute, is_fitted
from tslm.core.forecaster import Forecaster
from tslm.core.plain_values import plain
from tslm.core.spec import nested
from tslm.data.covariates.selection import CovariateColumns
from tslm.data.covariates.treatment import CovariateTreatment
from tslm.data.events.table import EventTable
from tslm.data.frame import Columns
from tslm.data.panel import Panel
from tslm.data.roles import columns_of
from tslm.data.series_text import PromptTemplate
from tslm.data.time_writing import Writing
from tslm.data.window_times import start_times
from tslm.data.windows import Windows
from tslm.estimators.frame_reader import FrameReader
from tslm.estimators.inference import PanelForecaster
from tslm.estimators.panel_reader import PanelReader
from tslm.estimators.titles.known_titles import KnownTitles
from tslm.estimators.titles.readers import title_template
from tslm.estimators.weight_summary import summary_of
from tslm.uncertainty.conformal.base import Conformal

Estimator = TypeVar("Estimator", bound="FrameEstimator")


class FrameEstimator(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn is untyped
    """Estimator whose ``fit`` takes a long frame of any number of series of any lengths.

    Attributes:
        parts: parameters that name a part of the model, each a group of ``conf``.
        config_: settings of the fit, with the sizes that the data suggested.
        columns_: id, time and target column of the frame of ``fit``.
        calendar_: frequency and time zone.
        effects_: effects of covariates; None without covariates.
        contexts_: the last rows of each series.
        context_length_: rows that the forecaster reads.
        forecaster_: the trained model, or a rule.
        calibration_: intervals.
        titles_: what the titles of the series of ``fit`` told.
        history_: one row per training step: loss, learning rate, validation.
    """

    parts: tuple[str, ...] = ()
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
    text_reader: str
    titles: str | None
    floor: float | None
    random_state: int | None

    config_: DictConfig
    columns_: Columns
    calendar_: Calendar
    effects_: CovariateTreatment | None
    contexts_: Panel
    context_length_: int
    forecaster_: Forecaster
    calibration_: Conformal
    titles_: KnownTitles
    history_: pd.DataFrame

    @abstractmethod
    def fit(
        self, df: pd.DataFrame, y: None = None, *, events: pd.DataFrame | EventTable | None = None
    ) -> Any:
        """Fit on a long frame."""

    @abstractmethod
    def recalibrate(self, df: pd.DataFrame) -> Any:
        """Calibrate intervals again, on newer rows."""

    @abstractmethod
    def baseline(self, name: str) -> "FrameEstimator":
        """Return a baseline for the same task; this estimator itself if it is that baseline."""

    def check_params(self) -> None:
        """Refuse a parameter that is unknown or impossible, before a fit.

        Raises:
            ConfigError: with the name of the parameter.
        """
        self._configure()

    def set_params(self: Estimator, **params: Any) -> Estimator:
        """Set parameters; ``adapter__patch_len=24`` sets an option of a part."""
        super().set_params(**nested(self, self.parts, params))
        return self

    def stored_params(self) -> dict[str, Any]:
        """Return the parameters without Lightning's live objects, which belong to one process."""
        params = self.get_params(deep=False)
        return {name: value for name, value in params.items() if name not in tagged(LIVE)}

    def _configure(self) -> DictConfig:
        """Return the settings that the parameters describe.

        Raises:
            ConfigError: if one is unknown or impossible.
        """
        params = self.stored_params()
        values = {key: value for key, value in params.items() if key not in self.parts}
        return configure({part: params[part] for part in self.parts}, values)

    def _called(self, cfg: DictConfig) -> str:
        """Return the name of the forecast column under these settings."""
        return str(self._part(cfg).__name__) if self.alias is None else self.alias

    @property
    def name(self) -> str:
        """Return the name of the forecast column."""
        return self._called(self.config_ if self.__sklearn_is_fitted__() else self._configure())

    @property
    def settled_rate(self) -> float | None:
        """Return the learning rate of the settings."""
        rate: float | None = self._configure().learning_rate
        return rate

    @property
    def any_horizon(self) -> bool:
        """Return True if one fitted model serves every horizon."""
        return bool(self._part(self._configure()).any_horizon)

    @property
    def reads_all_series(self) -> bool:
        """Return True if it reads all series together, which must then end together."""
        return self._joint(self._configure())

    @abstractmethod
    def _part(self, cfg: DictConfig) -> Any:
        """Return the class that decides the method of the forecast."""

    def _joint(self, cfg: DictConfig) -> bool:
        """Return True if the forecaster reads all series together."""
        return False

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings of the fit, ready for JSON."""
        self._check_fitted()
        values = OmegaConf.to_container(self.config_)
        assert isinstance(values, dict)
        return {str(key): value for key, value in values.items() if self._concerns(str(key))}

    def _concerns(self, setting: str) -> bool:
        """Return True if a setting has a meaning for this forecaster."""
        return True

    @property
    def reader(self) -> FrameReader:
        """Return the reader of frames, with the columns of the frame of ``fit`` after ``fit``."""
        return self._reader(fitted_attribute(self, "columns_"))

    def _reader(self, columns: Columns | None = None) -> FrameReader:
        """Return the reader for these columns; None takes those that the parameters name."""
        params = self.get_params(deep=False)
        covariates = CovariateColumns.of({name: params[name] for name in tagged(COVARIATE)})
        return FrameReader(
            columns or self._named_columns(),
            covariates,
            self._prompt(),
            freq=plain(self.freq),
            resample=plain(self.resample),
            missing=self.missing,
            on_duplicate=self.on_duplicate,
            titles=title_template(self.titles),
        )

    def _named_columns(self) -> Columns:
        """Return the columns that the parameters name."""
        writing = Writing(self.time_format, self.dayfirst, self.tz)
        return columns_of(self.id_col, self.time_col, self.target_col, writing)

    def _columns(self) -> Columns:
        """Return the columns of the frame of ``fit``, or those that the parameters name."""
        return fitted_attribute(self, "columns_") or self._named_columns()

    def _prompt(self) -> PromptTemplate:
        """Return the template of the text of each series; none here."""
        return PromptTemplate()

    @property
    def panel_reader(self) -> PanelReader:
        """Return the reader of panels, for the fitted model."""
        self._check_fitted()
        return PanelReader(
            self.reader,
            self.calendar_,
            self.contexts_,
            self.effects_,
            self.forecaster_,
            self.context_length_,
            self.name,
            unknown=self.titles_.process is not None,
        )

    @property
    def panel_forecaster(self) -> PanelForecaster:
        """Return the forecaster of panels, which needs no settings and no frame."""
        self._check_fitted()
        seed = None if self.random_state is None else int(self.random_state)
        floor = None if self.floor is None else float(self.floor)
        parts = (self.forecaster_, self.calibration_, self.calendar_, self.context_length_)
        return PanelForecaster(*parts, floor=floor, random_state=seed)

    def addressed(self: Estimator, df: Any) -> Estimator:
        """Return an estimator whose parameters name the columns of a frame: itself, or a copy.

        Raises:
            DataError: if the time or the target column cannot be found.
        """
        columns = self._reader().for_frame(df).columns
        if (columns.time, columns.target) == (self.time_col, self.target_col):
            return self
        copy: Estimator = clone(self)
        copy.set_params(time_col=columns.time, target_col=columns.target)
        return copy

    def summary(self) -> pd.DataFrame:
        """Count the weights of each part of the fitted model.

        Returns:
            One row per part (adapter, backbone, decoder, base; or the whole model), and their sum:
            its class, number of trained weights, number of frozen weights, and megabytes.
        """
        self._check_fitted()
        return summary_of(self.forecaster_)

    def plot_history(self) -> Any:
        """Draw the loss by step, and the measure of validation beside it, with matplotlib.

        Raises:
            DataError: if nothing was trained.
        """
        from tslm.plots.forecasts import plot_history

        self._check_fitted()
        return plot_history(self.history_)

    def prepare(self, panel: Panel) -> None:
        """Let the fitted model compute, once, what windows of these series need."""
        windows = Windows(panel, context_length=self.context_length_, future_length=1)
        if self.forecaster_.patch_len:
            self.forecaster_.prepare(start_times(windows, 1))

    def _html_repr(self) -> str:  # scikit-learn calls it by this name
        """Return HTML for notebooks: settings, and numbers of frozen and trained weights."""
        from tslm.estimators.notebook_html import html

        params = self.get_params(deep=False)
        defaults = type(self)().get_params(deep=False)
        model = fitted_attribute(self, "forecaster_")
        return html(type(self).__name__, params, defaults, model)

    def _check_fitted(self) -> None:
        check_fitted(self, "Call fit(df) first, or load a saved one.")

    def _check_as_fitted(self) -> None:
        """Refuse to go on if settings that forecasts depend on were changed after ``fit``.

        Raises:
            NotFittedError: before ``fit``.
            ConfigError: if one was changed; names it, with its values then and now.
        """
        self._check_fitted()
        fitted = CovariateColumns() if self.effects_ is None else self.effects_.chosen
        self.reader.covariates.check_unchanged(fitted)
        check_unchanged("titles", self.config_.titles, self.titles)

    def __sklearn_is_fitted__(self) -> bool:
        return is_fitted(self, "forecaster_")
