"""Records of a benchmark: the loop over seeds and baselines, and the facts every record has."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from omegaconf import DictConfig

from tslm.core.config.schema import listed
from tslm.data.datasets.benchmarks import Benchmark
from tslm.data.datasets.competitions import Competition
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.training.weights import trained_weights

Record = dict[str, Any]
METRICS = (  # in the order in which they are printed
    *("average", "future", "causal", "covariate", "history", "intemporal"),
    *("smape", "mase", "owa", "mse", "mae"),
)


def every_run(
    cfg: DictConfig,
    model_of: Callable[[int], TrainedForecaster],
    baseline_of: Callable[[str], TrainedForecaster],
    records_of: Callable[[TrainedForecaster], Iterable[Record]],
) -> Iterator[Record]:
    """Score the model once for every seed, then the baselines.

    A model without trained weights is scored for the first seed only. Baselines are left out if the
    setting ``model`` selects a baseline itself.

    Args:
        cfg: settings of the verb ``benchmark``.
        model_of: function from a seed to the unfitted model.
        baseline_of: function from a name to the unfitted baseline.
        records_of: function that fits and scores an estimator.

    Yields:
        The records of each run.
    """
    for seed in listed(cfg.seeds) or []:
        model = model_of(seed)
        yield from records_of(model)
        if not trained_weights(model.forecaster_):
            break
    for name in (listed(cfg.baselines) or []) if cfg.model is None else []:
        yield from records_of(baseline_of(name))


def facts_of(
    model: TrainedForecaster, source: Benchmark | Competition, train_seconds: float
) -> Record:
    """Return the facts of a fitted model that every record has.

    Args:
        model: the fitted estimator.
        source: the data it was fitted on.
        train_seconds: duration of the fit.
    """
    weights = trained_weights(model.forecaster_)
    return {
        "fitted_on": source.name,
        "seed": model.random_state if weights else None,
        "trained_for": model.h,
        "trainable_parameters": sum(weight.numel() for weight in weights),
        "train_seconds": round(train_seconds, 1),
        "backbone": model.settings.get("backbone"),
        "validation": model.verdict_.state(),
        "config": model.settings,
    }


def name_of(model: TrainedForecaster) -> str:
    """Return the name of a fitted model in a record: its alias, or the name of its baseline."""
    return str(model.settings["choices"].get("model", model.name))


def describe(record: Record) -> str:
    """Return one line of text for a record: data, model, horizon, errors, number of windows."""
    errors = "  ".join(f"{name.upper()} {record[name]:.4f}" for name in METRICS if name in record)
    return (
        f"{record['benchmark']}  {record['model']:<16} horizon {record['horizon']:>4}  {errors}  "
        f"{record['windows']} x {record['channels']} windows"
    )
