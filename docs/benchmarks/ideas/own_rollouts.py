"""Training on own forecasts, hidden segments and noisy contexts, against plain training.

    python docs/benchmarks/ideas/own_rollouts.py --work runs/own --out own_rollouts.json

Each model is read with the sliding and with the cached roll-out. The settings were fixed before
any test row was read.
"""

from typing import Any

from pairs import Maker, Study, autotimes, study

from tslm import Spec
from tslm.core.types import Layout, Task
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.models.rollouts.cached import CachedRollout
from tslm.models.rollouts.sliding import SlidingRollout


def trained_with(**changes: float) -> Maker:
    """Return a maker of AutoTimes whose training contexts are changed."""

    def make(data: Any, h: int) -> TrainedForecaster:
        recipe = Spec("one_cycle", **changes)
        return autotimes(data, h, trainer=recipe, max_steps=80, batch_size=32)

    return make


SIZES: dict[str, Any] = {"width": 1, "layout": Layout(1, 1), "task": Task(1, 1)}
ROLLOUTS = {"sliding": SlidingRollout(**SIZES), "cached": CachedRollout(**SIZES)}


def read_with(rollout: str) -> Any:
    """Return the change of a fitted model to another roll-out."""

    def change(model: Any) -> None:
        model.forecaster_.rollout = ROLLOUTS[rollout]

    return change


ARMS = {
    "plain": trained_with(),
    "own_rollouts=.5": trained_with(own_rollouts=0.5),
    "mask_inputs=.2": trained_with(mask_inputs=0.2),
    "context_noise=.1": trained_with(context_noise=0.1),
}
PLAN = Study(
    arms=ARMS,
    reference="plain/sliding",
    sets={"etth1": 72, "etth2": 72, "weather": 360},
    readings={"sliding": read_with("sliding"), "cached": read_with("cached")},
)

if __name__ == "__main__":
    study(PLAN)
