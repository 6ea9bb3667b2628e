"""Patch reprogramming: attention from patches to text prototypes.

Jin et al., "Time-LLM", ICLR 2024, section 3.1.
"""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from tslm.models.layers.prototypes import Prototypes
from tslm.models.layers.weight_cache import WeightCache


class Reprogramming(nn.Module):
    """Multi-head attention with patches as queries, and prototypes as keys and values.

    It has no residual connection. In evaluation, keys and values are cached until a weight changes.

    Args:
        prototypes: K vectors of width D.
        patch_width: size of an embedded patch.
        width: size of a word embedding, D.
        heads: number of heads.
        head_width: width of each head.
        dropout: dropout of the attention weights.
    """

    def __init__(
        self,
        prototypes: Prototypes,
        patch_width: int,
        width: int,
        heads: int = 8,
        head_width: int = 128,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.prototypes, self.heads, self.dropout = prototypes, heads, dropout
        self.query = nn.Linear(patch_width, heads * head_width)
        self.key = nn.Linear(width, heads * head_width)
        self.value = nn.Linear(width, heads * head_width)
        self.out = nn.Linear(heads * head_width, width)
        self._known: WeightCache[tuple[Tensor, Tensor]] = WeightCache()

    def forward(self, patches: Float[Tensor, "S N patch_width"]) -> Float[Tensor, "S N D"]:
        keys, values = self._keys_and_values()
        series = len(patches)
        queries = rearrange(self.query(patches), "S N (h k) -> 1 h (S N) k", h=self.heads)
        read = scaled_dot_product_attention(
            queries, keys, values, dropout_p=self.dropout if self.training else 0.0
        )
        return self.out(rearrange(read, "1 h (S N) k -> S N (h k)", S=series))

    @torch.no_grad()
    def weights(self, patches: Float[Tensor, "S N patch_width"]) -> Float[Tensor, "S N K"]:
        """Compute the attention weight of each prototype in each patch, averaged over heads."""
        keys, _ = self._keys_and_values()
        queries = rearrange(self.query(patches), "S N (h k) -> S h N k", h=self.heads)
        scores = queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5
        return scores.softmax(-1).mean(1)

    def _keys_and_values(
        self,
    ) -> tuple[Float[Tensor, "1 heads K head_width"], Float[Tensor, "1 heads K head_width"]]:
        """Return the keys and values of the prototypes, from the cache if possible."""
        return self._known(self, self._project)

    def _project(
        self,
    ) -> tuple[Float[Tensor, "1 heads K head_width"], Float[Tensor, "1 heads K head_width"]]:
        """Project the prototypes to keys and values."""
        vectors = self.prototypes()
        keys = rearrange(self.key(vectors), "K (h k) -> 1 h K k", h=self.heads)
        return keys, rearrange(self.value(vectors), "K (h k) -> 1 h K k", h=self.heads)
