"""Protocol of the M competitions: forecast each series once from its origin, score as in M4.

The last known rows of each series validate; the rows after the origin are read for the score only.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from omegaconf import DictConfig

from tslm.core.config.choices import node
from tslm.core.errors import ConfigError
from tslm.data.datasets.competitions import Competition, is_competition, load
from tslm.estimators.factory import estimator_of
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.evaluation.metrics.competition import mean_errors
from tslm.evaluation.protocols.records import Record, every_run, facts_of, name_of


def run(cfg: DictConfig) -> Iterator[Record]:
    """Score one competition: the model for every seed, then the baselines.

    Args:
        cfg: settings of the verb. ``model`` selects a baseline in place of an adapter; ``fit_on``
            names another competition on which all of them are fitted.

    Yields:
        One record per run.

    Raises:
        ConfigError: if the data of ``fit_on`` are not a competition.
    """
    data = load(cfg.benchmark)
    source = data if cfg.fit_on is None else _source(cfg.fit_on, data)
    own = {"h": data.horizon, "freq": 1, "season_length": cfg.season_length or data.season_length}
    model = estimator_of(cfg).set_params(**own)
    yield from every_run(
        cfg,
        model_of=lambda seed: model.set_params(random_state=seed),
        baseline_of=model.baseline,
        records_of=lambda each: [fit_and_score(data, each, source)],
    )


def _source(name: str, data: Competition) -> Competition:
    """Load the competition to fit on in place of ``data``."""
    content = node("benchmark", name)
    if not is_competition(content):
        raise ConfigError(
            f"fit_on={name} has dates, but {data.name} has numbered steps, and a fitted model can "
            "forecast only one of these. Set fit_on to another competition, such as "
            "fit_on=m3_monthly."
        )
    return load(content)


def fit_and_score(
    data: Competition, model: TrainedForecaster, source: Competition | None = None
) -> Record:
    """Fit an estimator on the known rows, forecast the rows after the origin, and score it.

    Args:
        data: the competition to score.
        model: the estimator, not fitted.
        source: the competition to fit on; ``data`` by default.
    """
    source = source or data
    began = time.perf_counter()
    model.fit(source.frame)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    ahead = model.predict(data.frame).groupby("unique_id", sort=False)[model.name]
    scored = time.perf_counter() - began
    forecasts = {str(key): values.to_numpy() for key, values in ahead}
    return {
        "benchmark": data.name,
        "model": name_of(model),
        "horizon": data.horizon,
        **errors(data, forecasts),
        "score_seconds": round(scored, 1),
        **facts_of(model, source, seconds),
    }


def errors(data: Competition, forecasts: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the mean errors over series, rounded as in a record.

    Args:
        data: the competition.
        forecasts: ``data.horizon`` values for each series.
    """
    means = mean_errors(data.known, data.truth, forecasts, data.season_length)
    places = {"mse": 6, "mae": 6, "smape": 4, "mase": 4, "owa": 4}
    rounded = {name: round(means[name], digits) for name, digits in places.items()}
    return {**rounded, "windows": len(data.truth), "channels": 1}
