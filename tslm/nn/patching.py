"""Cut series into patches."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor


def patch(values: Float[Tensor, "S L"], patch_len: int) -> Float[Tensor, "S N P"]:
    """Cut each series into consecutive patches of ``patch_len`` steps, which must tile it."""
    return rearrange(values, "S (N P) -> S N P", P=patch_len)


def unpatch(patches: Float[Tensor, "S N P"]) -> Float[Tensor, "S M"]:
    """Put patches end to end again."""
    return rearrange(patches, "S N P -> S (N P)")
