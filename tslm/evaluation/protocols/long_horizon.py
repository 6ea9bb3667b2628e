"""Long-horizon protocol: train, score every test window, keep the settings with the errors."""

import time
from collections.abc import Iterator, Sequence

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
from tslm.estimators.factory import estimator_of
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.validation.window_errors import WindowErrors, score
from tslm.evaluation.ablation.trial import Trial
from tslm.evaluation.protocols.records import Record, every_run, facts_of, name_of


def run(cfg: DictConfig) -> Iterator[Record]:
    """Score one benchmark: the model for every seed and horizon, then the baselines.

    Args:
        cfg: settings of the verb. ``model`` selects a baseline in place of an adapter; ``fit_on``
            names another benchmark on which all of them are fitted.

    Yields:
        One record per run and horizon.

    Raises:
        ConfigError: if the other benchmark has another frequency.
    """
    data = load(cfg.benchmark)
    source = data if cfg.fit_on is None else _source(cfg.fit_on, data)
    horizons = listed(cfg.horizons) or list(data.horizons)
    first_seed = (listed(cfg.seeds) or [0])[0]
    yield from every_run(
        cfg,
        model_of=lambda seed: forecaster(cfg, source, horizons[0], seed),
        baseline_of=lambda name: baseline(cfg, source, horizons[0], first_seed, name),
        records_of=lambda model: _every_horizon(cfg, data, source, horizons, model),
    )


def _source(name: str, data: Benchmark) -> Benchmark:
    """Load the benchmark to fit on in place of ``data``."""
    source = load(name)
    if source.freq != data.freq:
        raise ConfigError(
            f"fit_on={name}: {source.name} has the frequency {source.freq} and {data.name} has "
            f"{data.freq}. A fitted model forecasts one frequency only. Set fit_on to a benchmark "
            f"with the frequency {data.freq}."
        )
    return source


def _every_horizon(
    cfg: DictConfig,
    data: Benchmark,
    source: Benchmark,
    horizons: Sequence[int],
    model: TrainedForecaster,
) -> Iterator[Record]:
    """Score every horizon, with one fit for all of them if the model can, else one fit for each."""
    for served in [horizons] if model.any_horizon else [[horizon] for horizon in horizons]:
        yield from fit_and_score(cfg, data, served, model.set_params(h=served[0]), source)


def fit_and_score(
    cfg: DictConfig,
    data: Benchmark,
    horizons: Sequence[int],
    model: TrainedForecaster,
    source: Benchmark | None = None,
) -> Iterator[Record]:
    """Fit an estimator on the training rows, validate it, and score it on the test rows.

    Args:
        cfg: settings of the verb.
        data: the benchmark to score.
        horizons: forecast horizons to score after one fit.
        model: the estimator, not fitted.
        source: the benchmark to fit on; ``data`` by default. If it is another one, the model gets
            only the level and the spread of the training rows of ``data``.

    Yields:
        One record per horizon.
    """
    source = source or data
    known, val = _parts(source)
    began = time.perf_counter()
    model.fit(known, val_df=val)
    seconds = time.perf_counter() - began
    until = None if source is data else np.full(len(data.columns), data.borders.train_end)
    panel = model.panel_reader.panel_of(_whole(data), until)
    model.prepare(panel)
    yield from _records(cfg, data, panel, model, horizons, facts_of(model, source, seconds))


def _records(
    cfg: DictConfig,
    data: Benchmark,
    panel: Panel,
    model: TrainedForecaster,
    horizons: Sequence[int],
    facts: Record,
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
    unit = data.spread_of(panel.ids) / panel.spread  # 1 if the model scales by all training rows
    for horizon in horizons:
        yield record(data, name_of(model), horizon, errors[horizon].per(unit), len(panel)) | {
            "score_seconds": seconds,
            **facts,
        }


def record(data: Benchmark, name: str, horizon: int, errors: WindowErrors, channels: int) -> Record:
    """Return the standardised errors of a model: means over ``windows`` x ``channels``."""
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
    """Make the estimator that the settings of the verb describe, for one horizon and seed."""
    own = {"h": h, "freq": data.freq, "season_length": data.season_length, "random_state": seed}
    model = estimator_of(cfg).set_params(**own)
    described = cfg.prompt is None and cfg.model is None and part_class(cfg.adapter).reads_text
    return model.set_params(prompt=data.description) if described else model


def baseline(cfg: DictConfig, data: Benchmark, h: int, seed: int, name: str) -> BaselineForecaster:
    """Make a baseline with the settings of its yaml, on the same data and machine."""
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
    """Make the trial of an ablation from a benchmark: its published parts and test windows."""
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
    """Return the training rows and the validation rows."""
    frame = data.frame
    row = frame.groupby("unique_id", sort=False).cumcount()
    train_end, val_end = data.borders.train_end, data.borders.val_end
    return frame[row < train_end], frame[(row >= train_end) & (row < val_end)]


def _whole(data: Benchmark) -> Frame:
    """Return all rows of a benchmark as a frame."""
    return read_frame(data.frame, Columns(), freq=data.freq)
