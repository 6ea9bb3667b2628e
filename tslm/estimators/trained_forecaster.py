"""Estimator that is made from settings: fit, recalibrate, save, load and summary."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from omegaconf import DictConfig

from tslm.core.config.estimator_settings import with_last_sizes
from tslm.core.errors import ConfigError, DataError
from tslm.core.forecaster import Forecaster
from tslm.core.hardware import is_first
from tslm.core.plain_values import plain, positive
from tslm.core.seeds import seeded
from tslm.core.types import Facts, Task
from tslm.data.events.table import EventTable
from tslm.data.frame_report import Report
from tslm.data.interchange import Kind, same_kind
from tslm.data.origins import warn_of_long_horizon
from tslm.data.roles import names_of
from tslm.estimators.assembled_forecaster import AssembledForecaster, Watch
from tslm.estimators.data_set import DataSet
from tslm.estimators.fitting import (
    TrainingData,
    compare_with_baselines,
    rows_read,
    train_forecaster,
)
from tslm.estimators.memory.out_of_memory import fit_within_memory
from tslm.estimators.saving.checks import check_parameters
from tslm.estimators.saving.fitted_state import FittedState, restore
from tslm.estimators.saving.folder import damage, read_saved, write_saved
from tslm.estimators.saving.values import plain_parameter, restored_parameters
from tslm.estimators.training.resume import Run, with_recorded_batch_size
from tslm.estimators.training.weights import trained_state
from tslm.estimators.validation.calibration import ValidationRows, calibrate
from tslm.estimators.validation.rows import held_out_rows, read_with_validation, split_rows
from tslm.estimators.validation.verdict import Verdict
from tslm.models.assembly import device_named, settle, task_of
from tslm.uncertainty.conformal.base import ENOUGH, Conformal
from tslm.uncertainty.conformal.methods import check_conformal

Trained = TypeVar("Trained", bound="TrainedForecaster")


class TrainedForecaster(AssembledForecaster):
    """Forecaster that is made from settings; subclasses name the settings and assemble it.

    Attributes:
        task_: lengths, season and frequency.
        verdict_: comparison with baselines on validation windows.
        history_: one row per training step: loss, learning rate, validation.
        report_: findings in the frame: gaps, duplicates, missing values.
        kind_: library of the frame of ``fit``.
    """

    val_size: int | None
    verbose: int

    task_: Task
    verdict_: Verdict
    history_: pd.DataFrame
    report_: Report | None
    kind_: Kind | None

    @same_kind
    def fit(
        self: Trained,
        df: pd.DataFrame | str | Path,
        y: None = None,
        *,
        static_df: pd.DataFrame | None = None,
        events: pd.DataFrame | EventTable | None = None,
        val_df: pd.DataFrame | None = None,
        warm_start: bool = False,
        folder: str | Path | None = None,
    ) -> Trained:
        """Fit on a long frame: train the weights, and calibrate intervals on validation rows.

        Args:
            df: any number of series, of any lengths. A Parquet file, a folder of them, or a pattern
                such as "sales/*.parquet" is read block after block, and may have more rows than
                fit in memory: its rows take 40 bytes each in files of ``folder``.
            y: ignored; scikit-learn passes it.
            static_df: one row per series with the columns of ``static_exog`` and those that
                ``prompt`` and ``titles`` name; None takes them from ``df``.
            events: statements about these rows, see ``predict``. The effects that they had correct
                those that the reader of statements expects of new ones.
            val_df: rows after those of ``df`` to validate on, in place of ``val_size``.
            warm_start: begin with the weights and sizes of the last ``fit``: a few steps then
                update a model to newer rows. Parts that learn without training, such as a ridge
                regression, learn again from ``df``.
            folder: folder of checkpoints; an interrupted run continues from the last one. None
                writes none, and the files of a data set go to a temporary folder.

        Raises:
            DataError: if the frame is invalid; the message names ids and dates.
            ConfigError: if a setting is impossible.
            NotFittedError: if ``warm_start`` is set before any ``fit``.
        """
        with DataSet.of(df, folder) as rows:
            self._fit(rows, static_df, events, val_df, warm_start, folder)
        return self

    def _fit(
        self,
        df: pd.DataFrame | DataSet,
        static_df: pd.DataFrame | None,
        events: pd.DataFrame | EventTable | None,
        val_df: pd.DataFrame | None,
        warm_start: bool,
        folder: str | Path | None,
    ) -> None:
        cfg = self._configure()
        if warm_start:
            self._check_fitted()
            cfg = with_last_sizes(cfg, self.config_, self.parts)
        device = (machine := self._machine(cfg)).device  # raises if this computer lacks it
        name, val_size = self._called(cfg), plain(self.val_size)

        reader = self._reader().for_frame(df.head() if isinstance(df, DataSet) else df)
        reader.check_names([name])
        frame, held_out = read_with_validation(reader, df, val_df, static_df, val_size, cfg.h)
        frame, split = split_rows(frame, held_out, self._joint(cfg))
        statements = None
        if isinstance(df, DataSet):
            df.refuse(events=events)
        if events is not None:
            statements = reader.events(events, frame.calendar, frame.ids)
            self.statement_reader()  # raises before the work if it is not on this machine
        self._check_titles()

        season = cfg.season_length or frame.calendar.season_length
        cfg = settle(cfg, Facts(cfg.h, season, int(split.max())))
        task = task_of(cfg, season, frame.calendar)
        data = TrainingData.of(frame, split, cfg, task, reader)
        folder = None if folder is None else Path(folder)
        cfg = with_recorded_batch_size(cfg, folder)
        cfg = data.allowed(self._with_batch_size(cfg, task, data.extent, device))
        with fit_within_memory(cfg), Run.begin(cfg, data.panel, folder) as run, seeded(run.seed):
            model = self._assemble(cfg, task)
            check_conformal(self._conformal(cfg, model), model)
            self._begin(model, cfg)
            goes_on = warm_start and self.forecaster_.trains
            start = trained_state(self.forecaster_.learner) if goes_on else {}
            settled, history = train_forecaster(model, data, cfg, run, machine, start)
            model, cfg = settled.model, settled.cfg
            data = data.shrink_past_covariates(model, cfg, name)
            calibration = self._calibrate(cfg, model, data.validation_rows(cfg), season)

        model = model.to(device)
        verdict = compare_with_baselines(name, model, data, task, val_size)
        verdict = replace(verdict, depths=settled.depths)
        contexts = data.panel.tail(max(rows_read(cfg, model), self._rows_of_titles(season)))
        learnt = (calibration, contexts, data.effects, history, verdict, frame.report)
        self.columns_ = reader.columns
        self._adopt(FittedState(cfg, task, frame.calendar, model, *learnt))
        self._learn_from_text(statements, data.panel, season)
        warn_of_long_horizon(frame.ids, np.diff(frame.offsets), cfg.h)
        self._warn_after_fit()

    @same_kind
    def recalibrate(
        self: Trained, df: pd.DataFrame, *, static_df: pd.DataFrame | None = None
    ) -> Trained:
        """Calibrate intervals again on newer rows; weights and point forecasts stay the same.

        Args:
            df: series to their newest rows. The last ``val_size`` rows of each are the new
                validation rows, and the rows before them are context.
            static_df: as in ``fit``.

        Raises:
            DataError: if the frame is invalid, or there are too few rows.
            ConfigError: if covariates or the prompt were changed after ``fit``.
            NotFittedError: before ``fit``.
        """
        self._check_as_fitted()
        panels = self.panel_reader
        frame = panels.reader.read(df, static_df, calendar=self.calendar_)
        held_out = held_out_rows(frame, plain(self.val_size), positive("h", self.h))
        frame, split = split_rows(frame, held_out, self.forecaster_.multivariate)
        cfg, panel = self.config_, panels.panel_of(frame)
        rows = ValidationRows(panel, split, cfg.context_length, cfg.h)
        calibration = self._calibrate(cfg, self.forecaster_, rows, self.task_.season_length)
        if self.calibration_.learnt and not calibration.learnt:
            raise DataError(
                "These rows are too few to calibrate intervals, and those of fit were enough. "
                f"Pass longer series, or set val_size={ENOUGH * self.h} or more."
            )
        self.calibration_ = calibration
        return self

    def save(self, path: str | Path, overwrite: bool = False, history: bool = True) -> None:
        """Write a folder of JSON and safetensors: everything but the frozen backbone.

        Args:
            path: the folder; it is written completely or not at all. Files of other programs in it
                are kept.
            overwrite: True to replace a saved model.
            history: True to save the last rows of each series. Without them, and without ids,
                levels and texts of the series, ``predict`` of the loaded model needs ``df``, and
                standardises the series of ``fit`` by the rows of ``df``.

        Raises:
            ConfigError: if the path exists and ``overwrite`` is False, or is not a saved model, or
                cannot be written; or if covariates or the prompt were changed after ``fit``.
            NotFittedError: before ``fit``.
        """
        self._check_as_fitted()
        if not is_first():  # of processes that trained together
            return
        params = self.stored_params() | names_of(self._columns())
        state = self._state() if history else self._state().without_series()
        plain_params = {name: plain_parameter(value) for name, value in params.items()}
        content = state.to_saved(type(self).__name__, plain_params, self._identity())
        write_saved(content, path, overwrite)

    @classmethod
    def load(
        cls: type[Trained],
        path: str | Path,
        *,
        device: str | torch.device | None = None,
        backbone: str | Path | None = None,
        download: bool = False,
    ) -> Trained:
        """Read a saved folder. The backbone must be here already, unless ``download`` is set.

        Args:
            path: the folder.
            device: device to forecast on, such as "cpu" or "cuda:1"; None takes that of the
                settings, and for "auto" the accelerator of this computer.
            backbone: folder or name of the backbone, if it is not where it was at ``fit``; it must
                be the same backbone.
            download: True to download the backbone if it is not here.

        Raises:
            DataError: if the folder is damaged, altered, of a newer version, or of another class.
            BackboneError: if the backbone is not here, or is not the one of ``fit``.
            ConfigError: if ``backbone`` is given and the model has none, or there is no such
                ``device``.
        """
        where = None if device is None else device_named(device)
        saved = read_saved(path)
        facts = saved.facts
        if facts["kind"] != cls.__name__:
            raise DataError(f"{path} holds a {facts['kind']}; {cls.__name__} cannot load it.")
        known = cls().get_params(deep=False)
        if backbone is not None and "backbone" not in known:
            raise ConfigError(f"A {cls.__name__} has no backbone. Leave backbone out.")
        with damage(f"{path}: its settings"):
            made = cls(**restored_parameters(facts, known))
            check_parameters(made.get_params(deep=False), made._configure())
            if backbone is not None:
                made.set_params(backbone=str(backbone))
                facts["settled"]["values"]["backbone"] = str(backbone)

        def assemble(cfg: DictConfig, task: Task, sizes: Watch) -> Forecaster:
            model = made._assemble(cfg, task, where, download, sizes)
            made._check_identity(facts, model)
            return model

        covariates = made.reader.covariates
        made._adopt(restore(saved, path, made.parts, covariates, assemble, where))
        return made

    def _adopt(self, state: FittedState) -> None:
        """Set the attributes that end with an underscore, from the result of a fit."""
        for field in fields(state):
            setattr(self, f"{field.name}_", getattr(state, field.name))
        self.context_length_ = rows_read(state.config, state.forecaster)

    def _state(self) -> FittedState:
        """Return the result of the fit."""
        names = [field.name for field in fields(FittedState)]
        return FittedState(**{name: getattr(self, f"{name}_") for name in names})

    def _conformal(self, cfg: DictConfig, model: Forecaster) -> str:
        """Return the name of the method that calibrates intervals."""
        return cfg.conformal or ("none" if self._trusts_distribution(model) else "residual")

    def _calibrate(
        self, cfg: DictConfig, model: Forecaster, rows: ValidationRows, season_length: int
    ) -> Conformal:
        """Calibrate intervals on validation rows, by the method of the settings."""
        few = method = self._conformal(cfg, model)
        judged = cfg.conformal or model.contributions or model.validated
        if self._trusts_distribution(model) and not judged:
            few = "cqr"  # no validation rows have shown that its distribution can be trusted
        return calibrate(model, rows, season_length, method, few)

    def _begin(self, model: Forecaster, cfg: DictConfig) -> None:
        """Give a new model its first weights; an empty hook."""

    def _warn_after_fit(self) -> None:
        """Warn after ``fit`` if training did not help; an empty hook."""

    def _trusts_distribution(self, model: Forecaster) -> bool:
        """Return True if intervals are those of the forecaster's own distribution by default."""
        return model.validated

    def _identity(self) -> dict[str, Any]:
        """Return facts about the weights that a saved model needs and does not hold."""
        return {}

    def _check_identity(self, facts: dict[str, Any], model: Forecaster) -> None:
        """Raise if a model does not have the weights that ``_identity`` described."""
