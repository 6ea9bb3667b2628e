"""Cut series into patches, as in PatchTST (Nie et al., ICLR 2023)."""

from collections.abc import Mapping
from typing import Any

from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.errors import ConfigError
from tslm.core.messages import at_least
from tslm.core.types import Facts, Sizes


def patch(values: Float[Tensor, "S L"], patch_len: int) -> Float[Tensor, "S N P"]:
    """Cut each series into consecutive patches of ``patch_len`` steps, which must tile it."""
    return rearrange(values, "S (N P) -> S N P", P=patch_len)


def unpatch(patches: Float[Tensor, "S N P"]) -> Float[Tensor, "S M"]:
    """Join consecutive patches to series again."""
    return rearrange(patches, "S N P -> S (N P)")


def overlapping(
    values: Float[Tensor, "S L"], patch_len: int, stride: int
) -> Float[Tensor, "S N P"]:
    """Cut a patch every ``stride`` steps, after repeating the last value ``stride`` times."""
    return pad(values[:, None], (0, stride), mode="replicate")[:, 0].unfold(1, patch_len, stride)


def from_first_observed(observed: Float[Tensor, "S N P"]) -> Bool[Tensor, "S N"]:
    """Return True for each patch from the first observed value on.

    Patches before a short series are padding. A gap inside a series keeps its patch, so that
    positions still count time, and the last patch always has a token. All patches of a series
    without a value are True.

    Args:
        observed: 1 where a value is known, else 0, in patches.
    """
    started = observed.amax(2).cummax(1).values > 0
    return started | ~started.any(1, keepdim=True)


def patch_sizes(
    facts: Facts, context_length: int | None, options: Mapping[str, Any], longest: int = 512
) -> Sizes:
    """Suggest sizes for overlapping patches; sizes set by the user stay as they are.

    The context is ``longest`` steps, or half of the longest series if that is shorter, so that
    training has several windows. Patches have 16 steps (as in PatchTST), or the context if it is
    shorter, and overlap by half.

    Args:
        facts: length of the longest series.
        context_length: set by the user; None if not.
        options: ``patch_len`` and ``stride``; None if not set by the user.
        longest: largest context that is suggested, in steps.
    """
    length = context_length or min(longest, max(facts.longest // 2, 1))
    patch_len = options["patch_len"] or min(16, length)
    stride = options["stride"] or max(patch_len // 2, 1)
    return Sizes(length, {"patch_len": patch_len, "stride": stride})


def n_patches(context_length: int, patch_len: int, stride: int) -> int:
    """Count the patches that ``overlapping`` returns: ``(L - P) // stride + 2``.

    Raises:
        ConfigError: if a patch does not fit into the context, or the sizes are below 1.
    """
    at_least(1, patch_len=patch_len, stride=stride)
    if patch_len > context_length:
        raise ConfigError(
            f"patch_len {patch_len} does not fit into context_length {context_length}. Set "
            f"patch_len to {context_length} or less."
        )
    return (context_length - patch_len) // stride + 2
