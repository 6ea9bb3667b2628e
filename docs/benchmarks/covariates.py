"""Value of covariates: errors with and without them, on the same windows of held-out rows.

    python docs/benchmarks/covariates.py profile_ar [vic_electricity epf_DE]
    python docs/benchmarks/covariates.py autotimes

A name of ``conf/model`` or an adapter, then sets; ``TSLM_DATA`` names the folder of their files.
The last 91 days are held out, every window of it is forecast. Covariates of the
steps to forecast are those of the file: for vic_electricity the temperature that came, which a
weather forecast would not know as well; for epf_DE forecasts made a day ahead, as published.
"""

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from tslm import BaselineForecaster, TSLMForecaster
from tslm.core.config.choices import choices
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.validation.window_errors import WindowErrors, score
from tslm.evaluation.ablation.comparison import Errors, compare, pooled
from tslm.evaluation.ablation.trial import held_out

FOLDER = Path(os.environ.get("TSLM_DATA", "data"))


class Task(NamedTuple):
    """Data set with its horizon and its held-out rows."""

    frame: pd.DataFrame
    h: int
    held_out: int
    covariates: list[str]


def vic_electricity() -> Task:
    """Read the half-hourly demand of Victoria, with temperature and holidays."""
    table = pd.read_csv(FOLDER / "vic_electricity.csv.gz")
    ds = pd.to_datetime(table.Time).dt.tz_convert("Australia/Melbourne")
    columns = {"temperature": table.Temperature, "holiday": table.Holiday}
    frame = pd.DataFrame({"unique_id": "vic", "ds": ds, "y": table.Demand, **columns})
    return Task(frame, 48, 48 * 91, [*columns])


def epf_de() -> Task:
    """Read hourly day-ahead prices of Germany, with forecasts of load and wind."""
    table = pd.read_csv(FOLDER / "epf_DE.csv.gz")
    _, wind, load, price = table.columns
    columns = {"wind": table[wind], "load": table[load]}
    ds = pd.to_datetime(table.date)
    frame = pd.DataFrame({"unique_id": "DE", "ds": ds, "y": table[price], **columns})
    return Task(frame, 24, 24 * 91, [*columns])


SETS: dict[str, Callable[[], Task]] = {"vic_electricity": vic_electricity, "epf_DE": epf_de}


def forecaster(name: str, task: Task, covariates: list[str] | None) -> TrainedForecaster:
    """Return a baseline, or an adapter over ``profile_ar``."""
    shared = {"h": task.h, "futr_exog": covariates, "calendar": covariates is not None}
    shared |= {"random_state": 0, "verbose": 0, "val_size": 10 * task.h}
    if name in choices("adapter"):
        return TSLMForecaster(adapter=name, base="profile_ar", max_steps=300, **shared)
    return BaselineForecaster(name, **shared)


def errors(name: str, task: Task, covariates: list[str] | None) -> WindowErrors:
    """Return the errors of every held-out window, on the standardised scale."""
    model = forecaster(name, task, covariates)
    trial = held_out(model, task.frame, task.held_out)
    model.fit(trial.known)
    panel = trial.panel(model)
    model.prepare(panel)
    return score(
        model.forecaster_,
        panel,
        context_length=model.context_length_,
        horizons=[task.h],
        start=trial.start,
        stop=trial.stop,
    )[task.h]


def main(name: str, sets: list[str]) -> None:
    """Print a line per set."""
    warnings.simplefilter("ignore")
    for title in sets:
        task = SETS[title]()
        plain, informed = (errors(name, task, names) for names in (None, task.covariates))
        arms = [
            Errors(e.mse[None], e.series, e.position, name in choices("adapter"))
            for e in (informed, plain)
        ]
        effect = compare(*arms, block=7 * 24 * (2 if task.h == 48 else 1), noise=pooled(arms))
        print(
            f"{title:<16} {name:<12} without {plain.means()[0]:.4f} / {plain.means()[1]:.4f}  "
            f"with {informed.means()[0]:.4f} / {informed.means()[1]:.4f}  "
            f"MSE {effect.percent:+.1f} % [{effect.low:+.1f}, {effect.high:+.1f}]  "
            f"{len(plain)} windows",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or [*SETS])
