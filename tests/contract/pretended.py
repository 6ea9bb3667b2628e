"""A simulated device: a tensor on the wrong device fails on a CPU as on a GPU.

Values stay on the CPU. The storages on the simulated device are recorded, ``device`` returns
it, ``to`` moves it, and an operation that mixes devices fails, but for the cases that torch
allows: single numbers and indices from the CPU.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ClassVar

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten

from tslm.core import hardware

AWAY, HOME = torch.device("cuda", 0), torch.device("cpu")
MOVES = {Tensor.copy_, torch._has_compatible_shallow_copy_type}  # values may come from anywhere
INDEXES = {Tensor.__getitem__, Tensor.__setitem__, Tensor.index_put_, torch.index_put}
TO_CPU_ONLY = {Tensor.numpy, Tensor.__array__}
READS = {Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__float__, Tensor.__int__}


class Pretended(TorchFunctionMode):
    """Record of the tensors on the simulated device."""

    away: ClassVar[dict[int, StorageWeakRef]] = {}  # a weak reference keeps a number from new use

    def is_away(self, tensor: Tensor) -> bool:
        return tensor.untyped_storage()._cdata in self.away

    def put(self, tensor: Tensor, device: torch.device) -> Tensor:
        storage = tensor.untyped_storage()
        if device.type == "cpu":
            self.away.pop(storage._cdata, None)
        else:
            self.away[storage._cdata] = StorageWeakRef(storage)
        return tensor

    def place(self, tensor: Tensor) -> torch.device:
        return AWAY if self.is_away(tensor) else HOME

    def moved(self, tensor: Tensor, device: torch.device) -> Tensor:
        if device.type == self.place(tensor).type:
            return tensor
        return self.put(tensor.clone(), device)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        owner = args[0] if args and isinstance(args[0], Tensor) else None
        if name == "__get__" and owner is not None:
            return self._got(func, owner, args, kwargs)
        if owner is not None and func in (Tensor.to, Tensor.cpu, Tensor.cuda):
            return self._to(func, owner, args[1:], kwargs)
        if owner is not None and func in TO_CPU_ONLY and self.is_away(owner):
            raise TypeError("can't convert cuda device type tensor to numpy. Use Tensor.cpu()")
        if func is Tensor.backward or func in READS or name == "__set__":
            return func(*args, **kwargs)
        asked = kwargs.pop("device", None)
        tensors = [x for x in tree_flatten((args, kwargs))[0] if isinstance(x, Tensor)]
        device = self._together(func, tensors, owner)
        if func is torch.autograd.grad:
            device = self.place(tensors[-1])
        if asked is not None:
            device = torch.device(asked)
        if device == AWAY and isinstance(kwargs.get("generator"), torch.Generator):
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        known = {x.untyped_storage()._cdata for x in tensors}
        out = func(*args, **kwargs)
        for x in tree_flatten(out)[0]:
            if isinstance(x, Tensor) and x.untyped_storage()._cdata not in known:
                self.put(x, device)
        return out

    def _got(self, func: Any, owner: Tensor, args: Any, kwargs: Any) -> Any:
        if func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return self.place(owner)
        out = func(*args, **kwargs)
        if isinstance(out, Tensor):
            self.put(out, self.place(owner))
        return out

    def _to(self, func: Any, owner: Tensor, args: Any, kwargs: Any) -> Tensor:
        device = self.place(owner)
        if func is not Tensor.to:
            device = HOME if func is Tensor.cpu else AWAY
        rest = []
        for x in args:
            if isinstance(x, Tensor):
                device, rest = self.place(x), [*rest, x.dtype]
            elif isinstance(x, str | torch.device):
                device = torch.device(x)
            elif x is not None:
                rest.append(x)
        asked = kwargs.pop("device", None)
        device = device if asked is None else torch.device(asked)
        kept = {k: v for k, v in kwargs.items() if k in ("dtype", "copy")}
        dtypes = [x for x in rest if isinstance(x, torch.dtype)]
        out = Tensor.to(owner, dtypes[0]) if dtypes else owner
        out = Tensor.to(out, **kept) if kept else out
        if out is not owner:
            self.put(out, self.place(owner))
        return self.moved(out, device)

    def _together(self, func: Any, tensors: list[Tensor], owner: Tensor | None) -> torch.device:
        """The one device of what is put together."""
        if func in MOVES:
            return HOME if owner is None else self.place(owner)
        if func in INDEXES and owner is not None and self.is_away(owner):
            tensors = [x for x in tensors if self.is_away(x)]
        many = {self.place(x) for x in tensors if x.dim()}
        numbers = {self.place(x) for x in tensors if not x.dim()}
        if len(many) > 1 or (many == {HOME} and AWAY in numbers):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but {func} found two: "
                f"{[(tuple(x.shape), str(self.place(x))) for x in tensors]}"
            )
        return AWAY if AWAY in many | numbers else HOME


class SimulatedAccelerator(CPUAccelerator):
    """Accelerator of the simulated device."""

    def setup_device(self, device: torch.device) -> None:
        return


@contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pretended]:
    """Make the simulated device the one that ``accelerator="auto"`` finds."""

    class SimulatedTrainer(Trainer):
        @wraps(Trainer.__init__)
        def __init__(self, **options: Any) -> None:
            if options["accelerator"] == "auto":
                options["strategy"] = SingleDeviceStrategy(AWAY, SimulatedAccelerator())
            super().__init__(**options)

    monkeypatch.setattr(hardware, "Trainer", SimulatedTrainer)
    with Pretended() as mode:
        yield mode
