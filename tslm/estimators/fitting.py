"""Steps of a fit, from a frame to trained weights."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.core.config.build import build, part_class
from tslm.core.config.choices import CHOICES
from tslm.core.errors import ConfigError, DataError, warn
from tslm.core.forecaster import Forecaster
from tslm.core.hardware import Machine
from tslm.core.types import Task
from tslm.data.batches import Batches
from tslm.data.covariates.effects import Effects
from tslm.data.covariates.known import KnownCovariates
from tslm.data.covariates.treatment import CovariateTreatment
from tslm.data.frame import Frame
from tslm.data.loaders import WindowData
from tslm.data.panel import Panel
from tslm.data.samplers import EpochWindows, RandomWindows, evenly_spaced
from tslm.data.split import first_rows
from tslm.data.stored_panel import stored_panel
from tslm.data.stored_series import StoredSeries
from tslm.data.window_times import start_times
from tslm.data.windows import Windows
from tslm.estimators.announcement import announce
from tslm.estimators.depth import Settled, check_depth, settle_depth
from tslm.estimators.frame_reader import FrameReader
from tslm.estimators.memory.estimate import Extent
from tslm.estimators.training.history import history_from_state
from tslm.estimators.training.module import can_judge, train
from tslm.estimators.training.recipe import Recipe
from tslm.estimators.training.resume import Run
from tslm.estimators.validation.calibration import (
    MOST_VALIDATION_WINDOWS,
    ValidationRows,
    lagged_shrinkage,
)
from tslm.estimators.validation.verdict import Verdict, judge
from tslm.models.assembly import mixes, reads_covariates, steps_of_pass

PASSES = 5  # times that the adapter of a mix reads all training rows; chosen by hand
STEPS = (100, 300)  # fewest and most training steps of a mix; chosen by hand
MOST_COVARIATE_ROWS = 1_000_000  # of a data set in files, that effects are estimated from
MOST_TRAINING_WINDOWS = 65_536  # for parts that learn without gradients, evenly spaced


@dataclass(frozen=True)
class TrainingData:
    """Panel of a fit, and its rows for training and for validation.

    Attributes:
        panel: the series, standardised, without the effects of covariates.
        train_rows: number of first rows of each series to train on.
        split: first validation row of each series.
        effects: effects of covariates; None without covariates.
    """

    panel: Panel
    train_rows: Ints
    split: Ints
    effects: CovariateTreatment | None = None

    @classmethod
    def of(
        cls,
        frame: Frame | StoredSeries,
        split: Ints,
        cfg: DictConfig,
        task: Task,
        reader: FrameReader,
    ) -> "TrainingData":
        """Standardise a frame, and estimate the effects of its covariates on training rows.

        Args:
            frame: the series.
            split: first validation row of each series.
            cfg: settings after ``settle``.
            task: lengths, season and frequency.
            reader: reader of the frame.
        """
        rows = first_rows(split, cfg.context_length, cfg.h, cfg.fraction)
        until = rows if cfg.scaler == "fraction" else split

        def texts(panel: Panel, frame: Frame) -> Panel:
            return replace(panel, text=reader.texts(frame), titles=reader.titles_of(frame))

        known, kept = None, reads_covariates(cfg)
        if kept and cfg.model and not part_class(cfg.model).subtracts_effects and reader.covariates:
            known = KnownCovariates.of(reader.covariates, cfg[CHOICES].model)
        if isinstance(frame, StoredSeries):
            if known is not None or not reader.covariates:
                return cls(stored_panel(frame, until, texts, known), rows, split, known)
            some, sample = frame.sample(MOST_COVARIATE_ROWS)
            part = Panel.from_frame(sample, until=until[some])
            effects, _ = Effects.learn(reader.covariates, sample, part, rows[some], task, kept=kept)
            panel = stored_panel(frame, until, texts, effects)
            return cls(panel, rows, split, effects.with_series(panel))
        panel = texts(Panel.from_frame(frame, until=until), frame)
        if known is not None:
            return cls(known.apply(panel, frame), rows, split, known)
        if not reader.covariates:
            return cls(panel, rows, split)
        effects, panel = Effects.learn(reader.covariates, frame, panel, rows, task, kept=kept)
        return cls(panel, rows, split, effects)

    @property
    def extent(self) -> Extent:
        """Return the number of series and of rows."""
        return Extent(len(self.panel), len(self.panel.values))

    def allowed(self, cfg: DictConfig) -> DictConfig:
        """Return the settings that these rows allow.

        A mix trains no more steps than these rows need. Without a series that is long enough for a
        training window it has no adapter.
        """
        if not mixes(cfg):
            return cfg
        cfg = cfg.copy()
        cfg.max_steps = min(cfg.max_steps, self.steps(cfg.batch_size * cfg.context_length))
        cfg.base.adapter = cfg.base.adapter and int(self.train_rows.max()) > steps_of_pass(cfg)
        return cfg

    def steps(self, rows_of_step: int) -> int:
        """Return the training steps that read all training rows ``PASSES`` times, within bounds.

        Args:
            rows_of_step: rows that one training step reads.
        """
        passes = PASSES * int(self.train_rows.sum()) / rows_of_step
        return int(np.clip(passes, *STEPS))

    def validation_rows(self, cfg: DictConfig) -> ValidationRows:
        """Return the validation rows, for windows of the lengths of the settings."""
        return ValidationRows(self.panel, self.split, cfg.context_length, cfg.h)

    def shrink_past_covariates(
        self, model: Forecaster, cfg: DictConfig, name: str
    ) -> "TrainingData":
        """Return the data with the effect of past covariates multiplied by its shrinkage.

        Args:
            model: the trained forecaster; its validation errors give the shrinkage.
            cfg: settings after ``settle``.
            name: name of the forecaster, for a warning.
        """
        if self.effects is None or self.panel.effects.lagged is None:
            return self
        factor = lagged_shrinkage(model, self.validation_rows(cfg), name)
        scaled = self.panel.effects.scale_lagged(factor)
        return replace(
            self,
            effects=self.effects.shrink_lagged(factor),
            panel=replace(self.panel, effects=scaled),
        )


def train_forecaster(
    model: Forecaster,
    data: TrainingData,
    cfg: DictConfig,
    run: Run,
    machine: Machine,
    start: Mapping[str, Tensor],
) -> tuple[Settled, pd.DataFrame]:
    """Train a forecaster, and return what to keep of it.

    Parts that learn without gradients, such as a base, learn first. Then weights are trained, and
    then the forecaster chooses its shrinkage on validation windows.

    Args:
        model: the new forecaster.
        data: training and validation rows.
        cfg: settings after ``settle``.
        run: seed and folder of the run.
        machine: devices to train on.
        start: weights to begin with, without those of a base; empty keeps the new ones.

    Returns:
        The forecaster to keep, and the loss of each step; empty if no weights are trained.

    Raises:
        DataError: if no series is long enough to train on.
        ConfigError: if the depth cannot be chosen, or ``start`` has weights of other sizes.
    """
    lengths = {"context_length": cfg.context_length, "multivariate": model.multivariate}
    step = model.step or cfg.h
    windows = Windows(data.panel, future_length=step, stop=data.train_rows, **lengths)
    val = Windows(data.panel, future_length=cfg.h, start=data.split, **lengths)
    some_val = evenly_spaced(len(val), MOST_VALIDATION_WINDOWS) if len(val) else None
    judged = None if some_val is None else Batches(val, some_val)
    check_depth(model, cfg, judged)
    chosen_by = _with_rows_read(val, some_val, model, rows_read(cfg, model))
    if model.step:
        _check_windows(windows, step, data.train_rows)
    if model.patch_len:
        for part in (windows, val):
            model.prepare(start_times(part, model.patch_len))
    some_train = evenly_spaced(len(windows), MOST_TRAINING_WINDOWS) if len(windows) else None
    model.learn(Batches(windows, some_train), chosen_by)
    if model.contributions and cfg.verbose > 0:
        announce(model, windows, cfg, len(chosen_by.windows))
    history = history_from_state(None)
    if model.trains:
        _begin_with(model.learner, start)
    if model.trains and not cfg.max_steps:
        model.learner.to(machine.device).eval()
    elif model.trains:
        sampler = (RandomWindows if cfg.max_epochs is None else EpochWindows)(
            windows, cfg.batch_size, run.seed
        )
        window_data = WindowData(windows, sampler, val if len(val) else None, some_val)
        history = _train_weights(model.learner, window_data, cfg, run, machine)
    settled = settle_depth(model, cfg, judged)
    settled.model.calibrate(chosen_by)
    return settled, history


def rows_read(cfg: DictConfig, model: Forecaster) -> int:
    """Return the rows of each series that a forecast reads."""
    return max(int(cfg.context_length), model.reach)


def _with_rows_read(
    windows: Windows, index: Int[Tensor, " n"] | None, model: Forecaster, rows: int
) -> Batches:
    """Return windows of the same targets, with contexts of the rows that a forecast reads.

    A mix gets no more than its ``calibration_windows``, as each needs a fit of every local rule.
    """
    chosen = torch.arange(len(windows)) if index is None else index
    if model.contributions and len(chosen):
        chosen = chosen[evenly_spaced(len(chosen), model.calibration_windows)]
    where = (windows.series(chosen), windows.position(chosen))
    lengths: dict[str, Any] = {"context_length": rows, "future_length": windows.future_length}
    return Batches(Windows.at(windows.panel, *where, **lengths, multivariate=model.multivariate))


def compare_with_baselines(
    name: str, model: Forecaster, data: TrainingData, task: Task, val_size: int | None
) -> Verdict:
    """Compare a trained forecaster with baselines on validation windows.

    Warns if there are none, unless ``val_size`` is 0.

    Args:
        name: name of the forecaster.
        model: the forecaster; one without trained weights is compared only if it is a mix.
        data: training and validation rows.
        task: lengths, season and frequency.
        val_size: validation rows that were asked for.
    """
    if not model.trains and not model.contributions:
        return Verdict(0, [])
    verdict = judge(name, model, data.panel, data.split, task)
    if not verdict.windows and val_size != 0 and not model.contributions:
        warn(
            "No series is long enough for validation rows, so the model cannot be compared with "
            "untrained baselines. Give longer series or a smaller h."
        )
    return verdict


def _train_weights(
    model: Forecaster, data: WindowData, cfg: DictConfig, run: Run, machine: Machine
) -> pd.DataFrame:
    """Train by gradients, with the recipe of the settings."""
    steps = cfg.max_steps
    if isinstance(data.sampler, EpochWindows):
        steps = cfg.max_epochs * data.sampler.steps_per_epoch
    recipe: Recipe = build(cfg.trainer, learning_rate=cfg.learning_rate, steps=steps)
    patience = cfg.early_stopping_patience
    if mixes(cfg) and not can_judge(data):  # the patience is that of the mix
        patience = None
    return train(
        model,
        data,
        recipe,
        horizon=cfg.h,
        machine=machine,
        patience=patience,
        folder=run.folder,
        name=run.name,
        progress=cfg.verbose > 0,
        settings=OmegaConf.to_container(cfg),  # type: ignore[arg-type]
    )


def _begin_with(model: Forecaster, start: Mapping[str, Tensor]) -> None:
    """Give a model the weights of another, without those of its base.

    Raises:
        ConfigError: if they have other sizes.
    """
    weights = {name: tensor for name, tensor in start.items() if not name.startswith("base.")}
    own = model.state_dict()
    other = [name for name in weights if name not in own or own[name].shape != weights[name].shape]
    if other:
        raise ConfigError(
            f"warm_start continues with the weights of the last fit, but {other[0]} has another "
            "size now. Set the sizes of that fit, or fit without warm_start."
        )
    model.load_state_dict(weights, strict=False)


def _check_windows(windows: Windows, step: int, train_rows: Ints) -> None:
    """Refuse to train without a window.

    Raises:
        DataError: with the settings to change.
    """
    if not len(windows):
        raise DataError(
            f"No series is long enough to train on: a window needs more than {step} rows before "
            f"its validation rows, and the longest series has {train_rows.max()}. Set a smaller h "
            "or val_size, or a larger fraction, or give longer series."
        )
