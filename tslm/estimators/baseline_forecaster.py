"""Baselines under the verbs of the estimator: what every language model must beat."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from omegaconf import DictConfig

from tslm.core.config.build import part_class
from tslm.core.config.estimator_settings import configure
from tslm.core.spec import Spec
from tslm.core.types import Forecaster, Task
from tslm.estimators.fitting import LIVE, TrainedForecaster
from tslm.models.assembly import ANY, baseline

COVARIATES = ("futr_exog", "hist_exog", "static_exog", "holidays", "calendar")
OWN = (
    "alias",
    "conformal",
    "context_length",
    "learning_rate",
    "batch_size",
    *LIVE,
)  # each model has its own


class BaselineForecaster(TrainedForecaster):
    """Forecasts long frames without a language model.

    Arguments are only stored; ``fit`` checks them. None takes what the model's yaml recommends, or
    what the data suggest. Rules such as ``last`` are not trained, and ignore all about training.

    Args:
        model: a name of ``conf/model`` ("profile_ar", "dlinear", "itransformer"), or a ``Spec``
            with options.
        h: steps trained for, and forecast by default.
        context_length: steps read.
        freq: distance of rows, a pandas alias or a whole number; None infers it.
        season_length: steps of the main season; None takes the frequency's.
        id_col: column of series ids, or the list of columns that name a series together. A frame
            without a column ``unique_id`` is one series, called like its target.
        time_col: column of times. Where none is called "ds", the one column of dates.
        target_col: column of values. Where none is called "y", the one column of numbers.
        futr_exog: columns of covariates known ahead, as of ``TSLMForecaster``.
        hist_exog: columns of covariates known up to the last row.
        static_exog: columns with one value a series.
        missing: "mask", "interpolate", "ffill" or "raise".
        on_duplicate: "raise", "first", "last" or "mean".
        time_format: the way text or numbers are written as times: a strptime format
            ("%d/%m/%Y"), "s", "ms", "us" or "ns" since 1970, or "excel"; None finds out.
        dayfirst: whether the day comes before the month; None finds out, and asks where it cannot.
        tz: time zone in which times are read, such as "Europe/Berlin"; times without one are local
            there. None keeps the frame's, and reads text of changing offsets in UTC.
        resample: steps of a grid that rows are put on, such as "h" or "MS", where times jitter or
            rows come as they come: numbers of one step are averaged, of categories the last one
            is taken, and a step without rows is missing. None leaves rows where they are.
        holidays: a country, or country and subdivision, whose holidays count.
        calendar: whether the time of day, of the week and of the year count by themselves.
        max_steps: training batches.
        max_epochs: passes over all windows, in place of ``max_steps``.
        learning_rate: the highest rate.
        batch_size: windows per training batch.
        conformal: how intervals are calibrated on validation windows: "residual", "cqr",
            "adaptive" or "none", see ``tslm.uncertainty.conformal``; None is "residual".
        floor: least value of forecasts, intervals and samples, see ``TSLMForecaster``.
        val_size: last rows of each series kept for validation, see ``TSLMForecaster``.
        early_stopping_patience: looks at validation without progress before training stops.
        accelerator: as in Lightning.
        devices: as in Lightning.
        strategy: as in Lightning.
        trainer: the training recipe: a name, or a ``Spec`` with options.
        fraction: share of the training rows that is trained on, see ``TSLMForecaster``.
        scaler: "fraction" or "train", see ``TSLMForecaster``.
        alias: name of the forecast column; None is the class name of the model.
        random_state: seed; None draws one.
        verbose: 0 is silent, 1 shows a progress bar.
        logger: where losses are written to: a logger of Lightning, or a list of them. The loss by
            step is in ``history_`` in any case. Not saved, nor are the next two.
        callbacks: further callbacks of Lightning.
        trainer_kwargs: further words for Lightning's trainer: ``{"log_every_n_steps": 10}``.

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
        freq: str | int | None = None,
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
        max_steps: int = 1000,
        max_epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        val_size: int | None = None,
        conformal: str | None = None,
        floor: float | int | None = None,
        early_stopping_patience: int | None = None,
        accelerator: str = "auto",
        devices: Any = 1,
        strategy: str = "auto",
        trainer: str | Spec = "one_cycle",
        fraction: float = 1.0,
        scaler: str = "fraction",
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
        self.max_steps = max_steps
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.val_size = val_size
        self.conformal = conformal
        self.floor = floor
        self.early_stopping_patience = early_stopping_patience
        self.accelerator = accelerator
        self.devices = devices
        self.strategy = strategy
        self.trainer = trainer
        self.fraction = fraction
        self.scaler = scaler
        self.alias = alias
        self.random_state = random_state
        self.verbose = verbose
        self.logger = logger
        self.callbacks = callbacks
        self.trainer_kwargs = trainer_kwargs

    def _tell(self) -> None:
        self.verdict_.warn("training it")

    def _configure(self) -> DictConfig:
        params = self.stored_params()
        values = {key: value for key, value in params.items() if key not in self.parts}
        return configure({part: params[part] for part in self.parts}, values)

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
        plain = {key: value for key, value in params.items() if key not in (*OWN, *COVARIATES)}
        other = BaselineForecaster(**{**plain, "model": name})
        plainly = not Spec.of(self.model).options and self.alias is None
        same = plainly and all(params[key] == getattr(other, key) for key in COVARIATES)
        return self if same and self.name == other.name else other
