"""Cached keys and values of tokens that a causal backbone has read.

A causal backbone need not read a prompt again for each forecast: the keys and values of its
attention layers are enough to read on. Of a prompt nothing else is used, so its forward pass can
stop as soon as the last layer has written its keys and values. transformers has no switch for
that: ``PromptCache.update``, which each layer calls with its keys and values, raises
``StopForward`` at the last layer.
"""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool
from torch import Tensor
from transformers import DynamicCache


class StopForward(Exception):  # noqa: N818
    """Raised to stop the forward pass once the last layer's keys and values are cached."""


class PromptCache(DynamicCache):
    """Cache of the keys and values of a prompt.

    Args:
        last: index of the last layer.

    Attributes:
        stops_early: if True, the forward pass ends with ``StopForward`` at the last layer.
    """

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last, self.stops_early = last, False

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *rest: Any, **more: Any
    ) -> Any:
        known = super().update(key_states, value_states, layer_idx, *rest, **more)
        if self.stops_early and layer_idx == self.last:
            raise StopForward
        return known


@dataclass
class CachedTokens:
    """State between ``start`` and ``extend`` of a backbone with a cache; extend it only once.

    Args:
        cache: keys and values of the tokens so far.
        mask: False where a token is masked; None if no token is.
    """

    cache: DynamicCache
    mask: Bool[Tensor, "S N"] | None
