"""Find the anchors that are most similar to a query.

Pan et al., "S2IP-LLM", ICML 2024, section 3.3 (semantic space informed prompting).
"""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tslm.core.messages import check_choice

QUERIES = ("mean", "max", "mean_max")


class Retrieved(NamedTuple):
    """Nearest anchors of each query, the nearest first.

    Args:
        chosen: rows of the K anchors.
        similarity: cosine of each with the query.
        vectors: the anchors, not scaled to unit length.
    """

    chosen: Int[Tensor, "S K"]
    similarity: Float[Tensor, "S K"]
    vectors: Float[Tensor, "S K D"]


def retrieve(
    queries: Float[Tensor, "S D"], anchors: Float[Tensor, "anchors D"], count: int
) -> Retrieved:
    """Find the ``count`` anchors with the largest cosine to each query."""
    cosine = unit(queries) @ unit(anchors).T
    similarity, chosen = cosine.topk(count)
    return Retrieved(chosen, similarity, anchors[chosen])


def query_of(
    tokens: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"], kind: str
) -> Float[Tensor, "S D"]:
    """Reduce the unmasked tokens to one vector: mean, maximum, or maximum + 2 means.

    S2IP-LLM's paper has the mean; ``mean_max`` is the sum in the code of L2P, on which it is built.

    Raises:
        ConfigError: if the kind is unknown.
    """
    check_choice("query", kind, QUERIES)
    unmasked = rearrange(mask, "S N -> S N 1")
    mean = (tokens * unmasked).sum(1) / unmasked.sum(1).clamp(min=1)
    largest = tokens.masked_fill(~unmasked, -torch.inf).amax(1)
    return {"mean": mean, "max": largest, "mean_max": largest + 2 * mean}[kind]


def unit(vectors: Float[Tensor, "*tokens D"]) -> Float[Tensor, "*tokens D"]:
    """Scale vectors to length 1; zero vectors stay zero."""
    return vectors * vectors.square().sum(-1, keepdim=True).clamp(min=1e-12).rsqrt()
