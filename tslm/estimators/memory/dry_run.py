"""Run a network on tensors without values, and count the bytes that they would take."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import finalize

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class TensorBytes(TorchDispatchMode):
    """Count of the bytes of all tensors made in its context that are still in use.

    It also counts real tensors. In a ``dry_run`` a question about values, such as whether all
    tokens are attended, is answered with yes.

    Attributes:
        now: bytes in use.
        peak: largest number of bytes in use since ``start``.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.peak = 0
        self._sizes: dict[int, int] = {}

    def start(self) -> int:
        """Begin a new peak; return the bytes in use."""
        self.peak = self.now
        return self.now

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        try:
            made = func(*args, **(kwargs or {}))
        except DataDependentOutputException:
            return _yes(func, args)
        for one in tree_leaves(made):
            if isinstance(one, Tensor):
                self._add(one)
        return made

    def _add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key not in self._sizes:
            self._sizes[key] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            finalize(storage, self._drop, key)

    def _drop(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


def _yes(func: Any, args: Any) -> bool | int | float:
    """Return True, or a one of the type of the tensor that was asked for its value."""
    if func is not torch.ops.aten._local_scalar_dense.default or args[0].dtype == torch.bool:
        return True
    return 1.0 if args[0].dtype.is_floating_point else 1


@contextmanager
def dry_run() -> Iterator[TensorBytes]:
    """Let tensors have shapes and no values, so that they take no memory; count their bytes."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    # its weak references would prevent Module.to
    mode.fake_tensor_converter.set_tensor_memo = _forget  # type: ignore[assignment, method-assign]
    with mode, TensorBytes() as count:
        yield count


def _forget(tensor: Tensor, converted: Tensor) -> None:
    """Remember no conversion of a real tensor."""


def peak_of(count: TensorBytes, work: Callable[[], object]) -> int:
    """Return the largest number of bytes that a piece of work needs beyond those in use."""
    before = count.start()
    work()
    return count.peak - before
