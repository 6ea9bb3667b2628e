"""Estimate of the memory of fit and predict, from settings alone.

A network of these settings is run on tensors without values, see ``dry_run``, so that all of its
parts are counted as they are, those of plug-ins too. Memory grows linearly with the windows of a
batch, so two small batches are enough.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import pandas as pd
import torch
from omegaconf import DictConfig
from torch import Tensor

from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch, Task
from tslm.data.loaders import EVAL_BATCH
from tslm.estimators.inference import CHUNK
from tslm.estimators.memory.dry_run import dry_run, peak_of
from tslm.models.assembly import architecture_of, mixes
from tslm.models.backbones.loading import outlines

SIZES = (16, 32)  # windows of the two batches that are run; chosen by hand
MB = 1e6
LATER = 60 * MB  # libraries and buffers that come during a fit; measured
ROW = 100  # bytes of a row of a frame, while it is read and put on a grid; measured
BYTES_OF_VALUE, BYTES_OF_TIME = 4, 8
RULES = 40  # bytes of a row of a window, while classical rules forecast it; measured

Make = Callable[[DictConfig, Task], Forecaster]


@dataclass(frozen=True)
class Extent:
    """Extent of the data of a fit.

    Attributes:
        series: number of series.
        rows: rows of all series together.
        joint: True if a window holds all series.
    """

    series: int
    rows: int
    joint: bool = False

    @property
    def windows(self) -> int:
        """Return the number of training windows, about: one at each row."""
        return max(self.rows // self.channels, 1)

    @property
    def channels(self) -> int:
        """Return the series of one window, C."""
        return self.series if self.joint else 1

    def validated(self, cfg: DictConfig) -> int:
        """Return the windows that are forecast at once for validation, about."""
        rows = self.rows // self.series
        held_out = min(max(rows // 10, cfg.h), 10 * cfg.h, rows)
        held_out = held_out if cfg.val_size is None else cfg.val_size
        each = max(held_out - cfg.h + 1, 1)
        return min(EVAL_BATCH, each * self.series // self.channels)

    @property
    def predicted(self) -> int:
        """Return the windows that ``predict`` forecasts at once."""
        return 1 if self.joint else min(CHUNK, self.series)


class Line(NamedTuple):
    """Bytes that do not depend on the batch, and bytes of each window of it."""

    fixed: float
    each: float

    def at(self, windows: int) -> float:
        """Return the bytes of a batch of this many windows."""
        return max(self.fixed + self.each * windows, 0.0)


@dataclass(frozen=True)
class NetworkMemory:
    """Memory of a network, in bytes.

    Attributes:
        backbone: weights and buffers of the backbone.
        rest: weights and buffers of the other parts.
        trained: weights that are trained.
        step: a training step: what is kept for the gradients, and the gradients.
        forecast: a forecast of the horizon.
        window: the values and times of one window.
    """

    backbone: int
    rest: int
    trained: int
    step: Line
    forecast: Line
    window: int

    @property
    def fitted(self) -> int:
        """Return the bytes of all weights and buffers."""
        return self.backbone + self.rest

    def fit(self, batch_size: int, validated: int) -> float:
        """Return the largest bytes of a batch in ``fit``.

        Args:
            batch_size: windows of a training step.
            validated: windows that are forecast at once for validation.
        """
        training = self.step.at(batch_size) + self.window * batch_size if self.trained else 0.0
        return max(training, self.predict(validated))

    def predict(self, windows: int) -> float:
        """Return the bytes of a forecast of this many windows."""
        return self.forecast.at(windows) + self.window * windows

    @property
    def optimiser(self) -> int:
        """Return the bytes of the two moments that AdamW keeps of each trained weight."""
        return 2 * self.trained


def network_memory(cfg: DictConfig, task: Task, channels: int, make: Make) -> NetworkMemory:
    """Run a network without weights and values, and return the memory it would take.

    Args:
        cfg: settings after ``settle``.
        task: lengths, season and frequency.
        channels: series of one window, C.
        make: assembles the forecaster of settings.
    """
    cfg = cfg.copy()
    cfg.backbone = architecture_of(cfg.backbone)
    if cfg.model is None and cfg.adapter.get("timestamps"):
        cfg.adapter.timestamps = "none"  # sentences of times are read once and kept on disk
    with warnings.catch_warnings(), dry_run() as count, outlines():
        warnings.simplefilter("ignore")  # torch advises against what caches of weights do
        model = make(cfg, task).learner
        backbone, rest = _weights(model)
        trained = sum(_bytes(one) for one in model.parameters() if one.requires_grad)
        future = max(model.step or cfg.h, cfg.h)

        def line(work: Callable[[Batch], object]) -> Line:
            before, peaks = count.now, []
            for size in SIZES:
                kept = count.now - before  # caches and gradients of the batch before
                batch = _batch(size, task.context_length, future, channels)
                peaks.append(kept + peak_of(count, partial(work, batch)))
            small, large = peaks
            each = max(large - small, 0) / (SIZES[1] - SIZES[0])
            return Line(float(small - each * SIZES[0]), each)

        def training(batch: Batch) -> None:
            model.zero_grad(set_to_none=True)
            model.loss(batch).backward()

        step = line(training) if trained else Line(0.0, 0.0)
        model.zero_grad(set_to_none=True)
        model.eval()
        rule = Line(0.0, RULES * task.context_length * channels)
        weights = any(True for _ in model.parameters())
        forecast = line(partial(model.forecast, horizon=cfg.h)) if weights else rule
    steps = task.context_length + future
    window = steps * (BYTES_OF_VALUE * channels + BYTES_OF_TIME)
    return NetworkMemory(backbone, rest, trained, step, forecast, window)


def memory_of_parts(
    network: NetworkMemory, cfg: DictConfig, extent: Extent, device: torch.device, resident: int
) -> pd.DataFrame:
    """Return the memory of each part of a fit, and of a forecast after it, in MB.

    Args:
        network: memory of the network.
        cfg: settings after ``settle``.
        extent: size of the data.
        device: device of the network.
        resident: bytes that the process takes before.

    Returns:
        One row per part and place, and a total per place: part, place, fit, predict.
    """
    there, here = device.type, "cpu"
    panel, libraries = ROW * extent.rows, resident + LATER
    rows = [
        ("libraries", here, libraries, libraries),
        ("panel", here, panel, panel),
        ("backbone", there, network.backbone, network.backbone),
        ("adapter and decoder", there, network.rest, network.rest),
        ("optimiser", there, network.optimiser, 0),
        (
            "batch",
            there,
            network.fit(cfg.batch_size, extent.validated(cfg)),
            network.predict(extent.predicted),
        ),
    ]
    if mixes(cfg):
        rules = RULES * extent.validated(cfg) * cfg.context_length
        rows.append(("classical forecasts", here, rules, rules))
    if there != here and network.backbone:
        rows.append(("loading of the backbone", here, network.backbone, network.backbone))
    frame = pd.DataFrame(rows, columns=["part", "place", "fit", "predict"])
    total = frame.groupby("place", sort=False)[["fit", "predict"]].sum().reset_index()
    frame = pd.concat([frame, total.assign(part="total")], ignore_index=True)
    return frame.assign(fit=frame.fit / MB, predict=frame.predict / MB).round(3)


def _weights(model: Forecaster) -> tuple[int, int]:
    """Return the bytes of the backbone, and those of all other weights and buffers."""
    backbone = rest = 0
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if "backbone" in name.split(".")[:2]:
            backbone += _bytes(tensor)
        else:
            rest += _bytes(tensor)
    return backbone, rest


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _batch(size: int, context: int, future: int, channels: int) -> Batch:
    """Return windows of zeros, with times that count steps."""
    time = torch.arange(context + future).expand(size, -1)
    return Batch(torch.zeros(size, context, channels), torch.zeros(size, future, channels), time)
