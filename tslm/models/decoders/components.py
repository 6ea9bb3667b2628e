"""Three parts of the hidden states, each with a map of its own to the horizon, added up.

Pan et al., "S2IP-LLM", ICML 2024, section 3.2 says a forecast is the sum of forecasts of its
components. Its code folds the sequence of tokens in three instead, and adds up tokens that have
nothing in common; ``fold`` is kept for comparison.
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
    """The sum of the forecasts of three parts of the width.

    Args:
        width: of the hidden states, D; parts have D // 3 dimensions.
        layout: gives the number of tokens N.
        task: gives the horizon H.
        law: of each value.
        dropout: before the maps.
        scaled: whether the maps learn as one of a single hidden state does, see ``Readout``.
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

    def components(self, hidden: Float[Tensor, "S N D"]) -> Float[Tensor, "S 3 MR"]:
        """The forecast of each part, or the numbers of its law; they add up to the forecast."""
        flat = rearrange(self._flat(hidden), "S (c k) -> S c k", c=PARTS)
        weight = rearrange(self.project.weight, "H (c k) -> c H k", c=PARTS)
        ahead = torch.einsum("sck,chk->sch", self.project.scale * flat, weight)
        return ahead + self.project.bias / PARTS

    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        return repeat(torch.any(mask, 1), "S -> S H", H=self.step)

    def _flat(self, hidden: Float[Tensor, "S N D"]) -> Float[Tensor, "S F"]:
        kept = hidden[:, :, : PARTS * self.part]
        return rearrange(kept, "S N (c k) -> S (c N k)", c=PARTS)


class FoldDecoder(Decoder):
    """One map of each third of the flattened sequence, added up, as S2IP-LLM's code has it.

    Args:
        width: of the hidden states, D.
        layout: gives the number of tokens N.
        task: gives the horizon H.
        law: of each value.

    Raises:
        ConfigError: if the sequence cannot be folded in three.
    """

    def __init__(
        self, *, width: int, layout: Layout, task: Task, family: DistributionFamily = POINT
    ) -> None:
        super().__init__(family)
        total = width * layout.n_tokens
        if total % PARTS:
            raise ConfigError(
                f"{layout.n_tokens} tokens of width {width} cannot be folded in three. Use "
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
