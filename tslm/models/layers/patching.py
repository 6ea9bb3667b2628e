"""Cut series into patches."""

from collections.abc import Mapping
from typing import Any

from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.errors import ConfigError
from tslm.core.types import Facts, Sizes


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


def begun(observed: Float[Tensor, "S N P"]) -> Bool[Tensor, "S N"]:
    """Patches from the first observed value on; of a series without one, all of them.

    What precedes a series says nothing. A gap inside it keeps its patch, so that positions still
    count time and the last patch can speak.

    Args:
        observed: 1 where a value is known, else 0, in patches.
    """
    started = observed.amax(2).cummax(1).values > 0
    return started | ~started.any(1, keepdim=True)


def patch_sizes(
    facts: Facts, context_length: int | None, options: Mapping[str, Any], longest: int = 512
) -> Sizes:
    """Sizes for overlapping patches: what the user has set stays as it is.

    The context is ``longest`` steps, or half of the longest series, so that windows have room to
    move; patches have 16 steps, or the context if it is shorter, and lie half of that apart.
    """
    length = context_length or min(longest, max(facts.longest // 2, 1))
    patch_len = options["patch_len"] or min(16, length)
    stride = options["stride"] or max(patch_len // 2, 1)
    return Sizes(length, {"patch_len": patch_len, "stride": stride})


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
