"""Patches to small vectors."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn


class ConvPatchEmbedding(nn.Module):
    """Each patch with its two neighbours, through one linear map; the first follows the last.

    Jin et al., "Time-LLM", ICLR 2024, as its code has it: a convolution over patches of width 3,
    circular, without a bias.

    Args:
        patch_len: steps of a patch, P.
        width: of the vector.
        dropout: after the map.
    """

    def __init__(self, patch_len: int, width: int, dropout: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, patch_len, 3))
        nn.init.kaiming_normal_(self.weight, mode="fan_in", nonlinearity="leaky_relu")
        self.dropout = nn.Dropout(dropout)

    def forward(self, patches: Float[Tensor, "S N P"]) -> Float[Tensor, "S N d"]:
        around = torch.stack([patches.roll(1, 1), patches, patches.roll(-1, 1)], -1)
        flat = rearrange(around, "S N P three -> S N (P three)")
        return self.dropout(flat @ rearrange(self.weight, "d P three -> (P three) d"))
