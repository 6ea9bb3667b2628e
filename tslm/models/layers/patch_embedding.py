"""Embedding of patches as vectors."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class ConvPatchEmbedding(nn.Module):
    """Circular convolution of width 3 over patches, without a bias.

    As in the code of Jin et al., "Time-LLM", ICLR 2024: each patch and its two neighbours pass
    through one linear map; the first patch is a neighbour of the last.

    Args:
        patch_len: steps of a patch, P.
        width: size of the vector.
        dropout: dropout after the map.
    """

    def __init__(self, patch_len: int, width: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, patch_len, 3))
        nn.init.kaiming_normal_(self.weight, mode="fan_in", nonlinearity="leaky_relu")
        self.dropout = nn.Dropout(dropout)

    def forward(self, patches: Float[Tensor, "S N P"]) -> Float[Tensor, "S N patch_width"]:
        around = torch.stack([patches.roll(1, 1), patches, patches.roll(-1, 1)], -1)
        flat = rearrange(around, "S N P three -> S N (P three)")
        return self.dropout(flat @ rearrange(self.weight, "d P three -> (P three) d"))
