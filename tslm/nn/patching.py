"""Cut series into patches."""

from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from tslm.errors import ConfigError


def patch(values: Float[Tensor, "S L"], patch_len: int) -> Float[Tensor, "S N P"]:
    """Cut each series into consecutive patches of ``patch_len`` steps, which must tile it."""
    return rearrange(values, "S (N P) -> S N P", P=patch_len)


def unpatch(patches: Float[Tensor, "S N P"]) -> Float[Tensor, "S M"]:
    """Put patches end to end again."""
    return rearrange(patches, "S N P -> S (N P)")


def overlapping(
    values: Float[Tensor, "S L"], patch_len: int, stride: int
) -> Float[Tensor, "S N P"]:
    """Patches every ``stride`` steps; the last value is repeated ``stride`` times after the end."""
    return pad(values[:, None], (0, stride), mode="replicate")[:, 0].unfold(1, patch_len, stride)


def n_patches(context_length: int, patch_len: int, stride: int) -> int:
    """How many patches ``overlapping`` gives: ``(L - P) // stride + 2``.

    Raises:
        ConfigError: if a patch does not fit into the context, or the sizes are below 1.
    """
    if patch_len < 1 or stride < 1:
        raise ConfigError(f"patch_len={patch_len} and stride={stride} must be at least 1.")
    if patch_len > context_length:
        raise ConfigError(
            f"patch_len {patch_len} does not fit into context_length {context_length}. Set "
            f"patch_len to {context_length} or less."
        )
    return (context_length - patch_len) // stride + 2
