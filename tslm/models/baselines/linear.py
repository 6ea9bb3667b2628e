"""Linear maps from the context to the horizon: NLinear, RLinear and DLinear.

Zeng et al., "Are Transformers Effective for Time Series Forecasting?", AAAI 2023 (DLinear,
NLinear), https://arxiv.org/abs/2205.13504; Li et al., "Revisiting Long-term Time Series
Forecasting: An Investigation on Linear Mapping", 2023 (RLinear), https://arxiv.org/abs/2305.10721

Departures: missing values and the padding of short series take the level that is subtracted;
RLinear has no learnt affine map, and windows with a small spread are divided by ``floor``.
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.core.types import Task
from tslm.models.baselines.direct import DirectNetwork
from tslm.models.layers.decomposition import moving_average
from tslm.models.layers.scale import Scale
from tslm.models.layers.seasonal import last_observed


class NLinear(DirectNetwork):
    """Linear map of the context minus its last value, which is added back.

    Args:
        task: gives L and H.
    """

    def __init__(self, *, task: Task) -> None:
        super().__init__(task)
        self.project = nn.Linear(task.context_length, task.horizon)

    def extend(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]
    ) -> Float[Tensor, "B H C"]:
        rows = rearrange(past, "B L C -> (B C) L")
        last = torch.nan_to_num(last_observed(rows))
        ahead = self.project(torch.nan_to_num(rows - last)) + last
        return rearrange(ahead, "(B C) H -> B H C", B=len(past))


class RLinear(DirectNetwork):
    """Linear map of the context, normalised by its own mean and standard deviation.

    Args:
        task: gives L and H.
        floor: smallest spread by which a window is divided, in units of the training spread.
    """

    def __init__(self, *, task: Task, floor: float = 0.1) -> None:
        super().__init__(task)
        self.floor = floor
        self.project = nn.Linear(task.context_length, task.horizon)

    def extend(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]
    ) -> Float[Tensor, "B H C"]:
        scale = Scale.of(past, floor=self.floor)
        rows = rearrange(torch.nan_to_num(scale.apply(past)), "B L C -> (B C) L")
        ahead = rearrange(self.project(rows), "(B C) H -> B H C", B=len(past))
        return scale.undo(ahead)


class DLinear(DirectNetwork):
    """Sum of two linear maps: of a moving average of the context, and of the rest.

    Args:
        task: gives L and H.
        kernel: steps of the moving average, an odd number; 25 as published.

    Raises:
        ConfigError: if the kernel is even or below 1.
    """

    def __init__(self, *, task: Task, kernel: int = 25) -> None:
        super().__init__(task)
        if kernel < 1 or kernel % 2 == 0:
            raise ConfigError(
                f"kernel={kernel} must be odd and at least 1, to be centred on a step."
            )
        self.kernel = kernel
        self.trend = nn.Linear(task.context_length, task.horizon)
        self.rest = nn.Linear(task.context_length, task.horizon)

    def extend(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]
    ) -> Float[Tensor, "B H C"]:
        rows = rearrange(past, "B L C -> (B C) L")
        level = torch.nan_to_num(rows.nanmean(1, keepdim=True))
        rows = torch.where(torch.isnan(rows), level, rows)
        trend = moving_average(rows, self.kernel)
        ahead = self.trend(trend) + self.rest(rows - trend)
        return rearrange(ahead, "(B C) H -> B H C", B=len(past))
