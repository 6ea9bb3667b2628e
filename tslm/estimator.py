"""The scikit-learn-style estimator: a long frame in, an LLM forecaster out."""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Int
from omegaconf import DictConfig
from torch import Tensor

import tslm.saving as saving
from tslm.adapters.base import Facts
from tslm.assembly import assemble, device_of, settle, task_of
from tslm.calendar import Calendar, Ints, naming
from tslm.config import build, configure, part_class
from tslm.data.frame import Frame
from tslm.data.module import WindowData
from tslm.data.panel import Panel
from tslm.data.times import spread, start_times
from tslm.data.windows import EpochWindows, RandomWindows, Windows
from tslm.errors import BackboneError, ConfigError, DataError, NotAvailableError
from tslm.longframe import LongFrameForecaster, refuse
from tslm.model import ForecastModel
from tslm.run import Run
from tslm.spec import Spec
from tslm.training import Machine, Recipe, train, trained_state
from tslm.verdict import Verdict, judge

LOOK = 1024  # validation windows looked at during training, evenly spread
PARTS = ("adapter", "decoder", "trainer")
NOT_SETTINGS = (*PARTS, "futr_exog", "hist_exog", "static_exog", "prompt", "base")


class TSLMForecaster(LongFrameForecaster):
    """Forecasts long frames with a frozen language model and a small trained adapter.

    Arguments are only stored; ``fit`` checks them. None takes what the adapter's or the
    backbone's yaml recommends, or what the data suggest.

    Args:
        h: steps trained for, and forecast by default.
        adapter: how series become tokens: a name, or a ``Spec`` with options.
        backbone: the frozen body: a named one, a hub id, a folder or a ``.gguf`` file.
        n_layers: its first blocks used; "all" for all.
        decoder: how hidden states become values; None is the adapter's own.
        base: a classical base the adapter corrects (not available yet).
        context_length: steps read.
        freq: distance of rows, a pandas alias or a whole number; None infers it.
        season_length: steps of the main season; None takes the frequency's.
        id_col: column of series ids.
        time_col: column of times.
        target_col: column of values.
        futr_exog: not available yet.
        hist_exog: not available yet.
        static_exog: not available yet.
        prompt: not available yet.
        missing: "mask" leaves gaps out of statistics and loss; "interpolate", "ffill", "raise".
        on_duplicate: "raise", "first", "last" or "mean".
        max_steps: training batches.
        max_epochs: passes over all windows, in place of ``max_steps``.
        learning_rate: the highest rate.
        batch_size: windows per training batch.
        val_size: last rows of each series kept for validation; None keeps a tenth of each (at
            least ``h`` and at most 10 ``h``), 0 none.
        early_stopping_patience: looks at validation without progress before training stops and
            the best weights are taken; None trains to the end and keeps the last ones.
        accelerator: as in Lightning.
        devices: as in Lightning.
        strategy: as in Lightning.
        precision: of the frozen body, "fp32" or "bf16"; None is bf16 where the GPU is made for it.
        rollout: "sliding" or "cached", see ``ForecastModel``.
        trainer: the training recipe: a name, or a ``Spec`` with options.
        alias: name of the forecast column; None is the adapter's class name.
        random_state: seed; the same one gives the same bits on a CPU. None draws one.
        verbose: 0 is silent, 1 shows a progress bar.
    """

    def __init__(
        self,
        h: int = 24,
        adapter: str | Spec = "autotimes",
        backbone: str = "smollm2-135m",
        n_layers: int | str | None = None,
        decoder: str | Spec | None = None,
        base: str | None = None,
        context_length: int | None = None,
        freq: str | int | None = None,
        season_length: int | None = None,
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        futr_exog: list[str] | None = None,
        hist_exog: list[str] | None = None,
        static_exog: list[str] | None = None,
        prompt: str | None = None,
        missing: str = "mask",
        on_duplicate: str = "raise",
        max_steps: int = 1000,
        max_epochs: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        val_size: int | None = None,
        early_stopping_patience: int | None = None,
        accelerator: str = "auto",
        devices: Any = 1,
        strategy: str = "auto",
        precision: str | None = None,
        rollout: str = "sliding",
        trainer: str | Spec = "one_cycle",
        alias: str | None = None,
        random_state: int | None = None,
        verbose: int = 1,
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
        self.max_steps = max_steps
        self.max_epochs = max_epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.val_size = val_size
        self.early_stopping_patience = early_stopping_patience
        self.accelerator = accelerator
        self.devices = devices
        self.strategy = strategy
        self.precision = precision
        self.rollout = rollout
        self.trainer = trainer
        self.alias = alias
        self.random_state = random_state
        self.verbose = verbose

    @property
    def name(self) -> str:
        if self.alias is not None:
            return self.alias
        return str(part_class(self._configure().adapter).__name__)

    def set_params(self, **params: Any) -> "TSLMForecaster":
        """Set parameters; ``adapter__patch_len=24`` sets an option of a part."""
        for part in PARTS:
            nested = any(key.startswith(f"{part}__") for key in params)
            given = params.get(part, getattr(self, part))
            if nested and given is None:
                raise ConfigError(
                    f"{part} is None, so it has no options to set. Pass {part}=Spec(NAME, ...)."
                )
            if nested and isinstance(given, str):
                params[part] = Spec(given)
        super().set_params(**params)
        return self

    def fit(
        self,
        df: pd.DataFrame,
        y: None = None,
        *,
        static_df: pd.DataFrame | None = None,
        val_df: pd.DataFrame | None = None,
        folder: str | Path | None = None,
    ) -> "TSLMForecaster":
        """Train the adapter and the decoder on a long frame.

        Args:
            df: any number of series, of any lengths.
            y: ignored; scikit-learn passes it.
            static_df: not available yet.
            val_df: rows that follow those of ``df``, to validate on; in place of ``val_size``.
            folder: where to keep checkpoints; a run that was killed goes on from the last one.

        Raises:
            DataError: if the frame breaks the contract; the message names ids and dates.
            ConfigError: if a setting is impossible.
        """
        refuse(
            static_df=static_df,
            futr_exog=self.futr_exog,
            hist_exog=self.hist_exog,
            static_exog=self.static_exog,
            prompt=self.prompt,
        )
        cfg = self._configure()
        both = df if val_df is None else pd.concat([df, val_df], ignore_index=True)
        frame = self._read(both)
        split = self._split(frame) if val_df is None else self._given_split(frame, df, val_df)
        panel = Panel.from_frame(frame, until=split)
        season = cfg.season_length or frame.calendar.season_length
        cfg = settle(cfg, Facts(cfg.h, season, int(split.max())))
        run = Run.start(cfg, panel, None if folder is None else Path(folder))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed)
            model = assemble(cfg, task_of(cfg, season, frame.calendar))
            data = self._windows(cfg, model, panel, split, run.seed)
            self._train(cfg, model, data, run.folder)
        self.config_, self.season_length_, self.report_ = cfg, season, frame.report
        self.calendar_, self.context_length_ = frame.calendar, int(cfg.context_length)
        self.forecaster_ = self.model_ = model.to(device_of(cfg))
        self.history_ = panel.tail(self.context_length_)
        self.verdict_ = judge(self.name, model, panel, split, cfg, season)
        self.verdict_.warn()
        return self

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write a folder of JSON and safetensors: everything but the frozen body.

        Args:
            path: the folder; it appears whole or not at all.
            overwrite: whether to replace one that is there.
        """
        self._check_fitted()
        saving.save(self._saved(), Path(path), overwrite)

    @classmethod
    def load(cls, path: str | Path, *, download: bool = False) -> "TSLMForecaster":
        """Read a saved folder; the body must be here already, unless ``download`` is set.

        Raises:
            DataError: if the folder is damaged, altered, or of a newer version.
            BackboneError: if the body is not here or is not the one trained with.
        """
        saved = saving.read(Path(path))
        known = cls().get_params(deep=False)
        model = cls(**saving.parameters(saved.facts, known))
        model._restore(saved, download)
        return model

    def ablate(self, df: pd.DataFrame, *, h: int | None = None, n_windows: int = 1) -> Any:
        """Whether the language model helps (not available yet)."""
        raise NotAvailableError("ablate is not available in this version.")

    def _configure(self) -> DictConfig:
        params = self.get_params(deep=False)
        values = {key: value for key, value in params.items() if key not in NOT_SETTINGS}
        return configure({part: params[part] for part in PARTS}, {**values, "base": self.base})

    def _given_split(self, frame: Frame, df: pd.DataFrame, val_df: pd.DataFrame) -> Ints:
        """How many first rows of each series are those of ``df``."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # said once, when both were read
            own, later = (self._read(part, frame.calendar) for part in (df, val_df))
        last = own.table.groupby("unique_id").ds.agg(["max", "size"])
        first = later.table.groupby("unique_id").ds.min()
        early = (first <= last["max"].reindex(first.index)).to_numpy()
        if early.any():
            raise DataError(
                f"Rows of val_df precede or overlap those of df in series "
                f"{naming(first.index[early])}. They must follow the last row of each series."
            )
        return last["size"].reindex(frame.ids, fill_value=0).to_numpy(np.int64)

    def _split(self, frame: Frame) -> Ints:
        """How many first rows of each series are for training, by ``val_size``."""
        lengths = np.diff(frame.offsets)
        if self.val_size is not None:
            if self.val_size < 0:
                raise ConfigError(f"val_size={self.val_size} must not be negative.")
            kept = np.full(len(lengths), self.val_size)
        else:
            kept = np.clip(lengths // 10, self.h, 10 * self.h)
            kept[lengths - kept < 2 * self.h] = 0
        return np.maximum(lengths - kept, 0).astype(np.int64)

    def _windows(
        self, cfg: DictConfig, model: ForecastModel, panel: Panel, split: Ints, seed: int
    ) -> WindowData:
        """Training and validation windows, and what the adapter must know of their times."""
        step = model.decoder.step
        windows = Windows(panel, context_length=cfg.context_length, future_length=step, stop=split)
        if not len(windows):
            raise DataError(
                f"No series is long enough to train on: a window needs more than {step} rows "
                f"before its validation rows, and the longest series has {split.max()}. Set a "
                "smaller h or val_size, or give longer series."
            )
        model.prepare(start_times(windows, model.adapter.layout.patch_len))
        val = Windows(panel, context_length=cfg.context_length, future_length=cfg.h, start=split)
        sampler = (RandomWindows if cfg.max_epochs is None else EpochWindows)(
            windows, cfg.batch_size, seed
        )
        if not len(val):
            return WindowData(windows, sampler)
        model.prepare(start_times(val, model.adapter.layout.patch_len))
        return WindowData(windows, sampler, val, spread(len(val), LOOK))

    def _train(
        self, cfg: DictConfig, model: ForecastModel, data: WindowData, folder: Path | None
    ) -> None:
        steps = cfg.max_steps
        if isinstance(data.sampler, EpochWindows):
            steps = cfg.max_epochs * data.sampler.steps_per_epoch
        recipe: Recipe = build(cfg.trainer, learning_rate=cfg.learning_rate, steps=steps)
        train(
            model,
            data,
            recipe,
            horizon=cfg.h,
            machine=Machine(cfg.accelerator, cfg.devices, cfg.strategy),
            patience=cfg.early_stopping_patience,
            folder=folder,
            progress=self.verbose > 0,
        )

    def prepare(self, panel: Panel) -> None:
        """Let the fitted model learn, once, what windows of these series will need."""
        windows = Windows(panel, context_length=self.context_length_, future_length=1)
        self.model_.prepare(start_times(windows, 1))

    def _prepare(self, time: Int[Tensor, "B T"]) -> None:
        self.model_.prepare(time[:, :: self.model_.adapter.layout.patch_len].flatten())

    def _saved(self) -> saving.Saved:
        params = {name: saving.plain(value) for name, value in self.get_params(deep=False).items()}
        history = self.history_.to_arrays()
        facts = {
            "params": params,
            "settled": saving.settled(self.config_),
            "season_length": self.season_length_,
            "calendar": self.calendar_.to_dict(),
            "backbone": asdict(self.model_.backbone.identity),
            "ids": history.ids,
            "verdict": self.verdict_.to_dict(),
        }
        return saving.Saved(facts, trained_state(self.model_), history.arrays)

    def _restore(self, saved: saving.Saved, download: bool) -> None:
        facts = saved.facts
        settled = facts["settled"]
        parts = {part: saving.spec(settled[part]) for part in PARTS}
        cfg = configure(parts, settled["values"])
        calendar = Calendar.from_dict(facts["calendar"])
        model = assemble(cfg, task_of(cfg, facts["season_length"], calendar), download=download)
        _same_backbone(facts["backbone"], asdict(model.backbone.identity))
        saving.fill(model, saved.weights)
        self.config_, self.season_length_ = cfg, int(facts["season_length"])
        self.calendar_, self.context_length_ = calendar, int(cfg.context_length)
        self.forecaster_ = self.model_ = model.eval().to(device_of(cfg))
        self.history_ = Panel.from_arrays(saved.history, facts["ids"])
        self.verdict_ = Verdict.from_dict(facts["verdict"])


def _same_backbone(trained: dict[str, Any], found: dict[str, Any]) -> None:
    for key in ("fingerprint", "n_layers"):
        if trained[key] != found[key]:
            raise BackboneError(
                f"The model was saved with {trained['name']} ({key} {trained[key]}, from "
                f"{trained['source']}), and the one here has {key} {found[key]} (from "
                f"{found['source']}). Get the weights it was trained with."
            )
