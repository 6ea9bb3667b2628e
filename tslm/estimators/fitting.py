"""Fit, save and load: what every forecaster of long frames with settings in ``conf`` shares."""

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

import tslm.estimators.saving as saving
from tslm.core.calendar import Calendar, Ints
from tslm.core.config.build import build
from tslm.core.config.estimator_settings import configure
from tslm.core.config.schema import LIVE, tagged
from tslm.core.errors import ConfigError, DataError, warn
from tslm.core.forecaster import Forecaster
from tslm.core.hardware import Machine, is_first
from tslm.core.messages import naming
from tslm.core.plain_values import plain
from tslm.core.seeds import seeded
from tslm.core.shrinkage import Shrinkage
from tslm.core.spec import nested
from tslm.core.types import Facts, Task
from tslm.data.align import align_series
from tslm.data.batches import Batches
from tslm.data.covariates.effects import Effects
from tslm.data.covariates.regression import CAUTION
from tslm.data.frame import Frame
from tslm.data.frame_report import Report
from tslm.data.interchange import Kind, same_kind
from tslm.data.loaders import WindowData
from tslm.data.origins import warn_of_long_horizon
from tslm.data.panel import Panel
from tslm.data.roles import names_of
from tslm.data.samplers import EpochWindows, RandomWindows, evenly_spaced
from tslm.data.split import first_rows
from tslm.data.window_times import start_times
from tslm.data.windows import Windows
from tslm.estimators.base import LongFrameForecaster, positive
from tslm.estimators.training.history import history_from_state, history_state
from tslm.estimators.training.module import train
from tslm.estimators.training.recipe import Recipe
from tslm.estimators.training.resume import Run
from tslm.estimators.training.weights import trained_state
from tslm.estimators.validation.verdict import Verdict, judge
from tslm.estimators.weight_summary import summary_of
from tslm.models.assembly import ANY, device_named, device_of, settle, task_of
from tslm.uncertainty.conformal.base import ENOUGH, Conformal
from tslm.uncertainty.conformal.methods import (
    check_conformal,
    conformal_class,
    fit_conformal,
    from_state,
    validation_windows,
)
from tslm.uncertainty.conformal.residual import FEW
from tslm.uncertainty.past_changes import fit_changes

LOOK = 1024  # validation windows looked at during training, evenly spread
EFFECTS = "effects."  # beginning of the names of their arrays, in a saved model
INTERVALS = "intervals."  # what the names of their tensors begin with, in a saved model
LEARNT = 65_536  # training windows shown to what learns without gradients, evenly spread


