"""Flatten decoder: one linear map from all hidden states to the horizon."""

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.core.types import Layout, Task, Tokens
from tslm.models.decoders.base import Decoder
from tslm.uncertainty.distributions.base import DistributionFamily
from tslm.uncertainty.distributions.point import POINT


class FlattenDecoder(Decoder):
    """Linear map from the flattened hidden states of a context to the horizon.

    Args:
        width: size of the hidden states, D.
        layout: gives the number of tokens N.
        task: gives the horizon H.
        family: distribution of each value.
        keep: number of first dimensions of each hidden state to use, as in Time-LLM; None, or more
            than D, uses all.
        dropout: dropout rate before the map.
        output_dropout: dropout rate of the forecast, as in Time-LLM.

    Raises:
        ConfigError: if ``keep`` is below 1.
    """

    def __init__(
        self,
        *,
        width: int,
        layout: Layout,
        task: Task,
        family: DistributionFamily = POINT,
        keep: int | None = None,
        dropout: float = 0.0,
        output_dropout: float = 0.0,
    ) -> None:
        super().__init__(family)
        if keep is not None and keep < 1:
            raise ConfigError(f"keep={keep}: the decoder must read at least one dimension.")
        self.step, self.keep = task.horizon, min(keep or width, width)
        self.dropout, self.output_dropout = nn.Dropout(dropout), nn.Dropout(output_dropout)
        self.project = nn.Linear(self.keep * layout.n_tokens, family.size * task.horizon)

    @property
    def head(self) -> nn.Linear:
        return self.project

    def forward(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Float[Tensor, "S MR"]:
        flat = rearrange(hidden[:, :, : self.keep], "S N k -> S (k N)")
        return self.output_dropout(self.project(self.dropout(flat)))

    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        return repeat(torch.any(mask, 1), "S -> S H", H=self.step)
