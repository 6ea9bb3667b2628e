"""Estimator that is assembled from settings: its network, its hardware and its memory."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig
from sklearn.base import clone

from tslm.core.errors import ConfigError
from tslm.core.forecaster import Forecaster
from tslm.core.hardware import Machine
from tslm.core.memory import resident_memory
from tslm.core.plain_values import positive
from tslm.core.types import Facts, Task
from tslm.estimators.memory.batch_size import AUTO, LARGER, largest_batch
from tslm.estimators.memory.estimate import (
    Extent,
    NetworkMemory,
    memory_of_parts,
    network_memory,
)
from tslm.estimators.scoring_forecaster import ScoringForecaster
from tslm.models.assembly import ANY, dtype_of, name_of, settle

Watch = AbstractContextManager[None]  # of the size of tensors


class AssembledForecaster(ScoringForecaster):
    """Forecaster that is assembled from settings; subclasses say how."""

    logger: Any
    callbacks: Sequence[Callback] | None
    trainer_kwargs: Mapping[str, Any] | None

    def estimate_memory(
        self, df: pd.DataFrame | None = None, *, n_series: int = 1, n_rows: int = 1000
    ) -> pd.DataFrame:
        """Estimate the peak memory of ``fit`` and ``predict``, before anything is loaded.

        The network is run without weights and values, which takes seconds and no memory.

        Args:
            df: the long frame of ``fit``; None describes it by the arguments below.
            n_series: number of series, without ``df``.
            n_rows: rows of each series, without ``df``.

        Returns:
            One row per part, and a total for each place, which is a device: the columns part,
            place, fit and predict, in MB. ``predict`` is a forecast of the same series.

        Raises:
            ConfigError: if a setting is impossible.
            BackboneError: if the configuration of the backbone is not on this machine.
        """
        resident, cfg = resident_memory(), self._configure()
        device = self._machine(cfg).device
        season, freq, dated = cfg.season_length or 1, "1", False
        extent = Extent(positive("n_series", n_series), n_series * positive("n_rows", n_rows))
        longest = n_rows
        if df is not None:
            frame = self._reader().for_frame(df).read(df)
            season = cfg.season_length or frame.calendar.season_length
            freq, dated = frame.calendar.freq, frame.calendar.dated
            extent = Extent(len(frame.ids), len(frame.table))
            longest = int(np.diff(frame.offsets).max())
        cfg = settle(cfg, Facts(cfg.h, season, longest))
        task = Task(cfg.context_length, cfg.h, season, freq, dated, description=cfg.prompt or "")
        extent = replace(extent, joint=self._joint(cfg))
        network = self._network_memory(cfg, task, extent, device)
        if cfg.batch_size == AUTO:
            cfg.batch_size = self._largest_batch(cfg, network, extent, device)
        return memory_of_parts(network, cfg, extent, device, resident)

    def _with_batch_size(
        self, cfg: DictConfig, task: Task, extent: Extent, device: torch.device
    ) -> DictConfig:
        """Return the settings with a number in place of ``batch_size="auto"``.

        Args:
            cfg: settings after ``settle``.
            task: lengths, season and frequency.
            extent: size of the data.
            device: device of the network.

        Raises:
            ConfigError: if several devices train, or memory is too small or unknown.
        """
        if cfg.batch_size != AUTO:
            return cfg
        if cfg.devices not in (1, "1"):
            raise ConfigError(
                f"batch_size=auto chooses for one device, and devices={cfg.devices}. Set a number, "
                "which all devices share."
            )
        extent = replace(extent, joint=self._joint(cfg))
        network = self._network_memory(cfg, task, extent, device)
        cfg = cfg.copy()
        cfg.batch_size = self._largest_batch(cfg, network, extent, device)
        return cfg

    def _network_memory(
        self, cfg: DictConfig, task: Task, extent: Extent, device: torch.device
    ) -> NetworkMemory:
        """Return the memory of the network in the precision of a device."""
        cfg = cfg.copy()
        cfg.precision = name_of(dtype_of(cfg, device))
        make = partial(self._assemble, device=torch.device("cpu"), download=False)
        return network_memory(cfg, task, extent.channels, make)

    def _largest_batch(
        self, cfg: DictConfig, network: NetworkMemory, extent: Extent, device: torch.device
    ) -> int:
        """Return the number of windows for ``batch_size="auto"``."""
        usual = clone(self).set_params(batch_size=None)._configure().batch_size
        most = min(LARGER * int(usual), extent.windows)
        return largest_batch(network, extent.validated(cfg), device, most)

    def _machine(self, cfg: DictConfig) -> Machine:
        """Return the hardware to train on, with the user's loggers and callbacks."""
        return Machine.of(
            cfg,
            logger=self.logger,
            callbacks=tuple(self.callbacks or ()),
            trainer_kwargs=self.trainer_kwargs or {},
        )

    @abstractmethod
    def _assemble(
        self,
        cfg: DictConfig,
        task: Task,
        device: torch.device | None = None,
        download: bool = True,
        sizes: Watch = ANY,
    ) -> Forecaster:
        """Build the forecaster, not trained; ``sizes`` watches all tensors but the backbone's."""
