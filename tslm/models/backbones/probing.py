"""Test by trial how an unknown transformer reads token vectors.

The class of a checkpoint does not say if its attention is causal, or if its cached keys and values
are enough to continue (those of recurrent layers are not). So each backbone reads a few random
tokens once, when it is loaded.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from transformers import DynamicCache

from tslm.core.errors import BackboneError
from tslm.models.backbones.build import Body
from tslm.models.backbones.key_value_cache import CachedTokens

SIZE = (2, 5)  # sequences and tokens that are read; chosen by hand, the fewest that tell

Read = Callable[[Float[Tensor, "S N D"]], Float[Tensor, "S N D"]]
ReadMasked = Callable[
    [Float[Tensor, "S N D"], Bool[Tensor, "S N N"], Int[Tensor, "S N"]], Float[Tensor, "S N D"]
]
Continue = Callable[[Float[Tensor, "S N D"], CachedTokens], Float[Tensor, "S N D"]]


def trial_tokens(body: Body) -> Float[Tensor, "S N D"]:
    """Draw normal vectors with the standard deviation of the input embeddings."""
    deviation = float(body.get_input_embeddings().weight.float().std())
    dice = torch.Generator().manual_seed(0)
    return torch.randn(*SIZE, body.get_input_embeddings().embedding_dim, generator=dice) * deviation


@torch.no_grad()
def is_causal(read: Read, embeds: Float[Tensor, "S N D"], name: str) -> bool:
    """Test if the first output is independent of the last token.

    Args:
        read: the forward pass of the backbone.
        embeds: tokens from ``trial_tokens``.
        name: name of the backbone, for messages.

    Raises:
        BackboneError: if the pass fails, or its output has another width than its input.
    """
    embeds = embeds.clone()
    embeds[1, :-1] = embeds[0, :-1]
    try:
        hidden = read(embeds)
        read(embeds[:1, 1:])  # some architectures fix the length at the first pass
    except Exception as error:  # each architecture raises its own kinds
        raise BackboneError(f"The backbone {name!r} cannot read token vectors: {error}") from error
    if hidden.shape != embeds.shape:
        raise BackboneError(
            f"The backbone {name!r} reads vectors of {embeds.shape[-1]} and writes "
            f"{hidden.shape[-1]}; both must be the same."
        )
    return torch.allclose(hidden[0, 0], hidden[1, 0], rtol=1e-3, atol=1e-5)


@torch.no_grad()
def can_continue(
    read: Read, read_on: Continue, embeds: Float[Tensor, "S N D"], dtype: torch.dtype
) -> bool:
    """Test if reading in parts from cached keys and values equals reading all tokens at once.

    Args:
        read: the forward pass of the backbone.
        read_on: its forward pass after the tokens of a cache.
        embeds: tokens from ``trial_tokens``.
        dtype: precision of the backbone; it sets the tolerance.
    """
    mask = torch.ones(SIZE, dtype=torch.bool)
    mask[1, 0] = False
    whole, shorter = read(embeds), read(embeds[1:, 1:])
    try:
        plain, padded = _in_parts(read_on, embeds, None), _in_parts(read_on, embeds, mask)
    except Exception:  # each architecture raises its own kinds
        return False
    near = 1e-3 if dtype == torch.float32 else 0.1
    pairs = ((plain, whole), (padded[:1], whole[:1]), (padded[1:, 1:], shorter))
    return all(
        one.shape == other.shape and torch.allclose(one, other, rtol=near, atol=near)
        for one, other in pairs
    )


@torch.no_grad()
def takes_masks(read: ReadMasked, embeds: Float[Tensor, "S N D"], dtype: torch.dtype) -> bool:
    """Test if attention follows a mask, and if tokens that share a position have no order.

    Args:
        read: the forward pass of the backbone with a mask and positions.
        embeds: tokens from ``trial_tokens``.
        dtype: precision of the backbone; it sets the tolerance.
    """
    near = 1e-3 if dtype == torch.float32 else 0.1
    size = embeds.shape[1]
    every = torch.ones(len(embeds), size, size, dtype=torch.bool)
    alone = torch.eye(size, dtype=torch.bool).expand_as(every)
    same = torch.zeros(embeds.shape[:2], dtype=torch.long)
    louder = embeds.clone()
    louder[:, -1] *= 2
    try:
        plain, turned = read(embeds, every, same), read(embeds.flip(1), every, same).flip(1)
        barred, changed = read(embeds, alone, same), read(louder, alone, same)
    except Exception:  # each architecture raises its own kinds
        return False
    pairs = ((turned, plain), (changed[:, :-1], barred[:, :-1]))
    return all(torch.allclose(one, other, rtol=near, atol=near) for one, other in pairs)


def _in_parts(
    read_on: Continue, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None
) -> Float[Tensor, "S N D"]:
    """Read two tokens, then two more, and so on."""
    state, parts = CachedTokens(DynamicCache(), None), []
    for start in range(0, embeds.shape[1], 2):
        state.mask = None if mask is None else mask[:, : start + 2]
        parts.append(read_on(embeds[:, start : start + 2], state))
    return torch.cat(parts, 1)
