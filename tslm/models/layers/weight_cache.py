"""What weights make, kept until one of them changes."""

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import nn

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The last value a module has made of its weights."""

    def __init__(self) -> None:
        self._known: tuple[tuple[int, ...], Value] | None = None

    def __call__(self, module: nn.Module, make: Callable[[], Value]) -> Value:
        """The value; made anew in training, where gradients are wanted, and by other weights.

        Args:
            module: whose weights and buffers it is made of.
            make: makes it.
        """
        if module.training or torch.is_grad_enabled():
            return make()
        weights = (*module.parameters(), *module.buffers())
        stamp = tuple(number for w in weights for number in (w.data_ptr(), w._version))
        if self._known is None or self._known[0] != stamp:
            self._known = (stamp, make())
        return self._known[1]
