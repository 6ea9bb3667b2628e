"""Memory of the last forecasts of a mix, so that fit and predict compute each only once."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import blake2b

from torch import Tensor, nn

from tslm.core.types import Batch
from tslm.models.layers.weight_cache import stamp_of

LARGEST = 2**26  # numbers that are kept


class Memory:
    """Quantiles of the members on the last batches, while no weight of a member changes.

    Copies and pickles of it are empty.
    """

    def __init__(self) -> None:
        self.found: OrderedDict[tuple[str, bytes], Tensor] = OrderedDict()
        self.stamps: dict[str, tuple[int, ...]] = {}

    def get(
        self, name: str, member: nn.Module, contents: bytes, compute: Callable[[], Tensor]
    ) -> Tensor:
        """Return what ``compute`` gave for the same member and windows.

        Args:
            name: name of the member.
            member: the member. Its results are dropped if one of its weights was changed.
            contents: digest of the windows and the horizon, see ``contents_of``.
            compute: called if there is no such result.
        """
        stamp = stamp_of(member)
        if stamp != self.stamps.get(name):
            self.stamps[name] = stamp
            for key in [key for key in self.found if key[0] == name]:
                del self.found[key]
        key = (name, contents)
        if key in self.found:
            self.found.move_to_end(key)
            return self.found[key]
        result = compute()
        self.found[key] = result
        while len(self.found) > 1 and sum(map(Tensor.numel, self.found.values())) > LARGEST:
            self.found.popitem(last=False)
        return result

    def __reduce__(self) -> tuple[type["Memory"], tuple[()]]:
        return Memory, ()


def contents_of(batch: Batch, horizon: int) -> bytes:
    """Return a digest of all that a forecast depends on."""
    digest = blake2b(digest_size=16)
    seen = batch.until(batch.past.shape[1], horizon)
    for part in (*seen._replace(known=None), *(seen.known or ())):
        if isinstance(part, Tensor):
            digest.update(repr((part.shape, part.dtype)).encode())
            digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        else:
            digest.update(repr(part).encode())
    digest.update(str(horizon).encode())
    return digest.digest()
