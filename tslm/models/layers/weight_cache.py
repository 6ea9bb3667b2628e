"""Cache of a value that is computed from weights, valid until one of them changes."""

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import nn

Value = TypeVar("Value")


def stamp_of(module: nn.Module) -> tuple[int, ...]:
    """Return numbers that change if a weight or buffer of a module is replaced or written to."""
    weights = (*module.parameters(), *module.buffers())
    return tuple(number for w in weights for number in (w.data_ptr(), w._version))


class WeightCache(Generic[Value]):
    """Last value that was computed from the weights of a module."""

    def __init__(self) -> None:
        self._known: tuple[tuple[int, ...], Value] | None = None

    def __call__(self, module: nn.Module, make: Callable[[], Value]) -> Value:
        """Return the value; compute it again in training, with gradients, or for new weights.

        Args:
            module: module whose weights and buffers the value depends on.
            make: computes the value.
        """
        if module.training or torch.is_grad_enabled():
            return make()
        stamp = stamp_of(module)
        if self._known is None or self._known[0] != stamp:
            self._known = (stamp, make())
        return self._known[1]
