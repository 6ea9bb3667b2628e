"""All hidden states at once, through one linear map, to all of the horizon."""

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
    """Flatten what a context's tokens have become, and map it to the horizon.

    Args:
        width: of the hidden states, D.
        layout: gives the number of tokens N.
        task: gives the horizon H.
        law: of each value.
        keep: read only so many of the first dimensions of each hidden state, as Time-LLM has it;
            None, or more than there are, is all.
        dropout: before the map.
        output_dropout: after it, on the forecast itself, as Time-LLM has it.

    Raises:
        ConfigError: if no dimension is to be read.
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
