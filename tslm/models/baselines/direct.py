"""The interface of a network that gives all H steps at once."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.types import Facts, Prediction, Sizes, Task
from tslm.models.network import Network

LONGEST = 512  # steps read by default, as the papers of language-model forecasters do


class DirectNetwork(Network):
    """Every direct network is made with ``task``, and reads exactly L steps.

    Args:
        task: gives the context length L and the horizon H.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task, self.step = task, task.horizon

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """512 steps, or half of the longest series, so that windows have room to move."""
        return Sizes(context_length or min(LONGEST, max(facts.longest // 2, 1)))

    @abstractmethod
    def extend(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]
    ) -> Float[Tensor, "B H C"]:
        """The next H steps, in the units of the context."""

    def forward(self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]) -> Prediction:
        values = self.extend(past, time)
        return Prediction(values, torch.ones_like(values, dtype=torch.bool), None)
