"""Forecaster with a language model: a scikit-learn estimator for long frames, and its settings."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tslm.core.config.schema import PART, tagged
from tslm.core.spec import Spec
from tslm.estimators.language_model_forecaster import LanguageModelForecaster


class TSLMForecaster(LanguageModelForecaster):
    """Forecaster of long frames with a frozen language model and a small trained adapter.

    Arguments are only stored; ``fit`` checks them. None takes the value of the adapter's or
    backbone's yaml file, or one that suits the data.

    Args:
        h: number of steps to forecast; training uses the same horizon.
        adapter: method that turns series into tokens. A name, or a ``Spec`` with options.
        backbone: the frozen language model: a name (tslm backbone list), a hub id, a folder or a
            .gguf file; or a control in its place, such as "none", "block" or "random:smollm2-135m".
        n_layers: number of first blocks of the backbone to use; "all" uses every block, "auto" lets
            validation choose. None takes the recommendation of the backbone.
        decoder: method that turns hidden states into values. None is the adapter's own decoder.
            "point", "quantile", "student_t" and "mixture" are the adapter's own decoder with that
            distribution of each value.
        base: "auto" is a mix of classical forecasts and that of the adapter; another name is the
            forecast that the adapter corrects: "profile", "profile_ar", "ridge" or "theta", or
            "none". None is the adapter alone, as published (lipcot corrects profile_ar). Validation
            weights the members of a mix. Otherwise training begins at the base forecast, and
            validation decides how much of the correction is used.
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
        prompt: description of the series for adapters that pass text to the language model. For
            example "Hourly load of a small town.". Names in braces are filled in for each series:
            "{store}, {city}: daily sales". They name the id column, or columns with one value per
            series. ``fit`` warns, or refuses names in braces, if the adapter does not read text.
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
        distribution: distribution of each forecast value: "point", "quantile", "student_t" or
            "mixture"; use it if decoder= names a layout such as "flatten". None is a point, or the
            distribution that decoder= names.
        freeze: weights of the backbone to train: "strict" (none), "norms", "norms+pos", "lora" or
            "full".
        rollout: roll-out of a horizon longer than one pass: "sliding"; "cached", which reads each
            segment once and is faster; or "parallel", which is trained to forecast h in one pass.
        multivariate: reading of series: each alone ("independent"), or joint ("tokens").
        pretrained: folder of a saved model, or of a saved LiPCoTPretrainer; training begins with
            its adapter. None begins with new weights. With max_steps=0 its adapter and decoder
            forecast untrained.
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
        precision: precision of the frozen backbone, fp32 or bf16. None takes bf16 on GPUs that
            support it, else fp32.
        alias: name of the forecast column. None is the class name of the adapter or baseline.
        random_state: seed; the same seed gives the same bits on a CPU. None draws one.
        verbose: 0 is silent, 1 shows a progress bar.
        logger: a logger of Lightning, or a list of loggers, for the losses. The loss by step is
            also in ``history_``. Loggers, callbacks and trainer_kwargs are not saved.
        callbacks: further callbacks of Lightning.
        trainer_kwargs: further arguments of Lightning's Trainer: ``{"log_every_n_steps": 10}``.

    Examples:
        >>> from tslm import TSLMForecaster
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=90, max_length=100)
        >>> model = TSLMForecaster(h=7, backbone="tiny", max_steps=2, random_state=0, verbose=0)
        >>> model.fit(sales).predict(level=[80]).columns.tolist()
        ['unique_id', 'ds', 'AutoTimes', 'AutoTimes-lo-80', 'AutoTimes-hi-80']
        >>> backtest = model.cross_validation(sales, n_windows=2)
        >>> backtest.columns.tolist()
        ['unique_id', 'ds', 'cutoff', 'y', 'AutoTimes', 'SeasonalNaive']
    """

    parts = tagged(PART)

    def __init__(
        self,
        h: int = 24,
        adapter: str | Spec = "autotimes",
        backbone: str = "smollm2-135m",
        n_layers: int | str | None = None,
        decoder: str | Spec | None = None,
        base: str | Spec | None = "auto",
        context_length: int | None = None,
        freq: int | str | None = None,
        season_length: int | None = None,
        id_col: str | list[str] | None = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        futr_exog: list[str] | None = None,
        hist_exog: list[str] | None = None,
        static_exog: list[str] | None = None,
        prompt: str | None = None,
        missing: str = "mask",
        on_duplicate: str = "raise",
        time_format: str | None = None,
        dayfirst: bool | None = None,
        tz: str | None = None,
        resample: str | None = None,
        holidays: str | None = None,
        calendar: bool = False,
        titles: str | None = None,
        distribution: str | Spec | None = None,
        freeze: str | Spec = "strict",
        rollout: str | Spec = "sliding",
        multivariate: str = "independent",
        pretrained: str | Path | None = None,
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
        precision: str | None = None,
        alias: str | None = None,
        random_state: int | None = None,
        verbose: int = 1,
        logger: Any = None,
        callbacks: Sequence[Any] | None = None,
        trainer_kwargs: Mapping[str, Any] | None = None,
    ) -> None:
        self.h = h
        self.adapter = adapter
        self.backbone = backbone
        self.n_layers = n_layers
        self.decoder = decoder
        self.base = base
        self.context_length = context_length
        self.freq = freq
        self.season_length = season_length
        self.id_col = id_col
        self.time_col = time_col
        self.target_col = target_col
        self.futr_exog = futr_exog
        self.hist_exog = hist_exog
        self.static_exog = static_exog
        self.prompt = prompt
        self.missing = missing
        self.on_duplicate = on_duplicate
        self.time_format = time_format
        self.dayfirst = dayfirst
        self.tz = tz
        self.resample = resample
        self.holidays = holidays
        self.calendar = calendar
        self.titles = titles
        self.distribution = distribution
        self.freeze = freeze
        self.rollout = rollout
        self.multivariate = multivariate
        self.pretrained = pretrained
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
        self.precision = precision
        self.alias = alias
        self.random_state = random_state
        self.verbose = verbose
        self.logger = logger
        self.callbacks = callbacks
        self.trainer_kwargs = trainer_kwargs
