"""Forecaster without a language model: the baselines behind the methods of ``TSLMForecaster``."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from omegaconf import DictConfig

from tslm.core.config.build import part_class
from tslm.core.config.schema import COVARIATE, OWN, tagged
from tslm.core.forecaster import Forecaster
from tslm.core.spec import Spec
from tslm.core.types import Task
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.models.assembly import ANY, baseline


class BaselineForecaster(TrainedForecaster):
    """Forecaster of long frames without a language model.

    Arguments are only stored; ``fit`` checks them. None takes the value of the model's yaml file,
    or one that suits the data. Rules such as ``last`` are not trained, and ignore the settings of
    training.

    Args:
        model: a name of ``conf/model`` ("profile_ar", "dlinear", "itransformer"), or a ``Spec``
            with options.
        h: number of steps to forecast; training uses the same horizon.
        context_length: number of past steps that the model reads. None takes a length that suits
            the data.
        freq: time between rows: a pandas alias such as h, D or MS, or a whole number. None infers
            it.
        season_length: number of steps of the main season. None takes that of the frequency.
        id_col: column of series ids, or a list of columns that identify a series together, such as
            [store, item]; a frame without the column unique_id is one series.
        time_col: column of times; without a column ds, the only column of dates.
        target_col: column of values; without a column y, the only column of numbers.
        futr_exog: columns of covariates that are known ahead, numbers or categories. ``predict``
            needs their values for the steps to forecast.
        hist_exog: columns of covariates that are known up to the last row.
        static_exog: columns with one value per series. They are columns of ``static_df``, or of the
            frame itself.
        missing: treatment of missing values: "mask" (left out of statistics and loss),
            "interpolate", "ffill" or "raise".
        on_duplicate: treatment of rows with the same time: "raise", "first", "last" or "mean".
        time_format: format of times in text or numbers: a strptime format such as %d/%m/%Y, "s",
            "ms", "us" or "ns" since 1970, or "excel". None infers it.
        dayfirst: read 01/02 as 1 February (true) or 2 January (false). None infers it, and raises
            an error if dates are ambiguous.
        tz: time zone in which times are read, such as Europe/Berlin; times without a zone are local
            there. None uses the zone of the data, and reads text with changing offsets in UTC.
        resample: step of a regular grid to put rows on, such as h, 15min or MS: numbers in one step
            are averaged, the last category is taken, and a step without rows is missing. None
            leaves rows as they are.
        holidays: country or subdivision whose holidays are covariates, such as DE or DE-BY.
        calendar: use the time of day, of the week and of the year as covariates.
        titles: title of each series, such as "{title}", by which series with few rows or none are
            forecast. Names in braces are columns with one value per series. The ``text_reader``
            reads each title once. A series of one row with a missing value has no history.
        max_steps: number of training batches.
        max_epochs: number of passes over all training windows, in place of max_steps.
        learning_rate: the highest learning rate. None takes that of the adapter or baseline.
        batch_size: windows per training batch; "auto" takes the largest power of two that fits into
            memory. None takes that of the adapter or baseline. "auto" takes at most four times
            that. The number is in ``config_``.
        val_size: number of last rows of each series used for validation; 0 uses none. None takes a
            tenth of each series. That tenth is raised to ``h`` rows, or cut to 10 ``h`` rows.
        early_stopping_patience: number of validation checks without progress after which training
            stops, with the best weights. None trains to the end and uses the last weights. The best
            weights have the least squared error of points, or the best score of a distribution.
        fraction: fraction of the training rows of each series to train on, counted from the first
            row; above 0, at most 1. Validation uses all of its rows, and sizes suggested by the
            data come from all rows.
        scaler: training rows that give the mean and the standard deviation of a series, for
            standardising it: those of "fraction", or all ("train").
        trainer: training recipe: optimizer, learning-rate schedule and loss: "one_cycle", "cosine"
            or "halving". A name, or a ``Spec`` with options.
        conformal: calibration of intervals on validation windows: "residual", "cqr", "adaptive" or
            "none". None is "residual" for points and "none" for distributions. See
            ``tslm.uncertainty.conformal``.
        text_reader: reader of titles and of statements in events: "smollm2-135m", a language model
            with a pretrained head; another backbone, which learns effects from past statements
            alone; or "rules", which uses numbers and a short list of words.
        floor: smallest value of forecasts, intervals and samples, in the units of the target; such
            as 0 for sales.
        accelerator: device to train on, as in Lightning: auto, cpu, gpu and others.
        devices: number or list of devices, as in Lightning.
        strategy: strategy for several devices, as in Lightning.
        alias: name of the forecast column. None is the class name of the adapter or baseline.
        random_state: seed; the same seed gives the same bits on a CPU. None draws one.
        verbose: 0 is silent, 1 shows a progress bar.
        logger: a logger of Lightning, or a list of loggers, for the losses. The loss by step is
            also in ``history_``. Loggers, callbacks and trainer_kwargs are not saved.
        callbacks: further callbacks of Lightning.
        trainer_kwargs: further arguments of Lightning's Trainer: ``{"log_every_n_steps": 10}``.

    Examples:
        >>> from tslm import BaselineForecaster
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=200)
        >>> BaselineForecaster("profile_ar", h=7).fit(sales).predict().shape
        (14, 3)
    """

    parts = ("model", "trainer")

    def __init__(
        self,
        model: str | Spec = "seasonal_naive",
        h: int = 24,
        context_length: int | None = None,
        freq: int | str | None = None,
        season_length: int | None = None,
        id_col: str | list[str] | None = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        futr_exog: list[str] | None = None,
        hist_exog: list[str] | None = None,
        static_exog: list[str] | None = None,
        missing: str = "mask",
        on_duplicate: str = "raise",
        time_format: str | None = None,
        dayfirst: bool | None = None,
        tz: str | None = None,
        resample: str | None = None,
        holidays: str | None = None,
        calendar: bool = False,
        titles: str | None = None,
        max_steps: int = 1000,
        max_epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | str | None = None,
        val_size: int | None = None,
        early_stopping_patience: int | None = None,
        fraction: float = 1.0,
        scaler: str = "fraction",
        trainer: str | Spec = "one_cycle",
        conformal: str | None = None,
        text_reader: str = "smollm2-135m",
        floor: float | int | None = None,
        accelerator: str = "auto",
        devices: Any = 1,
        strategy: str = "auto",
        alias: str | None = None,
        random_state: int | None = None,
        verbose: int = 1,
        logger: Any = None,
        callbacks: Sequence[Any] | None = None,
        trainer_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.h = h
        self.context_length = context_length
        self.freq = freq
        self.season_length = season_length
        self.id_col = id_col
        self.time_col = time_col
        self.target_col = target_col
        self.futr_exog = futr_exog
        self.hist_exog = hist_exog
        self.static_exog = static_exog
        self.missing = missing
        self.on_duplicate = on_duplicate
        self.time_format = time_format
        self.dayfirst = dayfirst
        self.tz = tz
        self.resample = resample
        self.holidays = holidays
        self.calendar = calendar
        self.titles = titles
        self.max_steps = max_steps
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.val_size = val_size
        self.early_stopping_patience = early_stopping_patience
        self.fraction = fraction
        self.scaler = scaler
        self.trainer = trainer
        self.conformal = conformal
        self.text_reader = text_reader
        self.floor = floor
        self.accelerator = accelerator
        self.devices = devices
        self.strategy = strategy
        self.alias = alias
        self.random_state = random_state
        self.verbose = verbose
        self.logger = logger
        self.callbacks = callbacks
        self.trainer_kwargs = trainer_kwargs

    def _warn_after_fit(self) -> None:
        self.verdict_.warn("training it")

    def _assemble(
        self,
        cfg: DictConfig,
        task: Task,
        device: torch.device | None = None,
        download: bool = True,
        sizes: AbstractContextManager[None] = ANY,
    ) -> Forecaster:
        with sizes:
            return baseline(cfg.model, task)

    def _part(self, cfg: DictConfig) -> Any:
        return part_class(cfg.model)

    def _joint(self, cfg: DictConfig) -> bool:
        return bool(self._part(cfg).multivariate)

    def _concerns(self, setting: str) -> bool:
        return setting in (*self.get_params(deep=False), "choices")

    def baseline(self, name: str) -> TrainedForecaster:
        params = self.get_params(deep=False)
        apart = tagged(OWN, COVARIATE)
        plain = {key: value for key, value in params.items() if key not in apart}
        other = BaselineForecaster(**{**plain, "model": name})
        plainly = not Spec.of(self.model).options and self.alias is None
        same = plainly and all(params[key] == getattr(other, key) for key in tagged(COVARIATE))
        return self if same and self.name == other.name else other
