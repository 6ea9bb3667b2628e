"""Short-term protocols: every series forecast once from its origin, scored as in the M4 contest.

Choices are made on the end of what was known; what followed is read once, for the score.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig

from tslm.core.config.choices import node
from tslm.core.config.schema import listed
from tslm.core.errors import ConfigError
from tslm.data.datasets.competitions import Competition, is_competition, load
from tslm.estimators.fitting import TrainedForecaster
from tslm.estimators.training.weights import trained_weights
from tslm.estimators.tslm_forecaster import estimator_of
from tslm.evaluation.metrics import competition as metrics

Record = dict[str, Any]


def run(cfg: DictConfig) -> Iterator[Record]:
    """Records of one competition: the model's for every seed, then the baselines'.

    Args:
        cfg: the settings of the verb; ``model`` selects a baseline in place of an adapter, and
            ``fit_on`` another competition that all of them are fitted on.

    Raises:
        ConfigError: if the other set is no competition.
    """
    data = load(cfg.benchmark)
    source = data if cfg.fit_on is None else _source(cfg.fit_on, data)
    own = {"h": data.horizon, "freq": 1, "season_length": cfg.season_length or data.season_length}
    model = estimator_of(cfg).set_params(**own)
    for seed in listed(cfg.seeds) or []:
        yield fit_and_score(data, model.set_params(random_state=seed), source)
        if not trained_weights(model.forecaster_):
            break  # every seed is the same
    for name in (listed(cfg.baselines) or []) if cfg.model is None else []:
        yield fit_and_score(data, model.baseline(name), source)


def _source(name: str, data: Competition) -> Competition:
    """The competition to fit on in place of ``data``; its times are counted as well."""
    content = node("benchmark", name)
    if not is_competition(content):
        raise ConfigError(
            f"fit_on={name} has dates, and {data.name} counts its steps: a fitted model reads one "
            "frequency. Fit on another competition, such as fit_on=m3_monthly."
        )
    return load(content)


def fit_and_score(
    data: Competition, model: TrainedForecaster, source: Competition | None = None
) -> Record:
    """Fit an estimator on what was known, forecast what followed, and score it.

    Args:
        data: what is scored.
        model: the estimator, not fitted.
        source: what it is fitted on, ``data`` by default.
    """
    source = source or data
    began = time.perf_counter()
    model.fit(source.frame)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    ahead = model.predict(data.frame).groupby("unique_id", sort=False)[model.name]
    scored = time.perf_counter() - began
    weights = trained_weights(model.forecaster_)
    name = model.settings["choices"].get("model", model.name)
    return {
        "benchmark": data.name,
        "model": name,
        "horizon": data.horizon,
        **errors(data, {str(name): values.to_numpy() for name, values in ahead}),
        "fitted_on": source.name,
        "seed": model.random_state if weights else None,
        "trainable_parameters": sum(weight.numel() for weight in weights),
        "train_seconds": round(seconds, 1),
        "score_seconds": round(scored, 1),
        "backbone": model.settings.get("backbone"),
        "validation": model.verdict_.state(),
        "config": model.settings,
    }


def errors(data: Competition, forecasts: dict[str, np.ndarray]) -> dict[str, Any]:
    """sMAPE, MASE and OWA over series; MSE and MAE on the scale of what was known of each."""
    rows = []
    for name, truth in data.truth.items():
        known, ahead = data.known[name], forecasts[name]
        plain = metrics.naive2(known, data.season_length, data.horizon)
        gap = (ahead - truth) / (known.std() or 1.0)
        rows.append(
            {
                "mse": np.square(gap).mean(),
                "mae": np.abs(gap).mean(),
                "smape": metrics.smape(truth, ahead),
                "mase": metrics.mase(truth, ahead, known, data.season_length),
                "smape_naive2": metrics.smape(truth, plain),
                "mase_naive2": metrics.mase(truth, plain, known, data.season_length),
            }
        )
    means = pd.DataFrame(rows).mean()
    own = float(means["smape"]), float(means["mase"])
    total = metrics.owa(own, (float(means["smape_naive2"]), float(means["mase_naive2"])))
    return {
        "mse": round(float(means["mse"]), 6),
        "mae": round(float(means["mae"]), 6),
        "smape": round(own[0], 4),
        "mase": round(own[1], 4),
        "owa": round(total, 4),
        "windows": len(rows),
        "channels": 1,
    }
