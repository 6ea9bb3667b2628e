"""Untrained models on the tiny backbone, and a few steps of training."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from omegaconf import DictConfig

from tslm.core.calendar import Calendar
from tslm.core.config.estimator_settings import configure
from tslm.core.types import Batch, Facts
from tslm.estimators.training.module import Training
from tslm.estimators.training.recipe import Recipe
from tslm.models.assembly import assemble, settle, task_of
from tslm.models.forecast_model import ForecastModel


def settings_of(
    parts: Mapping[str, Any], *, rows: int, season_length: int = 1, **values: Any
) -> DictConfig:
    """Return complete settings of a model on the backbone ``tiny``.

    Args:
        parts: choices of parts, such as ``adapter``.
        rows: training rows of the longest series, by which sizes are suggested.
        season_length: steps of a season.
        values: settings, ``h`` among them.
    """
    cfg = configure(parts, {"backbone": "tiny", **values})
    return settle(cfg, Facts(cfg.h, season_length, rows))


def network(
    parts: Mapping[str, Any],
    *,
    rows: int,
    season_length: int = 1,
    seed: int = 0,
    dated: bool = True,
    **values: Any,
) -> ForecastModel:
    """Return an untrained model in evaluation mode; equal arguments give equal weights.

    Args:
        parts: see ``settings_of``.
        rows: see ``settings_of``.
        season_length: see ``settings_of``.
        seed: seed of the weights.
        dated: False if times are integers, not dates.
        values: see ``settings_of``.
    """
    cfg = settings_of(parts, rows=rows, season_length=season_length, **values)
    task = replace(task_of(cfg, season_length, Calendar("h")), dated=dated)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return assemble(cfg, task).eval()


def optimizer_of(model: ForecastModel, horizon: int) -> torch.optim.Optimizer:
    """Return the optimizer with which a model is trained, at a learning rate of 0.01."""
    recipe = Recipe(learning_rate=1e-2, steps=10, schedule="constant")
    return Training(model, recipe, horizon).configure_optimizers()["optimizer"]


def train(model: ForecastModel, batch: Batch, horizon: int, steps: int = 2) -> None:
    """Train a model on one batch."""
    optimizer = optimizer_of(model, horizon)
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
