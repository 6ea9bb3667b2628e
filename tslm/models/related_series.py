"""Read related series together: the tokens of all channels of a window form one sequence.

Liu et al., "iTransformer: Inverted Transformers Are Effective for Time Series Forecasting",
ICLR 2024, attends between series in this way, with one token per series.
https://arxiv.org/abs/2310.06625

Departures: the backbone is a frozen language model, and a series may have several tokens.
"""

from typing import Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.messages import check_choice
from tslm.core.types import Tokens
from tslm.models.backbones.base import Backbone
from tslm.models.backbones.padding import zero_masked
from tslm.models.rollouts.base import Rollout

Multivariate = Literal["independent", "tokens"]


def check_multivariate(multivariate: str, backbone: Backbone, rollout: Rollout) -> None:
    """Refuse a way to read several series that is unknown, or that other parts do not allow.

    Args:
        multivariate: "independent" reads each series alone, "tokens" reads all series together.
        backbone: it must accept an attention mask and positions to read all series together.
        rollout: roll-out of long horizons; not all of them read all series together.

    Raises:
        ConfigError: with the setting to change.
    """
    check_choice("multivariate", multivariate, get_args(Multivariate))
    if multivariate == "independent":
        return
    if not rollout.reads_together:
        raise ConfigError(
            f"{type(rollout).__name__} continues each series alone, and multivariate=tokens reads "
            "all series together. Set rollout=sliding."
        )
    if not backbone.reads_masks:
        raise ConfigError(
            f"The backbone {backbone.identity.name!r} accepts no attention mask between series, "
            "which multivariate=tokens needs. Choose another one, such as "
            "backbone=smollm2-135m, or set multivariate=independent."
        )


def read_together(
    backbone: Backbone, tokens: Tokens, known: Bool[Tensor, "B C"]
) -> Float[Tensor, "S N D"]:
    """Return the hidden states of tokens that attend to those of all series of their window.

    Tokens at the same place of their series have the same position. In a causal backbone a token
    attends to the tokens of all series at its own place and at earlier ones. So the order of the
    series has no effect, and no token depends on a later step. A window of one series is read as
    if it were alone.

    Args:
        backbone: reads the tokens in one sequence per window.
        tokens: tokens of series ``b * C + c`` of window b.
        known: True for a series with a value in its window; no token attends to the others.

    Raises:
        ConfigError: if the adapter puts words in front of each series.
    """
    channels = known.shape[1]
    if channels == 1:
        return backbone(tokens)
    if tokens.prompt is not None:
        raise ConfigError(
            "multivariate=tokens reads no prompt in front of each series. Set adapter.prompt=none, "
            "or multivariate=independent."
        )
    seen = rearrange(tokens.mask, "(B C) N -> B C N", C=channels) & known[:, :, None]
    place = torch.arange(seen.shape[2], device=seen.device).repeat(channels)
    allowed = rearrange(seen, "B C N -> B 1 (C N)")
    if backbone.causal:
        allowed = allowed & (place[:, None] >= place)
    itself = torch.eye(len(place), dtype=torch.bool, device=seen.device)
    embeds = rearrange(zero_masked(tokens), "(B C) N D -> B (C N) D", C=channels)
    hidden = backbone.read_masked(embeds, allowed | itself, _positions(seen))
    hidden = rearrange(hidden, "B (C N) D -> (B C) N D", C=channels)
    return zero_masked(Tokens(hidden, tokens.mask))


def _positions(seen: Bool[Tensor, "B C N"]) -> Int[Tensor, "B CN"]:
    """Return the position of each token: its place, counted from the first that is not masked."""
    place = torch.arange(seen.shape[2], device=seen.device)
    first = seen.any(1).int().argmax(1)
    return (place - first[:, None]).clamp(min=0).repeat(1, seen.shape[1])