class TrainedForecaster(LongFrameForecaster):
    """A forecaster made from settings: subclasses say which settings, and how to assemble it.

    ``parts`` are its parameters that name a config group.
    """

    parts: tuple[str, ...] = ()
    report_: Report | None
    val_size: int | None
    verbose: int
    logger: Any
    callbacks: Sequence[Callback] | None
    trainer_kwargs: Mapping[str, Any] | None

    history_: pd.DataFrame  # one row a training step: loss, learning rate, validation

    @property
    def name(self) -> str:
        return self._called(self.config_ if self.__sklearn_is_fitted__() else self._configure())

    def _called(self, cfg: DictConfig) -> str:
        """The forecast column under these settings."""
        return str(self._part(cfg).__name__) if self.alias is None else self.alias

    @abstractmethod
    def _configure(self) -> DictConfig:
        """The settings its parameters mean.

        Raises:
            ConfigError: if one is unknown or impossible.
        """

    @abstractmethod
    def _assemble(
        self,
        cfg: DictConfig,
        task: Task,
        device: torch.device | None = None,
        download: bool = True,
        sizes: AbstractContextManager[None] = ANY,
    ) -> Forecaster:
        """The forecaster, before it has learnt anything; ``sizes`` watches tensors but a body's."""

    def set_params(self, **params: Any) -> "TrainedForecaster":
        """Set parameters; ``adapter__patch_len=24`` sets an option of a part."""
        params = nested(self, self.parts, params)
        super().set_params(**params)
        return self

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
    ) -> "TrainedForecaster":
        """Learn from a long frame.

        Args:
            df: any number of series, of any lengths.
            y: ignored; scikit-learn passes it.
            static_df: what holds for each series, one row each; else ``df`` has it as columns.
            val_df: rows that follow those of ``df``, to validate on; in place of ``val_size``.
            warm_start: whether training begins with the weights of the last ``fit``, and with its
                sizes: a few steps then bring a model up to date with newer rows. What is learnt
                without training, such as a ridge regression, is learnt anew from ``df``.
            folder: where to keep checkpoints; a run that was killed goes on from the last one.

        Raises:
            DataError: if the frame breaks the contract; the message names ids and dates.
            ConfigError: if a setting is impossible.
            NotFittedError: if ``warm_start`` is asked for before any ``fit``.
        """
        chosen = self._chosen()
        cfg = self._configure()
        cfg = self._as_before(cfg) if warm_start else cfg
        device = self._machine(cfg).device  # what this computer lacks is refused before the work
        self.columns_ = self._found(df)
        self.check_names([self._called(cfg)])
        df = self.joined(df, static_df)
        val_df = None if val_df is None else self.joined(val_df, static_df)
        both = df if val_df is None else pd.concat([df, val_df], ignore_index=True)
        frame = self.read(both)
        kept = self.rows_kept(frame) if val_df is None else self.rows_given(frame, df, val_df)
        frame, split = _split(frame, kept, self._joint(cfg))
        season = cfg.season_length or frame.calendar.season_length
        cfg = settle(cfg, Facts(cfg.h, season, int(split.max())))
        task = task_of(cfg, season, frame.calendar)
        shown = first_rows(split, cfg.context_length, cfg.h, cfg.fraction)
        panel = Panel.from_frame(frame, until=shown if cfg.scaler == "fraction" else split)
        panel = replace(panel, text=self._sentence().fill(frame, self._columns()))
        effects = None
        if chosen:
            effects, panel = Effects.learn(chosen, frame, panel, shown, task)
        with (
            Run.begin(cfg, panel, None if folder is None else Path(folder)) as run,
            seeded(run.seed),
        ):
            model = self._assemble(cfg, task)
            check_conformal(self._conformal(cfg, model), model)
            self._begin(model)
            start = trained_state(self.forecaster_) if warm_start else {}
            history = self._learn(cfg, model, panel, shown, split, run, start)
            if effects is not None and panel.effects.lagged is not None:
                shrinkage = self._lagged_shrinkage(cfg, model, panel, split)
                effects, panel = (
                    effects.shrink_lagged(shrinkage),
                    replace(panel, effects=panel.effects.scale_lagged(shrinkage)),
                )
            self.calibration_ = self._calibrated(cfg, model, panel, split, season)
        self.config_, self.task_, self.report_ = cfg, task, frame.report
        self.calendar_, self.context_length_ = frame.calendar, int(cfg.context_length)
        self.forecaster_ = model.to(device)
        self.effects_, self.history_ = effects, history
        self.contexts_ = panel.tail(self.context_length_)
        trained = model.trains
        self.verdict_ = judge(self.name, model, panel, split, task) if trained else Verdict(0, [])
        if trained and not self.verdict_.windows and self.val_size != 0:
            warn(
                "No series has room for validation rows, so nothing tells whether training helps "
                "here. Give longer series or a smaller h."
            )
        warn_of_long_horizon(frame.ids, np.diff(frame.offsets), cfg.h)
        self._tell()
        return self

    @same_kind
    def recalibrate(
        self, df: pd.DataFrame, *, static_df: pd.DataFrame | None = None
    ) -> "TrainedForecaster":
        """Learn intervals anew from what happened since ``fit``; weights and points stay.

        Args:
            df: series to their newest rows. The last ``val_size`` of each take the place of the
                validation rows of ``fit``, and those before them are context.
            static_df: as in ``fit``.

        Raises:
            DataError: if the frame breaks the contract, or no series has rows enough.
            ConfigError: if covariates or the prompt were changed after ``fit``.
        """
        self._check_as_fitted()
        frame = self.read(self.joined(df, static_df), self.calendar_)
        frame, split = _split(frame, self.rows_kept(frame), self.forecaster_.multivariate)
        parts = (self.config_, self.forecaster_, self.panel_of(frame))
        learnt = self._calibrated(*parts, split, self.task_.season_length)
        if self.calibration_.learnt and not learnt.learnt:
            raise DataError(
                "These rows hold too few horizons to learn intervals from, and fit had enough. "
                f"Pass longer series, or set val_size to {ENOUGH * self.h} rows or more."
            )
        self.calibration_ = learnt
        return self

    def save(self, path: str | Path, overwrite: bool = False, history: bool = True) -> None:
        """Write a folder of JSON and safetensors: everything but the frozen body.

        Args:
            path: the folder; it appears whole or not at all. What else it holds stays.
            overwrite: whether to replace a model that is there.
            history: whether the last rows of each series go with it. Without them, and without
                ids, levels and sentences of the series, ``predict`` of the loaded model needs
                ``df``, and series of ``fit`` are standardised by what ``df`` has of them.

        Raises:
            ConfigError: if covariates or the prompt were changed after ``fit``.
        """
        self._check_as_fitted()
        if not is_first():  # of processes that trained together
            return
        rows, effects, report = self.contexts_, self.effects_, self.report_
        if not history:
            report = None
            rows = rows.without_series()
            effects = None if effects is None else effects.without_series()
        params = self.stored_params() | names_of(self._columns())
        params = {name: saving.plain(value) for name, value in params.items()}
        series, arrays = saving.parted(rows.state())
        learnt, more = ({}, {}) if effects is None else saving.parted(effects.state(), EFFECTS)
        facts = {
            "kind": type(self).__name__,
            "params": params,
            "settled": saving.settled(self.config_),
            "season_length": self.task_.season_length,
            "calendar": self.calendar_.state(),
            **series,
            "report": None if report is None else report.state(),
            "frames": self.kind_ and self.kind_.library.value,
            "verdict": self.verdict_.state(),
            "training": history_state(self.history_),
            "effects": learnt or None,
            **self._identity(),
        }
        facts["intervals"], intervals = saving.parted(self.calibration_.state(), INTERVALS)
        weights = trained_state(self.forecaster_) | intervals
        saving.save(saving.Saved(facts, weights, arrays | more), path, overwrite)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        device: str | torch.device | None = None,
        backbone: str | Path | None = None,
        download: bool = False,
    ) -> "TrainedForecaster":
        """Read a saved folder; the body must be here already, unless ``download`` is set.

        Args:
            path: the folder.
            device: where to forecast, such as "cpu" or "cuda:1"; None is where its settings say,
                the accelerator that is here for "auto".
            backbone: where the body is now, if not where it was at ``fit``; it must be the same.
            download: whether the body may be fetched.

        Raises:
            DataError: if the folder is damaged, altered, of a newer version, or of another class.
            BackboneError: if the body is not here or is not the one trained with.
            ConfigError: if ``backbone`` is given and the model has none, or there is no such
                ``device``.
        """
        where = None if device is None else device_named(device)
        saved = saving.read(path)
        if saved.facts["kind"] != cls.__name__:
            raise DataError(f"{path} holds a {saved.facts['kind']}; {cls.__name__} cannot load it.")
        known = cls().get_params(deep=False)
        if backbone is not None and "backbone" not in known:
            raise ConfigError(f"A {cls.__name__} has no backbone. Leave backbone out.")
        with saving.damage(f"{path}: its settings"):
            model = cls(**saving.parameters(saved.facts, known))
            saving.check_parameters(model.get_params(deep=False), model._configure())
            if backbone is not None:
                model.set_params(backbone=str(backbone))
                saved.facts["settled"]["values"]["backbone"] = str(backbone)
        model._restore(saved, path, where, download)
        return model

    def stored_params(self) -> dict[str, Any]:
        """Parameters without the live objects of Lightning, which belong to one process."""
        params = self.get_params(deep=False)
        return {name: value for name, value in params.items() if name not in tagged(LIVE)}

    def summary(self) -> pd.DataFrame:
        """Count the weights of each part of the fitted model.

        Returns:
            One row a part (adapter, backbone, decoder, base; or the model whole), and their sum:
            its class, weights that are trained, weights that are frozen, and megabytes.
        """
        self._check_fitted()
        return summary_of(self.forecaster_)

    def plot_history(self) -> Any:
        """Draw the loss by step, and the measure of validation beside it, by matplotlib.

        Raises:
            DataError: if nothing was trained.
        """
        from tslm.plots.forecasts import plot_history

        self._check_fitted()
        return plot_history(self.history_)

    @property
    def settings(self) -> dict[str, Any]:
        """Return the settings it was fitted with, ready for JSON."""
        self._check_fitted()
        plain = OmegaConf.to_container(self.config_)
        assert isinstance(plain, dict)
        return {str(key): value for key, value in plain.items() if self._concerns(str(key))}

    @property
    def settled_rate(self) -> float | None:
        """The learning rate its settings mean."""
        rate: float | None = self._configure().learning_rate
        return rate

    @abstractmethod
    def baseline(self, name: str) -> "TrainedForecaster":
        """A baseline with the same task, to stand beside."""

    def prepare(self, panel: Panel) -> None:
        """Let the fitted model learn, once, what windows of these series will need."""
        windows = Windows(panel, context_length=self.context_length_, future_length=1)
        if self.forecaster_.patch_len:
            self.forecaster_.prepare(start_times(windows, 1))

    def _restore(
        self,
        saved: saving.Saved,
        path: str | Path,
        device: torch.device | None,
        download: bool,
    ) -> None:
        facts = saved.facts
        with saving.damage(f"{path}: its settings"):
            settled = facts["settled"]
            parts = {part: saving.spec(settled[part]) for part in self.parts if part in settled}
            cfg = configure(parts, settled["values"])
            saving.check_settings(cfg, saved)
            length = int(cfg.context_length)
        with saving.damage(f"{path}: its calendar"):
            calendar = Calendar.from_state(facts["calendar"])
            task = task_of(cfg, saving.count(facts["season_length"]), calendar)
        learnt = {name: t for name, t in saved.weights.items() if name.startswith(INTERVALS)}
        own = {name: t for name, t in saved.weights.items() if name not in learnt}
        # new weights are drawn, and saved ones take their place
        with saving.damage(f"{path}: its weights"), seeded(0):
            model = self._assemble(cfg, task, device, download, saving.no_larger(own))
            self._check_identity(facts, model)
            saving.fill(model, own)
        with saving.damage(f"{path}: its intervals"):
            if "intervals" in facts:
                state = saving.joined(facts["intervals"], saved.weights, INTERVALS)
                self.calibration_ = from_state(state)
            else:  # a model of an earlier version
                residual = conformal_class("residual")
                self.calibration_ = residual.of_changes(task.season_length, int(cfg.h))
        with saving.damage(f"{path}: its series"):
            series = {name: facts.get(name) for name in ("ids", "about")}
            self.contexts_ = Panel.from_state(saving.joined(series, saved.history))
            calendar.check(self.contexts_.time.numpy(), self.contexts_.offsets)
        with saving.damage(f"{path}: its covariates"):
            effects = facts.get("effects")  # older ones have none
            self.effects_ = None
            if effects is not None:
                state = saving.joined(effects, saved.history, EFFECTS)
                self.effects_ = Effects.from_state(state, self.contexts_.ids)
                self.effects_.check(self._chosen(), calendar)
        with saving.damage(f"{path}: its report and verdict"):
            self.verdict_ = Verdict.from_state(facts["verdict"])
            self.history_ = history_from_state(facts.get("training"))
            report = facts.get("report")  # older ones have none
            self.report_ = None if report is None else Report.from_state(report)
            frames = facts.get("frames")
            self.kind_ = frames and Kind(nw.Implementation(frames))
        self.config_, self.task_ = cfg, task
        self.calendar_, self.context_length_ = calendar, length
        self.forecaster_ = model.eval().to(device or device_of(cfg))

    @property
    def any_horizon(self) -> bool:
        """Return whether one fitted model serves every horizon."""
        return bool(self._part(self._configure()).any_horizon)

    def check_params(self) -> None:
        """Refuse a parameter that is unknown or impossible, before anything is fitted.

        Raises:
            ConfigError: naming it.
        """
        self._configure()

    @property
    def multivariate(self) -> bool:
        """Return whether it reads all series together, which must then end together."""
        return self._joint(self._configure())

    def _tell(self) -> None:
        """Say after ``fit`` what a user should know of it; an empty hook."""

    def _begin(self, model: Forecaster) -> None:
        """Give a new model what it begins with; an empty hook."""

    @abstractmethod
    def _part(self, cfg: DictConfig) -> Any:
        """The class that decides how it forecasts."""

    def _joint(self, cfg: DictConfig) -> bool:
        """Return whether the forecaster reads all series together."""
        return False

    def _trusts_law(self, model: Forecaster) -> bool:
        """Return whether intervals are those of the forecaster's own distribution by default."""
        return False

    def _concerns(self, setting: str) -> bool:
        """Return whether a setting has a meaning for this forecaster."""
        return True

    def _identity(self) -> dict[str, Any]:
        """Further facts of a saved model: which weights it needs that it does not hold."""
        return {}

    def _check_identity(self, facts: dict[str, Any], model: Forecaster) -> None:
        """Raise if a model is not made of what ``_identity`` told."""

    def rows_given(self, frame: Frame, df: pd.DataFrame, val_df: pd.DataFrame) -> Ints:
        """Count the last rows of each series that come from ``val_df``."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # said once, when both were read
            own, later = (self.read(part, frame.calendar) for part in (df, val_df))
        last = own.table.groupby("unique_id").ds.agg(["max", "size"])
        first = later.table.groupby("unique_id").ds.min()
        early = (first <= last["max"].reindex(first.index)).to_numpy()
        if early.any():
            raise DataError(
                f"Rows of val_df precede or overlap those of df in series "
                f"{naming(first.index[early])}. They must follow the last row of each series."
            )
        own_rows = last["size"].reindex(frame.ids, fill_value=0).to_numpy(np.int64)
        return np.diff(frame.offsets) - own_rows

    def rows_kept(self, frame: Frame) -> Ints:
        """Count the last rows of each series that are held out for validation, by ``val_size``.

        They end with the last row that has a value; those after it are kept aside too.
        """
        lengths = np.diff(frame.offsets) - frame.unknown
        size, h = plain(self.val_size), positive("h", self.h)
        if size is not None:
            kept = np.full(len(lengths), size)
        else:
            kept = np.clip(lengths // 10, h, 10 * h)
            kept[lengths - kept < 2 * h] = 0
        return np.asarray(np.where(kept > 0, kept + frame.unknown, 0))

    def _learn(
        self,
        cfg: DictConfig,
        model: Forecaster,
        panel: Panel,
        shown: Ints,
        split: Ints,
        run: Run,
        start: Mapping[str, Tensor],
    ) -> pd.DataFrame:
        """Show the forecaster windows of the rows ``shown``; train the weights it has.

        Training begins with the weights ``start``. A base always learns anew.

        Returns:
            The loss by step.
        """
        step = model.step or cfg.h
        length = cfg.context_length
        windows = Windows(
            panel,
            context_length=length,
            future_length=step,
            stop=shown,
            multivariate=model.multivariate,
        )
        val = Windows(
            panel,
            context_length=length,
            future_length=cfg.h,
            start=split,
            multivariate=model.multivariate,
        )
        looked_at = evenly_spaced(len(val), LOOK) if len(val) else None
        if model.step:
            _check_windows(windows, step, shown)
        if model.patch_len:
            for part in (windows, val):
                model.prepare(start_times(part, model.patch_len))
        some = evenly_spaced(len(windows), LEARNT) if len(windows) else None
        model.learn(Batches(windows, some), Batches(val, looked_at))
        history = history_from_state(None)
        if model.trains:
            _begin_with(model, start)
            sampler = (RandomWindows if cfg.max_epochs is None else EpochWindows)(
                windows, cfg.batch_size, run.seed
            )
            data = WindowData(windows, sampler, val if len(val) else None, looked_at)
            history = self._train(cfg, model, data, run)
        model.calibrate(Batches(val, looked_at))
        return history

    def _conformal(self, cfg: DictConfig, model: Forecaster) -> str:
        """Return the name of the method that calibrates intervals."""
        return cfg.conformal or ("none" if self._trusts_law(model) else "residual")

    def _calibrated(
        self, cfg: DictConfig, model: Forecaster, panel: Panel, split: Ints, season_length: int
    ) -> Conformal:
        """Calibrate intervals by a trained forecaster's errors on the rows from ``split`` on.

        Where they are too few, the ends of the series tell whether it has been further off than
        past changes: at most half of the rows ahead, and half of that, and so on, so that there are
        long contexts among them.
        """
        name, h = self._conformal(cfg, model), int(cfg.h)
        limit = validation_windows(name, model, h)
        kept = _observed_from(panel, split, h) / h
        if kept >= ENOUGH:
            seen = self._seen(cfg, model, panel, split, h, limit)
            return fit_conformal(name, model, seen, season_length, h, kept)
        steps = [min(h, (int(panel.lengths.max()) + 1) // 2)]
        while steps[-1] > 1:
            steps.append(steps[-1] // 2)
        some = [
            self._seen(cfg, model, panel, panel.lengths - 2 * n, n, min(limit, FEW)) for n in steps
        ]
        season, stretch = fit_changes(model, chain.from_iterable(some), season_length)
        if cfg.conformal is None and self._trusts_law(model):
            name = "cqr"  # no validation rows have shown that its distribution can be trusted
        return conformal_class(name).of_changes(season, h, kept, stretch)

    def _seen(
        self, cfg: DictConfig, model: Forecaster, panel: Panel, split: Ints, steps: int, limit: int
    ) -> Batches:
        """Windows to learn errors from, spread evenly; contexts may begin with padding.

        At most ``limit``, counted for each channel.
        """
        lengths: dict[str, Any] = {"future_length": steps, "multivariate": model.multivariate}
        every = Windows(panel, context_length=1, start=split, **lengths)
        number = max(limit // every.channels, 1)
        some = evenly_spaced(len(every), number) if len(every) else torch.arange(0)
        where = (every.series(some), every.position(some))
        return Batches(Windows.at(panel, *where, context_length=cfg.context_length, **lengths))

    def _lagged_shrinkage(
        self, cfg: DictConfig, model: Forecaster, panel: Panel, split: Ints
    ) -> float:
        """Return the shrinkage of the effect of past covariates on validation windows.

        The effect was estimated beside a linear rule, and this forecaster may predict a part of it
        from the series alone. Without validation windows the shrinkage is 1.
        """
        led = self._seen(cfg, model, panel, split, cfg.h, LOOK)
        without = replace(panel, effects=panel.effects.without_lagged())
        raw = self._seen(cfg, model, without, split, cfg.h, LOOK)
        shrinkage = Shrinkage()
        for one, other in zip(led, raw, strict=True):
            ahead = model.forecast(one, cfg.h)
            rest, effect = (other.future - part for part in (ahead, one.future))
            shrinkage.add(rest, effect)
        factor = shrinkage.factor(CAUTION)
        if not factor:
            warn(
                "On validation windows past covariates (hist_exog) did not improve forecasts of "
                f"{self._called(cfg)}; they are ignored."
            )
        return factor

    def _machine(self, cfg: DictConfig) -> Machine:
        """Return the hardware to train on, with the user's loggers and callbacks."""
        return Machine.of(
            cfg,
            logger=self.logger,
            callbacks=tuple(self.callbacks or ()),
            trainer_kwargs=self.trainer_kwargs or {},
        )

    def _as_before(self, cfg: DictConfig) -> DictConfig:
        """Settings with the sizes that ``fit`` settled on, where they leave them open."""
        self._check_fitted()
        cfg = cfg.copy()
        names = [name for name in (*self.parts, "context_length") if name in cfg]
        for name in names:
            own, before = cfg[name], self.config_[name]
            if own is None:
                cfg[name] = before
            elif OmegaConf.is_dict(own) and OmegaConf.is_dict(before):
                open_sizes = [key for key in own if own[key] is None and key in before]
                own.update({key: before[key] for key in open_sizes})
        return cfg

    def _train(
        self, cfg: DictConfig, model: Forecaster, data: WindowData, run: Run
    ) -> pd.DataFrame:
        steps = cfg.max_steps
        if isinstance(data.sampler, EpochWindows):
            steps = cfg.max_epochs * data.sampler.steps_per_epoch
        recipe: Recipe = build(cfg.trainer, learning_rate=cfg.learning_rate, steps=steps)
        return train(
            model,
            data,
            recipe,
            horizon=cfg.h,
            machine=self._machine(cfg),
            patience=cfg.early_stopping_patience,
            folder=run.folder,
            name=run.name,
            progress=self.verbose > 0,
        )


