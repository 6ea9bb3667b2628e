"""Protocol of Context is Key: forecast each instance from its history and its text, and score it.

An instance is fitted on its history alone. Nothing is learnt from other instances.
"""

import time
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64
from omegaconf import DictConfig
from sklearn.base import clone

from tslm.core.config.schema import listed
from tslm.core.errors import ConfigError, TslmError
from tslm.core.messages import check_choice
from tslm.core.spec import Spec
from tslm.data.datasets.context_is_key import Instance, load
from tslm.data.events import Reading, read, without_disturbances
from tslm.estimators.baseline_forecaster import BaselineForecaster
from tslm.estimators.factory import estimator_of
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.evaluation.metrics.context_is_key import averages, score
from tslm.evaluation.protocols.records import Record

SAMPLES = 100  # draws of each forecast, as published
READS = ("given", "bounds", "past", "series", "rules", "effects")
DIGITS = 7  # significant digits of written samples

Samples = Float64[np.ndarray, "n H"]


class Result(NamedTuple):
    """Forecast of one instance.

    Attributes:
        samples: draws, or None if the forecast failed.
        seconds: duration of reading, fit and forecast.
        failure: message of the error; empty if there was none.
        settings: those of the fit; empty if it failed.
    """

    samples: Samples | None
    seconds: float
    failure: str
    settings: Mapping[str, Any]


def run(cfg: DictConfig) -> Iterator[Record]:
    """Score a model on the instances of a file, for every seed.

    Args:
        cfg: settings of the verb; ``instances`` names the file, ``reads`` the parts of each text
            that are used.

    Yields:
        One record per seed.

    Raises:
        ConfigError: if no file is named, or ``reads`` has an unknown part.
        DataError: if the file cannot be read.
    """
    if cfg.instances is None:
        raise ConfigError(
            "benchmark=cik needs the file of its instances. Give instances=FILE.jsonl.gz."
        )
    reads = [str(each) for each in listed(cfg.reads) or []]
    for each in reads:
        check_choice("reads", each, READS)
    instances, digest = load(cfg.instances)
    for seed in listed(cfg.seeds) or []:
        model = estimator_of(cfg).set_params(random_state=seed)
        results = [forecast(each, model, reads) for each in instances]
        yield _record(cfg, model, reads, instances, results) | {
            "seed": seed,
            "instances_sha256": digest,
        }


def forecast(instance: Instance, model: TrainedForecaster, reads: Collection[str]) -> Result:
    """Fit a model on the history of an instance, and draw its forecast.

    Args:
        instance: the instance; its truth is not read.
        model: the estimator, fitted here.
        reads: parts of the text to use.
    """
    began = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of short histories
            samples, settings = _samples(instance, model, reads)
            failure = ""
    except TslmError as error:
        samples, settings, failure = None, {}, str(error)
    return Result(samples, time.perf_counter() - began, failure, settings)


def _samples(
    instance: Instance, model: TrainedForecaster, reads: Collection[str]
) -> tuple[Samples, Mapping[str, Any]]:
    """Return draws of the steps to forecast, ``[n, H]``, and the settings of the fit."""
    h, past = len(instance.times), instance.past
    model.set_params(h=h, season_length=instance.season_length, verbose=0)
    reading = read(instance.text, past, h)
    events, ahead = reading.events, None
    bounded = events["lower"].notna() | events["upper"].notna()
    told = (bounded & ("bounds" in reads)) | (~bounded & bool({"rules", "effects"} & {*reads}))
    if "past" in reads:
        past = without_disturbances(past, events)
        told &= ~(events["end"] < instance.times[0])  # their effects are no longer there
    if "effects" not in reads:
        model.set_params(text_reader="rules")  # bounds need no language model
    if "series" in reads and reading.futr_exog:
        model, past, ahead = with_series(model, reading), reading.join(past), reading.futr_df
    model.fit(past, events=events[told])
    found = model.predict(num_samples=SAMPLES, futr_df=ahead, events=events[told])
    samples = found.iloc[:, -SAMPLES:].to_numpy(dtype=np.float64).T
    if "given" in reads:
        samples = _within_given(instance, samples)
    return samples, model.settings


def with_series(model: TrainedForecaster, reading: Reading) -> TrainedForecaster:
    """Return a new estimator that reads the series of a text.

    A baseline is replaced by the regression on covariates. A model with an adapter subtracts their
    effects.

    Args:
        model: the estimator without them.
        reading: the text.
    """
    model = clone(model).set_params(futr_exog=reading.futr_exog)
    if isinstance(model, BaselineForecaster):
        follows = [name for name in reading.follows if name in reading.futr_exog]
        model.set_params(model=Spec("covariate_regression", follows=follows))
    return model


def _within_given(instance: Instance, samples: Samples) -> Samples:
    """Return draws within the bounds that the data state in fields of their own."""
    low = -np.inf if instance.lower is None else instance.lower
    high = np.full(samples.shape[1], np.inf if instance.upper is None else instance.upper)
    for place, limit in instance.limits.items():
        high[place] = min(high[place], limit)
    return np.clip(samples, low, high)


def _record(
    cfg: DictConfig,
    model: TrainedForecaster,
    reads: Collection[str],
    instances: list[Instance],
    results: list[Result],
) -> Record:
    """Return the record of one run: scores by source, of each instance, and the samples."""
    scores = [score(each, got.samples) for each, got in zip(instances, results, strict=True)]
    seconds = [got.seconds for got in results]
    return {
        "benchmark": cfg.benchmark.name,
        "model": Spec.of(model.get_params().get("model") or model.name).name,
        "reads": list(reads),
        "horizon": max(len(each.times) for each in instances),
        **{name: round(value, 4) for name, value in averages(instances, scores).items()},
        **_point_errors(instances, results),
        "windows": len(instances),
        "channels": 1,
        "failed": sum(got.samples is None for got in results),
        "seconds": round(float(np.mean(seconds)), 3),
        "longest_seconds": round(max(seconds), 3),
        "trainable_parameters": None,
        "train_seconds": round(sum(seconds), 1),
        "config": next((got.settings for got in results if got.settings), {}),
        "instances": [_outcome(*each) for each in zip(instances, results, scores, strict=True)],
    }


def _outcome(instance: Instance, result: Result, value: float) -> Mapping[str, Any]:
    """Return what is written about one instance."""
    drawn = result.samples
    return {
        "name": instance.name,
        "seed": instance.seed,
        "score": round(value, 6),
        "seconds": round(result.seconds, 3),
        "failure": result.failure,
        "samples": None
        if drawn is None
        else [[float(f"{value:.{DIGITS}g}") for value in draw] for draw in drawn],
    }


def _point_errors(instances: list[Instance], results: list[Result]) -> dict[str, float | None]:
    """Return the weighted errors of means, scaled as the scores are; None if all failed."""
    errors, weights = [], []
    for each, got in zip(instances, results, strict=True):
        if got.samples is not None:
            errors.append(each.scaling * (got.samples.mean(axis=0) - each.truth))
            weights.append(each.weight)
    if not errors:
        return {"mse": None, "mae": None}
    squared = [float((error**2).mean()) for error in errors]
    absolute = [float(np.abs(error).mean()) for error in errors]
    return {
        "mse": round(float(np.average(squared, weights=weights)), 6),
        "mae": round(float(np.average(absolute, weights=weights)), 6),
    }
