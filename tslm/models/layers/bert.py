"""Small BERT that LiPCoT trains from scratch.

Devlin et al., "BERT", NAACL 2019; Shaw et al., "Self-attention with relative position
representations", NAACL 2018 (keys alone); sizes by Anjum, "LiPCoT", arXiv 2408.07292, section 2.5.
Positions are encoded by relative distances only, and there are no segment embeddings.
"""

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu


class Bert(nn.Module):
    """Bidirectional transformer from ids to hidden states.

    Args:
        vocabulary: number of different ids, V.
        length: tokens of the longest sentence.
        width: size of a token vector, D.
        n_layers: number of blocks.
        inner: width of the feed-forward layers; None is 12 times ``width``.
        dropout: dropout in training.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int = 64,
        width: int = 256,
        n_layers: int = 6,
        inner: int | None = None,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        inner = 12 * width if inner is None else inner
        self.blocks = nn.ModuleList(Block(length, width, inner, dropout) for _ in range(n_layers))
        self.dense, self.last = nn.Linear(width, width), nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(vocabulary))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, ids: Int[Tensor, "S N"]) -> Float[Tensor, "S N D"]:
        hidden = self.dropout(self.norm(self.words(ids)))
        for block in self.blocks:
            hidden = block(hidden)
        return hidden

    def guess(self, hidden: Float[Tensor, "masked D"]) -> Float[Tensor, "masked V"]:
        """Compute the logits of masked ids; input and output embeddings are the same."""
        return self.last(gelu(self.dense(hidden))) @ self.words.weight.T + self.bias


class Block(nn.Module):
    """Attention with one head and relative positions in the keys, then a feed-forward layer."""

    def __init__(self, length: int, width: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.distances = nn.Embedding(2 * length - 1, width)
        self.wide, self.narrow = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.dropout = nn.Dropout(dropout)
        self.length = length

    def forward(self, hidden: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        hidden = self.norms[0](hidden + self.dropout(self.out(self._attend(hidden))))
        return self.norms[1](hidden + self.dropout(self.narrow(gelu(self.wide(hidden)))))

    def _attend(self, hidden: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Attend to all tokens; scores depend on content and on distance."""
        query, key, value = self.query(hidden), self.key(hidden), self.value(hidden)
        place = torch.arange(hidden.shape[1], device=hidden.device)
        relative = self.distances(place[:, None] - place + self.length - 1)
        scores = query @ rearrange(key, "S N D -> S D N")
        scores = scores + torch.einsum("snd,nmd->snm", query, relative)
        weights = self.dropout((scores / hidden.shape[2] ** 0.5).softmax(2))
        return weights @ value
