"""The published protocol: train, score every test window, keep the config with the number."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from tslm.core.config.build import part_class
from tslm.core.config.schema import listed
from tslm.core.errors import ConfigError
from tslm.data.datasets.benchmarks import Benchmark, load
from tslm.data.frame import Columns, Frame, read_frame
from tslm.data.panel import Panel
from tslm.estimators.baseline_forecaster import BaselineForecaster
from tslm.estimators.fitting import TrainedForecaster
from tslm.estimators.training.weights import trained_weights
from tslm.estimators.tslm_forecaster import estimator_of
from tslm.estimators.validation.window_errors import WindowErrors, score
from tslm.evaluation.ablation.run import Trial

Record = dict[str, Any]


def run(cfg: DictConfig) -> Iterator[Record]:
    """Records of one benchmark: the model's for every seed and horizon, then the baselines'.

    Args:
        cfg: the settings of the verb; ``model`` selects a baseline in place of an adapter, and
            ``fit_on`` another benchmark that all of them are fitted on.

    Raises:
        ConfigError: if the other benchmark has another frequency.
    """
    data = load(cfg.benchmark)
    source = data if cfg.fit_on is None else _source(cfg.fit_on, data)
    horizons = listed(cfg.horizons) or list(data.horizons)
    for seed in listed(cfg.seeds) or []:
        model = forecaster(cfg, source, horizons[0], seed)
        yield from _each(cfg, data, source, horizons, model)
        if not trained_weights(model.forecaster_):
            break  # every seed is the same
    seed = (listed(cfg.seeds) or [0])[0]
    for name in (listed(cfg.baselines) or []) if cfg.model is None else []:
        own = baseline(cfg, source, horizons[0], seed, name)
        yield from _each(cfg, data, source, horizons, own)


def _source(name: str, data: Benchmark) -> Benchmark:
    """The benchmark to fit on in place of ``data``."""
    source = load(name)
    if source.freq != data.freq:
        raise ConfigError(
            f"fit_on={name}: {source.name} has a row every {source.freq}, and {data.name} every "
            f"{data.freq}; a fitted model reads one frequency. Fit on a benchmark with "
            f"freq={data.freq}."
        )
    return source


def _each(
    cfg: DictConfig,
    data: Benchmark,
    source: Benchmark,
    horizons: Sequence[int],
    model: TrainedForecaster,
) -> Iterator[Record]:
    """Records of every horizon: from one fit where it serves them all, else from one for each."""
    for served in [horizons] if model.any_horizon else [[horizon] for horizon in horizons]:
        yield from fit_and_score(cfg, data, served, model.set_params(h=served[0]), source)


def fit_and_score(
    cfg: DictConfig,
    data: Benchmark,
    horizons: Sequence[int],
    model: TrainedForecaster,
    source: Benchmark | None = None,
) -> Iterator[Record]:
    """Train an estimator on the training part, choose by validation, score on the test part.

    Args:
        cfg: the settings of the verb.
        data: what is scored.
        horizons: steps that one fit serves.
        model: the estimator, not fitted.
        source: what is trained and validated on, ``data`` by default; series of another one tell
            the model nothing but the level and spread of their own training rows.
    """
    source = source or data
    known, val = _parts(source)
    began = time.perf_counter()
    model.fit(known, val_df=val)
    seconds = time.perf_counter() - began
    until = None if source is data else np.full(len(data.columns), data.borders.train_end)
    panel = model.panel_of(_whole(data), until)
    model.prepare(panel)
    weights = trained_weights(model.forecaster_)
    extra = {
        "fitted_on": source.name,
        "seed": model.random_state if weights else None,
        "trained_for": model.h,
        "trainable_parameters": sum(weight.numel() for weight in weights),
        "train_seconds": round(seconds, 1),
        "backbone": model.settings.get("backbone"),
        "validation": model.verdict_.state(),
        "config": model.settings,
    }
    yield from _records(cfg, data, panel, model, horizons, extra)


def _records(
    cfg: DictConfig,
    data: Benchmark,
    panel: Panel,
    model: TrainedForecaster,
    horizons: Sequence[int],
    extra: Record,
) -> Iterator[Record]:
    start, stop = (np.full(len(panel), row) for row in data.target_rows("test"))
    began = time.perf_counter()
    errors = score(
        model.forecaster_,
        panel,
        context_length=model.context_length_,
        horizons=horizons,
        start=start,
        stop=stop,
        stride=cfg.stride,
    )
    seconds = round(time.perf_counter() - began, 1)
    unit = data.spread_of(panel.ids) / panel.spread  # 1 where all training rows scale a series
    for horizon in horizons:
        name = model.settings["choices"].get("model", model.name)
        yield record(data, name, horizon, errors[horizon].per(unit), len(panel)) | {
            "score_seconds": seconds,
            **extra,
        }


def record(data: Benchmark, name: str, horizon: int, errors: WindowErrors, channels: int) -> Record:
    """One line of a result: errors on the standardised scale over ``windows`` x ``channels``."""
    mse, mae = errors.means()
    return {
        "benchmark": data.name,
        "model": name,
        "horizon": horizon,
        "mse": round(mse, 6),
        "mae": round(mae, 6),
        "windows": len(errors) // channels,
        "channels": channels,
    }


def forecaster(cfg: DictConfig, data: Benchmark, h: int, seed: int) -> TrainedForecaster:
    """The estimator a benchmark trains: the settings of the verb, for one horizon and seed."""
    own = {"h": h, "freq": data.freq, "season_length": data.season_length, "random_state": seed}
    model = estimator_of(cfg).set_params(**own)
    described = cfg.prompt is None and cfg.model is None and part_class(cfg.adapter).reads_text
    return model.set_params(prompt=data.description) if described else model


def baseline(cfg: DictConfig, data: Benchmark, h: int, seed: int, name: str) -> BaselineForecaster:
    """A baseline as its own yaml has it, on the same task and machine."""
    shared = ("accelerator", "devices", "strategy", "max_steps", "fraction", "scaler", "verbose")
    values = {name: cfg[name] for name in shared}
    return BaselineForecaster(
        name,
        h=h,
        freq=data.freq,
        season_length=data.season_length,
        random_state=seed,
        **values,
    )


def trial(data: Benchmark, stride: int) -> Trial:
    """A benchmark as something to fit arms on: the published parts, every test window."""
    known, val = _parts(data)
    start, stop = (np.full(len(data.columns), row) for row in data.target_rows("test"))
    return Trial(
        name=data.name,
        known=known,
        val=val,
        frame=_whole(data),
        start=start,
        stop=stop,
        season=data.season_length,
        spread=data.spread_of,
        stride=stride,
    )


def _parts(data: Benchmark) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to train on, and rows to validate on."""
    frame = data.frame
    row = frame.groupby("unique_id", sort=False).cumcount()
    train_end, val_end = data.borders.train_end, data.borders.val_end
    return frame[row < train_end], frame[(row >= train_end) & (row < val_end)]


def _whole(data: Benchmark) -> Frame:
    """All rows of a benchmark."""
    return read_frame(data.frame, Columns(), freq=data.freq)
