"""Tokens that say nothing are moved out of the way, so that no body ever hears them."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tslm.core.types import Tokens


def move(vectors: Float[Tensor, "S N D"], order: Int[Tensor, "S N"]) -> Float[Tensor, "S N D"]:
    """Reorder the tokens of every series."""
    return vectors.gather(1, order.unsqueeze(-1).expand_as(vectors))


def silence(tokens: Tokens) -> Float[Tensor, "S N D"]:
    """Zero what is masked, so that not even a NaN in it is heard."""
    return tokens.embeds.masked_fill(~tokens.mask.unsqueeze(-1), 0)


def heard(mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S N"]:
    """The mask for a body that looks both ways: a series of nothing but padding hears itself."""
    return mask | (torch.arange(mask.shape[1], device=mask.device) == 0)
