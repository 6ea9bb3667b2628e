"""Risk against depth and width: SmolLM2-135M and Gemma 3 270M, cut, beside random bodies.

python docs/benchmarks/ideas/how_large.py --work runs/depth --out how_large.json
"""

from collections.abc import Callable
from functools import partial

from pairs import Study, autotimes, study

from tslm.data.datasets.benchmarks import Benchmark
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.validation import verdict

TRAINING = {"max_steps": 100, "batch_size": 32, "precision": "bf16"}
verdict.JUDGING = 256  # validation windows that are compared with baselines; not used here
BODIES = {"smollm2": "smollm2-135m", "gemma3": "gemma3-270m"}
ORIGINS = {"": "", "random-": "random:"}

Maker = Callable[[Benchmark, int], TrainedForecaster]


def cut(data: Benchmark, h: int, name: str, depth: int) -> TrainedForecaster:
    """Return AutoTimes on the first blocks of a body, at the learning rate of the adapter."""
    return autotimes(data, h, backbone=name, n_layers=depth, **TRAINING)


def cuts(label: str, prefix: str, depths: tuple[int, ...]) -> dict[str, Maker]:
    """Return one arm per depth of a body."""
    name = ORIGINS[prefix] + BODIES[label]
    return {f"{prefix}{label}-{n}": partial(cut, name=name, depth=n) for n in depths}


if __name__ == "__main__":
    arms: dict[str, Maker] = {}
    for label in BODIES:
        for prefix in ORIGINS:
            arms |= cuts(label, prefix, (1, 2, 6))
    study(Study(arms=arms, reference="smollm2-2", sets={"etth1": 24}, horizons=(96,)))
