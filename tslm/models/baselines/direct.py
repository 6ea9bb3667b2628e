"""The interface of networks that forecast all H steps in one pass."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.types import Facts, Prediction, Sizes, Task
from tslm.models.network import Network

LONGEST = 512  # largest context that is suggested, in steps, as in the papers of Time-LLM and S2IP


class DirectNetwork(Network):
    """Network that maps contexts [B, L, C] to forecasts [B, H, C] in one pass.

    Args:
        task: gives the context length L and the horizon H.

    Attributes:
        task: as above.
        step: steps of one pass, H.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task, self.step = task, task.horizon

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Suggest 512 steps, or half of the longest series to have several training windows."""
        return Sizes(context_length or min(LONGEST, max(facts.longest // 2, 1)))

    @abstractmethod
    def extend(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]
    ) -> Float[Tensor, "B H C"]:
        """Forecast the next H steps, in the units of the context.

        Args:
            past: contexts; NaN where missing.
            time: times of the context.
        """

    def forward(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B L"],
        text: Sequence[str] | None = None,
    ) -> Prediction:
        values = self.extend(past, time)
        return Prediction(values, torch.ones_like(values, dtype=torch.bool), None)
