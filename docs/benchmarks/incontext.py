"""In-context forecasting of the M3 series: AutoTimes' experiment, with a control that it lacks.

    python docs/benchmarks/incontext.py incontext.json 0,1

The file to write, then the seeds. A context has three segments of the horizon F; only series of
more than 4 F points are scored (sMAPE of the last F). The arms, all with the same trained model:

- zero-shot: the last F points known;
- in-context: the first 2 F points of the series, then the last F (as published);
- longer: the last 3 F points, which is as much context;
- similar: the 2 F earlier points that begin most like the last F, then the last F.

Published models are trained on M4. Here they are trained on the other half of the same M3 kind
(two folds), so that no series is scored by a model that has seen it. "Other" is trained on its own
kind too, and not on quarterly series.
"""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from tslm import Spec, TSLMForecaster
from tslm.core.config.compose import compose
from tslm.core.files import write_json
from tslm.data.datasets.competitions import Competition, load
from tslm.evaluation.metrics.competition import smape

KINDS = ("yearly", "quarterly", "monthly", "other")
STEPS = 200
ARMS: dict[str, Callable[[TSLMForecaster, pd.DataFrame, int], pd.DataFrame]] = {
    "zero-shot": lambda model, df, f: model.predict(df.groupby("unique_id").tail(f)),
    "in-context": lambda model, df, f: model.predict(df, examples="first"),
    "longer": lambda model, df, f: model.predict(df),
    "similar": lambda model, df, f: model.predict(df, examples="similar"),
}


def experiment(kind: str, seed: int) -> dict[str, Any]:
    """Score every arm on one kind of series."""
    every = load(compose("verb/benchmark", [f"benchmark=m3_{kind}"]).benchmark)
    longer = every.longer_than(4 * every.horizon)
    fold = {name: number % 2 for number, name in enumerate(every.known)}
    found: dict[str, list[float]] = {name: [] for name in ARMS}
    for part in (0, 1):
        model = fitted(every, [name for name in fold if fold[name] != part], seed)
        ours = [name for name in longer.known if fold[name] == part]
        frame = longer.frame[longer.frame.unique_id.isin(ours)]
        for arm, predict in ARMS.items():
            ahead = predict(model, frame, every.horizon).groupby("unique_id")[model.name]
            found[arm] += [
                smape(longer.truth[name], ahead.get_group(name).to_numpy()) for name in ours
            ]
    errors = {arm: round(float(np.mean(values)), 2) for arm, values in found.items()}
    series = {"series": len(longer.known), "of": len(every.known)}
    return {"kind": kind, "seed": seed, **series, **errors}


def fitted(data: Competition, ids: list[str], seed: int) -> TSLMForecaster:
    """Return AutoTimes with three segments of the horizon, jointly normalised, as published."""
    model = TSLMForecaster(
        h=data.horizon,
        base=None,
        adapter=Spec("autotimes", patch_len=data.horizon, norm="window"),
        context_length=3 * data.horizon,
        freq=1,
        n_layers=2,
        max_steps=STEPS,
        random_state=seed,
        verbose=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # which untrained forecast is better
        return model.fit(data.frame[data.frame.unique_id.isin(ids)])


def main(out: str, seeds: list[int]) -> None:
    """Print a line for each kind and seed, and the mean over all series."""
    records: list[dict[str, Any]] = []
    for seed in seeds:
        for kind in KINDS:
            records.append(experiment(kind, seed))
            print(" ".join(f"{key} {value}" for key, value in records[-1].items()), flush=True)
            write_json(records, out)
    table = pd.DataFrame(records)
    for seed, part in table.groupby("seed"):
        means = {arm: np.average(part[arm], weights=part.series) for arm in ARMS}
        print(f"all, seed {seed}:", " ".join(f"{arm} {value:.2f}" for arm, value in means.items()))


if __name__ == "__main__":
    main(sys.argv[1], [int(seed) for seed in sys.argv[2].split(",")])
