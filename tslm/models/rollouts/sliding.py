"""Roll-out that reads the whole window again for each forecast segment, as published."""

from jaxtyping import Float
from torch import Tensor

from tslm.core.types import Batch
from tslm.models.rollouts.base import RolledModel, Rollout


class SlidingRollout(Rollout):
    """Roll-out that drops the oldest step for each new one, see ``Network.slide``."""

    reads_together = True

    def roll(
        self,
        model: RolledModel,
        batch: Batch,
        horizon: int,
        levels: Float[Tensor, "B H2 C"] | None = None,
    ) -> Float[Tensor, "B H2 C"]:
        return model.slide(batch, horizon, levels)
