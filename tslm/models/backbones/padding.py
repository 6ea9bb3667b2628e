"""Reorder tokens so that masked ones are together at one end, and set them to zero.

Padding then affects neither the position ids nor the attention of other tokens.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tslm.core.types import Tokens


def reorder(vectors: Float[Tensor, "S N D"], order: Int[Tensor, "S N"]) -> Float[Tensor, "S N D"]:
    """Put the tokens of each series in another order."""
    return vectors.gather(1, order.unsqueeze(-1).expand_as(vectors))


def zero_masked(tokens: Tokens) -> Float[Tensor, "S N D"]:
    """Set masked tokens to zero, so that not even a NaN in them reaches others."""
    return tokens.embeds.masked_fill(~tokens.mask.unsqueeze(-1), 0)


def attended(mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S N"]:
    """Return the attention mask for a bidirectional backbone.

    The first token is always attended: a softmax over a series of padding alone would be NaN.
    """
    return mask | (torch.arange(mask.shape[1], device=mask.device) == 0)
