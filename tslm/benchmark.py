"""The published protocol: train, score every test window, keep the config with the number."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from omegaconf import DictConfig, OmegaConf

from tslm.config import estimator_arguments, listed
from tslm.data.benchmarks import Benchmark, load
from tslm.data.frame import Columns, read_frame
from tslm.data.panel import Panel
from tslm.estimator import TSLMForecaster
from tslm.nn import classical
from tslm.scoring import WindowErrors, score
from tslm.types import Forecaster

Record = dict[str, Any]


def run(cfg: DictConfig) -> Iterator[Record]:
    """Records of one benchmark: the model's for every seed and horizon, then the baselines'.

    Args:
        cfg: the settings of the verb; ``model`` selects a classical rule in place of an adapter.
    """
    data = load(cfg.benchmark)
    horizons = listed(cfg.horizons) or list(data.horizons)
    if cfg.model is None:
        for seed in listed(cfg.seeds) or []:
            model = forecaster(cfg, data, horizons[0], seed)
            yield from fit_and_score(cfg, data, horizons, model)
    for name in listed(cfg.model or cfg.baselines) or []:
        yield from score_rule(cfg, data, horizons, name)


def fit_and_score(
    cfg: DictConfig, data: Benchmark, horizons: Sequence[int], model: TSLMForecaster
) -> Iterator[Record]:
    """Train an estimator on the training part, choose by validation, score on the test part."""
    frame = data.frame
    row = frame.groupby("unique_id", sort=False).cumcount()
    known = frame[row < data.borders.train_end]
    val = frame[(row >= data.borders.train_end) & (row < data.borders.val_end)]
    began = time.perf_counter()
    model.fit(known, val_df=val)
    seconds = time.perf_counter() - began
    panel = standard_panel(data, model.history_.stats)
    model.prepare(panel)
    weights = sum(w.numel() for w in model.model_.parameters() if w.requires_grad)
    extra = {
        "seed": model.random_state,
        "trainable_parameters": weights,
        "train_seconds": round(seconds, 1),
        "validation": model.verdict_.to_dict(),
        "backbone": model.model_.backbone.identity.name,
        "config": OmegaConf.to_container(model.config_),
    }
    reach = model.context_length_
    yield from _records(cfg, data, panel, model.name, model.model_, horizons, reach, extra)


def score_rule(
    cfg: DictConfig, data: Benchmark, horizons: Sequence[int], name: str
) -> Iterator[Record]:
    """Score a classical rule, which needs no training."""
    rule = classical.make(name, data.season_length)
    asked = cfg.context_length if name == cfg.get("model") else None
    reach = asked or classical.reach(data.season_length)
    panel = standard_panel(data)
    extra = {
        "seed": None,
        "trainable_parameters": 0,
        "train_seconds": 0.0,
        "config": {"model": name, "context_length": reach, "season_length": data.season_length},
    }
    yield from _records(cfg, data, panel, name, rule, horizons, reach, extra)


def _records(
    cfg: DictConfig,
    data: Benchmark,
    panel: Panel,
    name: str,
    who: Forecaster,
    horizons: Sequence[int],
    reach: int,
    extra: Record,
) -> Iterator[Record]:
    start, stop = (np.full(len(panel), row) for row in data.target_rows("test"))
    began = time.perf_counter()
    errors = score(
        who,
        panel,
        context_length=reach,
        horizons=horizons,
        start=start,
        stop=stop,
        stride=cfg.stride,
    )
    seconds = round(time.perf_counter() - began, 1)
    for horizon in horizons:
        yield record(data, name, horizon, errors[horizon], len(panel)) | {
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


def forecaster(cfg: DictConfig, data: Benchmark, h: int, seed: int) -> TSLMForecaster:
    """The estimator a benchmark trains: the settings of the verb, for one horizon and seed."""
    arguments = estimator_arguments(cfg)
    arguments |= {"h": h, "freq": data.freq, "random_state": seed}
    arguments["season_length"] = data.season_length
    return TSLMForecaster(**arguments)


def standard_panel(data: Benchmark, stats: Any = None) -> Panel:
    """All rows of a benchmark, standardised by its training rows."""
    frame = read_frame(data.frame, Columns(), freq=data.freq)
    until = np.full(len(data.columns), data.borders.train_end)
    return Panel.from_frame(frame, until=until, stats=stats)
