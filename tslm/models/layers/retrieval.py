"""Find the vectors that are most like a query.

Pan et al., "S2IP-LLM", ICML 2024, section 3.3 (semantic space informed prompting).
"""

from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tslm.core.errors import ConfigError

QUERIES = ("mean", "max", "mean_max")


class Retrieved(NamedTuple):
    """The K anchors nearest to each query, the nearest first.

    Args:
        chosen: which, by their row.
        similarity: the cosine of each with the query.
        vectors: as they are, not of unit length.
    """

    chosen: Int[Tensor, "S K"]
    similarity: Float[Tensor, "S K"]
    vectors: Float[Tensor, "S K D"]


def retrieve(queries: Float[Tensor, "S D"], anchors: Float[Tensor, "A D"], count: int) -> Retrieved:
    """The ``count`` anchors with the largest cosine to each query."""
    cosine = unit(queries) @ unit(anchors).T
    similarity, chosen = cosine.topk(count)
    return Retrieved(chosen, similarity, anchors[chosen])


def query_of(
    tokens: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"], kind: str
) -> Float[Tensor, "S D"]:
    """One vector for the tokens that say something: their mean, maximum, or maximum + 2 means.

    Raises:
        ConfigError: if the kind is unknown.
    """
    if kind not in QUERIES:
        raise ConfigError(f"query={kind!r} is unknown. Choose one of {', '.join(QUERIES)}.")
    said = rearrange(mask, "S N -> S N 1")
    mean = (tokens * said).sum(1) / said.sum(1).clamp(min=1)
    largest = tokens.masked_fill(~said, -torch.inf).amax(1)
    return {"mean": mean, "max": largest, "mean_max": largest + 2 * mean}[kind]


def unit(vectors: Float[Tensor, "*n D"]) -> Float[Tensor, "*n D"]:
    """Vectors of length 1; one of length 0 stays so."""
    return vectors * vectors.square().sum(-1, keepdim=True).clamp(min=1e-12).rsqrt()
