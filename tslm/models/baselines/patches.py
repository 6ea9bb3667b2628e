"""Attention over the patches of single series: PAttn and a small PatchTST.

Tan et al., "Are Language Models Actually Useful for Time Series Forecasting?", NeurIPS 2024
(PAttn), https://arxiv.org/abs/2406.16964; Nie et al., "A Time Series is Worth 64 Words", ICLR 2023
(PatchTST), https://arxiv.org/abs/2211.14730

Departures: missing values are 0 after normalisation, windows with a small spread are divided by
``floor``, and PatchTST's blocks normalise before each part, by layer instead of by batch.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from tslm.core.types import Facts, Sizes, Task
from tslm.models.baselines.direct import DirectNetwork
from tslm.models.layers.patching import n_patches, overlapping, patch_sizes
from tslm.models.layers.scale import Scale


class PatchNetwork(DirectNetwork):
    """Network over overlapping patches of single series, with a linear map to the horizon.

    Args:
        task: gives L and H.
        width: size of a token, D.
        patch_len: steps per patch, P.
        stride: steps between patches.
        floor: smallest spread by which a window is divided, in units of the training spread.
        dropout: dropout before the map to the horizon.
    """

    def __init__(
        self, task: Task, width: int, patch_len: int, stride: int, floor: float, dropout: float
    ) -> None:
        super().__init__(task)
        self.patch_len, self.stride, self.floor = patch_len, stride, floor
        self.n_tokens = n_patches(task.context_length, patch_len, stride)
        self.embed = nn.Linear(patch_len, width)
        self.project = nn.Linear(self.n_tokens * width, task.horizon)
        self.dropout = nn.Dropout(dropout)

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Suggest 512 steps or half of the longest series, and patches of 16 steps every 8."""
        return patch_sizes(facts, context_length, options)

    @abstractmethod
    def mix(self, tokens: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Exchange information between the patches of a series."""

    def extend(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]
    ) -> Float[Tensor, "B H C"]:
        scale = Scale.of(past, floor=self.floor)
        rows = rearrange(torch.nan_to_num(scale.apply(past)), "B L C -> (B C) L")
        tokens = self.mix(self.embed(overlapping(rows, self.patch_len, self.stride)))
        ahead = self.project(self.dropout(rearrange(tokens, "S N D -> S (N D)")))
        return scale.undo(rearrange(ahead, "(B C) H -> B H C", B=len(past)))


class PAttn(PatchNetwork):
    """One attention layer over patches, without positions, as a control for language models.

    Args:
        task: gives L and H.
        width: size of a token, D.
        heads: heads of the attention.
        patch_len: steps per patch, P.
        stride: steps between patches.
        dropout: dropout of the attention weights and of the output.
        floor: smallest spread by which a window is divided, in units of the training spread.
    """

    def __init__(
        self,
        *,
        task: Task,
        width: int = 768,
        heads: int = 8,
        patch_len: int = 16,
        stride: int = 8,
        dropout: float = 0.1,
        floor: float = 0.1,
    ) -> None:
        super().__init__(task, width, patch_len, stride, floor, dropout=0.0)
        self.attention = nn.MultiheadAttention(
            width, heads, dropout=dropout, bias=False, batch_first=True
        )
        self.drop = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def mix(self, tokens: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        read, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return self.norm(tokens + self.drop(read))


class PatchTST(PatchNetwork):
    """Small transformer over patches, with learnt positions.

    Args:
        task: gives L and H.
        width: size of a token, D.
        layers: number of blocks.
        heads: heads of each attention.
        hidden: width inside the feed-forward parts.
        patch_len: steps per patch, P.
        stride: steps between patches.
        dropout: dropout in the blocks.
        head_dropout: dropout before the map to the horizon.
        floor: smallest spread by which a window is divided, in units of the training spread.
    """

    def __init__(
        self,
        *,
        task: Task,
        width: int = 128,
        layers: int = 3,
        heads: int = 16,
        hidden: int = 256,
        patch_len: int = 16,
        stride: int = 8,
        dropout: float = 0.2,
        head_dropout: float = 0.0,
        floor: float = 0.1,
    ) -> None:
        super().__init__(task, width, patch_len, stride, floor, head_dropout)
        self.positions = nn.Parameter(0.02 * torch.randn(self.n_tokens, width))
        block = nn.TransformerEncoderLayer(
            width, heads, hidden, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            block, layers, nn.LayerNorm(width), enable_nested_tensor=False
        )

    def mix(self, tokens: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        return self.encoder(tokens + self.positions)
