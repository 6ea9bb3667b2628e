"""Combination of stored forecasts: the mean or the median of other entrants, with equal weights.

It is a control for mixes that choose weights: nothing is fitted, and no true value is read.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tslm.core.errors import ConfigError
from tslm.evaluation.suite import forecasts
from tslm.evaluation.suite.forecasts import WindowForecast
from tslm.evaluation.suite.panels import Window
from tslm.evaluation.suite.store import Store

COMBINE: dict[str, Callable[..., np.ndarray]] = {  # by the key of an entrant's settings
    "mean_of": np.mean,
    "median_of": np.median,
}


def combine(
    store: Store,
    task: str,
    members: Sequence[str],
    key: str,
    seed: int,
    windows: Sequence[Window],
) -> tuple[list[WindowForecast], list[dict[str, Any]]]:
    """Combine the stored forecasts of entrants, each quantile by itself.

    Args:
        store: has the forecasts.
        task: name of the task.
        members: names of entrants.
        key: "mean_of" or "median_of".
        seed: of the runs; a member that is not trained has one run for all seeds.
        windows: of the task.

    Returns:
        One forecast per window, and the runs of the members.

    Raises:
        ConfigError: if a member has no forecasts of this seed.
    """
    runs = [_run(store, task, name, seed) for name in members]
    parts = [forecasts.read(store.folder / task / run["forecasts"], windows) for run in runs]
    found = [
        WindowForecast(
            COMBINE[key]([part.points for part in window], axis=0),
            COMBINE[key]([part.quantiles for part in window], axis=0),
        )
        for window in zip(*parts, strict=True)
    ]
    return found, runs


def _run(store: Store, task: str, name: str, seed: int) -> dict[str, Any]:
    """Return the run of a member."""
    record = store.read(task, name)
    for run in [] if record is None else record.runs:
        if run["seed"] in (None, seed) and "forecasts" in run:
            return run
    raise ConfigError(
        f"{name} has no forecasts of seed {seed} for the task {task}. Name it before the "
        "combination: entrants=[..., NAME]."
    )
