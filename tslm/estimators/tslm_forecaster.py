"""The scikit-learn-style estimator: a long frame in, an LLM forecaster out."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from omegaconf import DictConfig

import tslm.estimators.saving as saving
from tslm.core.config.build import part_class
from tslm.core.config.estimator_settings import configure, estimator_arguments
from tslm.core.errors import BackboneError, ConfigError, warn
from tslm.core.spec import Spec
from tslm.core.types import Forecaster, Task
from tslm.data.interchange import same_kind
from tslm.data.series_text import PromptTemplate
from tslm.estimators.base import positive
from tslm.estimators.baseline_forecaster import COVARIATES, OWN, BaselineForecaster
from tslm.estimators.explanation import Explanation, explain
from tslm.estimators.fitting import TrainedForecaster
from tslm.evaluation.ablation.arms import Budget
from tslm.evaluation.ablation.report import Ablation
from tslm.evaluation.ablation.run import Failure, Reporter, Trial, held_out, run
from tslm.models.assembly import ANY, assemble
from tslm.models.forecast_model import ForecastModel


class TSLMForecaster(TrainedForecaster):
    """Forecasts long frames with a frozen language model and a small trained adapter.

    Arguments are only stored; ``fit`` checks them. None takes what the adapter's or the
    backbone's yaml recommends, or what the data suggest.

    Args:
        h: steps trained for, and forecast by default.
        adapter: how series become tokens: a name, or a ``Spec`` with options.
        backbone: the frozen body: a named one, a hub id, a folder or a ``.gguf`` file; or a
            control in its place, such as "none", "block" or "random:smollm2-135m".
        n_layers: its first blocks used; "all" for all.
        decoder: how hidden states become values; None is the adapter's own. "point", "quantile",
            "student_t" and "mixture" are the adapter's own with that law of each value.
        law: that law, beside a ``decoder`` that names another layout; a name, or a ``Spec``.
        base: what the adapter corrects: "profile", "profile_ar" or "ridge", or a ``Spec``; training
            begins at its forecast, and validation decides how much of the correction is kept.
        context_length: steps read.
        freq: distance of rows, a pandas alias or a whole number; None infers it.
        season_length: steps of the main season; None takes the frequency's.
        id_col: column of series ids, or the list of columns that name a series together. A frame
            without a column ``unique_id`` is one series, called like its target.
        time_col: column of times. Where none is called "ds", the one column of dates.
        target_col: column of values. Where none is called "y", the one column of numbers.
        futr_exog: columns of covariates known ahead, numbers or categories; ``predict`` needs
            them of the steps to forecast.
        hist_exog: columns of covariates known up to the last row.
        static_exog: columns of ``static_df`` (or of ``df``) with one value a series.
        prompt: what the series are, in words ("Hourly load of a small town."), for adapters that
            say it to the language model; of others ``fit`` warns. Names in braces are columns that
            hold for a whole series, or the id, and are filled in for each: "{store}, {city}: daily
            sales"; an adapter that would not say it refuses these.
        missing: "mask" leaves gaps out of statistics and loss; "interpolate", "ffill", "raise".
        on_duplicate: "raise", "first", "last" or "mean".
        time_format: the way text or numbers are written as times: a strptime format
            ("%d/%m/%Y"), "s", "ms", "us" or "ns" since 1970, or "excel"; None finds out.
        dayfirst: whether the day comes before the month; None finds out, and asks where it cannot.
        tz: time zone in which times are read, such as "Europe/Berlin"; times without one are local
            there. None keeps the frame's, and reads text of changing offsets in UTC.
        resample: steps of a grid that rows are put on, such as "h" or "MS", where times jitter or
            rows come as they come: numbers of one step are averaged, of categories the last one
            is taken, and a step without rows is missing. None leaves rows where they are.
        holidays: a country, or country and subdivision ("DE", "DE-BY"), whose holidays count.
        calendar: whether the time of day, of the week and of the year count by themselves.
        max_steps: training batches.
        max_epochs: passes over all windows, in place of ``max_steps``.
        learning_rate: the highest rate.
        batch_size: windows per training batch.
        conformal: how intervals are calibrated on validation windows: "residual", "cqr",
            "adaptive" or "none", see ``tslm.uncertainty.conformal``; None is "none"
            where the decoder has a law, and "residual" otherwise.
        floor: least value of forecasts, intervals and samples, in the units of ``target_col``: what
            would lie below is put there. 0 keeps sales from going negative.
        val_size: last rows of each series kept for validation; None keeps a tenth of each (at
            least ``h`` and at most 10 ``h``), 0 none.
        early_stopping_patience: looks at validation without progress before training stops and
            the best weights are taken: of points by their squared error, of a law by its own
            score; None trains to the end and keeps the last ones.
        accelerator: as in Lightning.
        devices: as in Lightning.
        strategy: as in Lightning.
        precision: of the frozen body, "fp32" or "bf16"; None is bf16 where the GPU is made for it.
        freeze: what of the body is trained: "strict" (nothing), "norms", "norms+pos", "lora",
            "full", or a ``Spec`` with options.
        rollout: "sliding" or "cached", see ``ForecastModel``.
        pretrained: a folder that a ``LiPCoTPretrainer``, or another forecaster with this adapter,
            has saved: training begins with what is portable of its adapter.
        trainer: the training recipe: a name, or a ``Spec`` with options.
        fraction: share of the training rows of each series that is trained on, above 0: a context
            and so much of what follows it, the first ones. Validation, and the sizes that data
            suggest, are those of all rows.
        scaler: the rows whose mean and spread standardise a series: those of the "fraction", or as
            in the few-shot literature all training rows ("train").
        alias: name of the forecast column; None is the adapter's class name.
        random_state: seed; the same one gives the same bits on a CPU. None draws one.
        verbose: 0 is silent, 1 shows a progress bar.
        logger: where losses are written to: a logger of Lightning, or a list of them. The loss by
            step is in ``history_`` in any case. Not saved, nor are the next two.
        callbacks: further callbacks of Lightning.
        trainer_kwargs: further words for Lightning's trainer: ``{"log_every_n_steps": 10}``.

    Examples:
        >>> from tslm import TSLMForecaster
        >>> from utilsforecast.data import generate_series
        >>> sales = generate_series(2, freq="D", min_length=200)
        >>> model = TSLMForecaster(h=7, backbone="tiny", max_steps=2, random_state=0, verbose=0)
        >>> model.fit(sales).predict(level=[80]).columns.tolist()
        ['unique_id', 'ds', 'AutoTimes', 'AutoTimes-lo-80', 'AutoTimes-hi-80']
        >>> backtest = model.cross_validation(sales, n_windows=2)
        >>> backtest.columns.tolist()
        ['unique_id', 'ds', 'cutoff', 'y', 'AutoTimes', 'SeasonalNaive']
    """

    parts = ("adapter", "decoder", "distribution", "base", "freeze", "trainer")

    def __init__(
        self,
        h: int = 24,
        adapter: str | Spec = "autotimes",
        backbone: str = "smollm2-135m",
        n_layers: int | str | None = None,
        decoder: str | Spec | None = None,
        base: str | Spec | None = None,
        context_length: int | None = None,
        freq: str | int | None = None,
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
        precision: str | None = None,
        freeze: str | Spec = "strict",
        rollout: str = "sliding",
        pretrained: str | Path | None = None,
        trainer: str | Spec = "one_cycle",
        distribution: str | Spec | None = None,
        fraction: float = 1.0,
        scaler: str = "fraction",
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
        self.precision = precision
        self.freeze = freeze
        self.rollout = rollout
        self.pretrained = pretrained
        self.trainer = trainer
        self.distribution = distribution
        self.fraction = fraction
        self.scaler = scaler
        self.alias = alias
        self.random_state = random_state
        self.verbose = verbose
        self.logger = logger
        self.callbacks = callbacks
        self.trainer_kwargs = trainer_kwargs

    @property
    def model_(self) -> ForecastModel:
        """The fitted model: adapter, frozen body and decoder."""
        self._check_fitted()
        assert isinstance(self.forecaster_, ForecastModel)
        return self.forecaster_

    @same_kind
    def fit(
        self,
        df: pd.DataFrame,
        y: None = None,
        *,
        static_df: pd.DataFrame | None = None,
        val_df: pd.DataFrame | None = None,
        warm_start: bool = False,
        folder: str | Path | None = None,
    ) -> "TSLMForecaster":
        """Train the adapter and the decoder on a long frame.

        Args:
            df: any number of series, of any lengths.
            y: ignored; scikit-learn passes it.
            static_df: ``static_exog``, and what ``prompt`` names, of each series, one row each;
                else ``df`` has them as columns.
            val_df: rows that follow those of ``df``, to validate on; in place of ``val_size``.
            warm_start: whether training begins with the weights of the last ``fit``, and with its
                sizes: a few steps then bring a model up to date with newer rows.
            folder: where to keep checkpoints; a run that was killed goes on from the last one.

        Raises:
            DataError: if the frame breaks the contract; the message names ids and dates.
            ConfigError: if a setting is impossible.
            NotFittedError: if ``warm_start`` is asked for before any ``fit``.
        """
        super().fit(df, static_df=static_df, val_df=val_df, warm_start=warm_start, folder=folder)
        part = self._part(self.config_)
        if self.prompt and not part.reads_text:
            warn(
                f"{part.__name__} says nothing to the language model in words: prompt has no "
                "effect. Choose adapter=time_llm, or leave prompt out."
            )
        self.verdict_.warn("the language model")
        return self

    @same_kind
    def explain(self, df: pd.DataFrame | None = None, *, top: int = 5) -> Explanation:
        """What the language model is told of the last context of each series, in words.

        Args:
            df: series to explain, seen in ``fit`` or not; None takes those of ``fit``.
            top: words named of each prototype or anchor, and of these in each patch.

        Raises:
            ConfigError: if the adapter does not speak in words.
        """
        self._check_fitted()
        panel = self.contexts_ if df is None else self._panel(df)
        return explain(
            self.model_, panel, self.calendar_, self.context_length_, positive("top", top)
        )

    @same_kind
    def ablate(
        self,
        df: pd.DataFrame,
        *,
        h: int | None = None,
        n_windows: int = 1,
        static_df: pd.DataFrame | None = None,
        val_df: pd.DataFrame | None = None,
        budget: str | Budget = "quick",
        say: Reporter | None = None,
    ) -> pd.DataFrame:
        """Does the language model help? Train it and its substitutes, and compare.

        The last ``n_windows`` horizons of each series are held out; every window in them is
        forecast by every arm. ``ablation_`` has the verdicts, and writes the report.

        Args:
            df: the long frame.
            h: steps forecast, the estimator's ``h`` by default.
            n_windows: horizons held out; more than three give an interval for few series.
            static_df: as in ``fit``.
            val_df: rows that follow those of ``df``: the horizons held out are the last of them,
                and those before validate, in place of ``val_size``.
            budget: a file of ``conf/budget`` ("quick", "full", "survey"), or a ``Budget``.
            say: told of each arm when it is done.

        Returns:
            One row an arm: errors, the model against it in percent with its interval, verdict,
            cost.

        Raises:
            DataError: if the frame breaks the contract, or series are too short to hold out.
            ConfigError: if a setting is impossible.
        """
        horizon = positive("h", self.h if h is None else h)
        settled = self.addressed(df)
        assert isinstance(settled, TSLMForecaster)
        rows = horizon * positive("n_windows", n_windows)
        trial = held_out(settled, df, rows, static_df=static_df, val_df=val_df)
        asked = budget if isinstance(budget, Budget) else Budget.of(budget)
        self.ablation_ = settled.compare(trial, [horizon], asked, say)
        return self.ablation_.frame

    def compare(
        self, trial: Trial, horizons: Sequence[int], budget: Budget, say: Reporter | None = None
    ) -> Ablation:
        """Train the model and all arms of a budget on a trial, and compare them.

        An arm that fails is left out of the report, with a warning, and ``failed`` says why.
        """
        cfg = self._configure()
        language = self._part(cfg).language(dict(cfg.adapter)) if budget.language else {}
        outcomes, failed = [], {}
        for found in run(self, trial, horizons, budget, language, say or _silent):
            if isinstance(found, Failure):
                failed[found.arm.name] = found.reason
                text = f"Arm {found.arm.name} failed and is left out: {found.reason}"
                warn(text)
            else:
                outcomes.append(found)
        return Ablation.of(
            outcomes,
            data=trial.name,
            model=self._called(cfg),
            budget=budget.name,
            season=trial.season,
            failed=failed,
        )

    def _configure(self) -> DictConfig:
        params = self.stored_params()
        values = {key: value for key, value in params.items() if key not in self.parts}
        cfg = configure({part: params[part] for part in self.parts}, values)
        names = PromptTemplate.parse(self.prompt).names
        if names and not (part := self._part(cfg)).reads_text:
            raise ConfigError(
                f"prompt={self.prompt!r} says something of each series, and {part.__name__} "
                "says nothing to the language model in words. Choose adapter=time_llm, or "
                "leave prompt out."
            )
        return cfg

    def _part(self, cfg: DictConfig) -> Any:
        return part_class(cfg.adapter)

    def _sentence(self) -> PromptTemplate:
        sentence = PromptTemplate.parse(self.prompt)
        if sentence.names and not self.__sklearn_is_fitted__():
            self._configure()  # refuses words that the adapter would not say
        return sentence

    def _trusts_law(self, model: Forecaster) -> bool:
        return model.distribution_horizon > 0

    def _assemble(
        self,
        cfg: DictConfig,
        task: Task,
        device: torch.device | None = None,
        download: bool = True,
        sizes: AbstractContextManager[None] = ANY,
    ) -> Forecaster:
        return assemble(cfg, task, device=device, download=download, sizes=sizes)

    def _begin(self, model: Forecaster) -> None:
        if self.pretrained is None:
            return
        assert isinstance(model, ForecastModel)
        weights = saving.read(self.pretrained).weights
        own = [name for name in weights if name.startswith("adapter.")]
        model.adapter.begin({name.removeprefix("adapter."): weights[name] for name in own})

    def baseline(self, name: str) -> TrainedForecaster:
        known = BaselineForecaster().get_params(deep=False)
        apart = {*OWN, *COVARIATES}  # a baseline reads the series alone
        shared = known.keys() & (self.get_params(deep=False).keys() - apart)
        return BaselineForecaster(name, **{key: getattr(self, key) for key in shared})

    def _identity(self) -> dict[str, Any]:
        return {"backbone": asdict(self.model_.backbone.identity)}

    def _check_identity(self, facts: dict[str, Any], model: Forecaster) -> None:
        assert isinstance(model, ForecastModel)
        trained, found = facts["backbone"], asdict(model.backbone.identity)
        for key in ("fingerprint", "n_layers"):
            if trained[key] != found[key]:
                raise BackboneError(
                    f"The model was saved with {trained['name']} ({key} {trained[key]}, from "
                    f"{trained['source']}), and the one here has {key} {found[key]} (from "
                    f"{found['source']}). Get the weights it was trained with, and pass "
                    "load(path, backbone=...) where they are."
                )


def _silent(text: str) -> None:
    """Say nothing."""


def estimator_of(cfg: DictConfig) -> TrainedForecaster:
    """The estimator that a verb's settings describe: a baseline where ``model`` names one."""
    kind = TSLMForecaster if cfg.model is None else BaselineForecaster
    known = kind().get_params(deep=False)
    given = {key: value for key, value in estimator_arguments(cfg).items() if key in known}
    return kind(**given)


def load_estimator(
    path: str | Path,
    *,
    device: str | None = None,
    backbone: str | Path | None = None,
    download: bool = False,
) -> TrainedForecaster:
    """Read a saved folder, whichever estimator it holds; see ``TrainedForecaster.load``."""
    kind = BaselineForecaster if saving.kind(path) == "BaselineForecaster" else TSLMForecaster
    return kind.load(path, device=device, backbone=backbone, download=download)
