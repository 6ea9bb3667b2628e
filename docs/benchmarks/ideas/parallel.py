"""Parallel roll-out beside the sliding and the cached one, on published sets.

    python docs/benchmarks/ideas/parallel.py --work runs/parallel --out parallel.json

One fit per arm, set and seed. ``next`` is trained on the next segment, and read by the sliding and
the cached roll-out; ``parallel`` is trained on eight segments, and read by one pass and by the
cached roll-out.
"""

from pairs import Study, autotimes, study

from tslm import Spec
from tslm.core.config.choices import node
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.models.assembly import rollout_of

SEGMENTS = 8  # of 96 steps, so that a horizon of 720 is one pass


def cached(model: TrainedForecaster) -> None:
    """Read a fitted model by the cached roll-out."""
    network = model.model_
    parts = (network.backbone, network.adapter, model.task_)
    network.use(rollout_of(node("rollout", "cached"), *parts))


if __name__ == "__main__":
    study(
        Study(
            arms={
                "next": lambda data, h: autotimes(data, h),
                "parallel": lambda data, h: autotimes(
                    data, h, rollout=Spec("parallel", segments=SEGMENTS)
                ),
            },
            reference="next/own",
            sets={"etth1": 12, "etth2": 12, "ettm1": 48, "ettm2": 48, "weather": 48},
            readings={"own": lambda model: None, "cached": cached},
        )
    )
