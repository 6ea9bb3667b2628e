"""Component decoder: the forecast is a sum of linear maps, one per component of the series.

Pan et al., "S2IP-LLM", ICML 2024, section 3.2: a forecast is the sum of forecasts of trend, season
and residual. The published code instead splits the sequence of tokens into three parts, and so adds
up tokens that are unrelated. ``FoldDecoder`` does the same, for comparison.
"""

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.core.types import Layout, Task, Tokens
from tslm.models.decoders.base import Decoder
from tslm.models.decoders.readout import Readout
from tslm.uncertainty.distributions.base import DistributionFamily
from tslm.uncertainty.distributions.point import POINT

PARTS = 3


class ComponentsDecoder(Decoder):
    """Sum of three linear maps to the horizon, each of one third of every hidden state.

    Args:
        width: size of the hidden states, D; parts have D // 3 dimensions.
        layout: gives the number of tokens N.
        task: gives the horizon H.
        family: distribution of each value.
        dropout: dropout rate before the maps.
        scaled: True scales the inputs, so that the maps learn at the rate of a map of one hidden
            state, see ``Readout``.
    """

    def __init__(
        self,
        *,
        width: int,
        layout: Layout,
        task: Task,
        family: DistributionFamily = POINT,
        dropout: float = 0.0,
        scaled: bool = True,
    ) -> None:
        super().__init__(family)
        self.step, self.part = task.horizon, width // PARTS
        self.dropout = nn.Dropout(dropout)
        self.project = Readout(
            PARTS * self.part * layout.n_tokens,
            family.size * task.horizon,
            usual=width if scaled else None,
        )

    @property
    def head(self) -> nn.Linear:
        return self.project

    def forward(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Float[Tensor, "S MR"]:
        return self.project(self.dropout(self._flat(hidden)))

    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        return repeat(torch.any(mask, 1), "S -> S H", H=self.step)

    def _flat(self, hidden: Float[Tensor, "S N D"]) -> Float[Tensor, "S F"]:
        used = hidden[:, :, : PARTS * self.part]
        return rearrange(used, "S N (c k) -> S (c N k)", c=PARTS)


class FoldDecoder(Decoder):
    """Sum of one linear map applied to each third of the flattened tokens, as in S2IP-LLM's code.

    Args:
        width: size of the hidden states, D.
        layout: gives the number of tokens N.
        task: gives the horizon H.
        family: distribution of each value.

    Raises:
        ConfigError: if N D is not a multiple of 3.
    """

    def __init__(
        self, *, width: int, layout: Layout, task: Task, family: DistributionFamily = POINT
    ) -> None:
        super().__init__(family)
        total = width * layout.n_tokens
        if total % PARTS:
            raise ConfigError(
                f"{layout.n_tokens} tokens of width {width} cannot be split in three. Use "
                "decoder=components."
            )
        self.step = task.horizon
        self.project = nn.Linear(total // PARTS, family.size * task.horizon)

    @property
    def head(self) -> nn.Linear:
        return self.project

    def forward(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Float[Tensor, "S MR"]:
        thirds = rearrange(rearrange(hidden, "S N D -> S (N D)"), "S (c k) -> S c k", c=PARTS)
        return self.project(thirds).sum(1)

    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        return repeat(torch.any(mask, 1), "S -> S H", H=self.step)