def _begin_with(model: Forecaster, start: Mapping[str, Tensor]) -> None:
    """Give a model the weights of another, but for those of its base.

    Raises:
        ConfigError: if they are of other sizes.
    """
    kept = {name: tensor for name, tensor in start.items() if not name.startswith("base.")}
    own = model.state_dict()
    other = [name for name in kept if name not in own or own[name].shape != kept[name].shape]
    if other:
        raise ConfigError(
            f"warm_start goes on with the weights of the last fit, and {other[0]} has another size "
            "now. Set the sizes of that fit, or fit without warm_start."
        )
    model.load_state_dict(kept, strict=False)


def _split(frame: Frame, kept: Ints, multivariate: bool) -> tuple[Frame, Ints]:
    """The frame, and how many first rows of each series are not among the last ``kept``.

    Series that are read together are aligned, and keep as many.
    """
    if multivariate:
        frame = align_series(frame)
        kept = np.full(len(kept), kept.max())
    return frame, np.maximum(np.diff(frame.offsets) - kept, 0).astype(np.int64)


def _observed_from(panel: Panel, split: Ints, h: int) -> int:
    """Rows with a value from ``split`` on, of series that have room for a window of h steps."""
    row = np.arange(len(panel.values)) - np.repeat(panel.offsets[:-1], panel.lengths)
    kept = row >= np.repeat(
        np.where(panel.lengths - split >= h, split, panel.lengths), panel.lengths
    )
    return int((kept & ~panel.values.isnan().numpy()).sum())


def _check_windows(windows: Windows, step: int, shown: Ints) -> None:
    if not len(windows):
        raise DataError(
            f"No series is long enough to train on: a window needs more than {step} rows before "
            f"its validation rows, and the longest series has {shown.max()}. Set a smaller h or "
            "val_size, or a larger fraction, or give longer series."
        )
