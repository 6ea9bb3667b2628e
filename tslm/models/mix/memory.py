"""Memory of the last forecasts of a mix, so that fit and predict compute each only once."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from hashlib import blake2b

from torch import Tensor, nn

from tslm.core.types import Batch
from tslm.models.layers.weight_cache import stamp_of

LARGEST = 2**26  # numbers that are kept


class Memory:
    """Results of the last batches, by their contents, while no weight of the members changes.

    Copies and pickles of it are empty.
    """

    def __init__(self) -> None:
        self.found: OrderedDict[bytes, Tensor] = OrderedDict()
        self.stamps: tuple[tuple[int, ...], ...] = ()

    def get(
        self,
        members: Iterable[nn.Module],
        batch: Batch,
        horizon: int,
        compute: Callable[[], Tensor],
    ) -> Tensor:
        """Return what ``compute`` gave for the same windows and horizon.

        Args:
            members: modules that make the result. All results are dropped if one of their weights
                was changed.
            batch: contexts with their times and texts.
            horizon: steps that are forecast.
            compute: called if there is no such result.
        """
        stamps = tuple(map(stamp_of, members))
        if stamps != self.stamps:
            self.found.clear()
            self.stamps = stamps
        key = _key(batch, horizon)
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


def _key(batch: Batch, horizon: int) -> bytes:
    """Return a digest of all that a forecast depends on."""
    digest = blake2b(digest_size=16)
    steps = batch.past.shape[1] + horizon
    known = batch._replace(future=batch.past[:, :0], time=batch.time[:, :steps])
    for part in known:
        if isinstance(part, Tensor):
            digest.update(repr((part.shape, part.dtype)).encode())
            digest.update(part.detach().cpu().contiguous().numpy().tobytes())
        else:
            digest.update(repr(part).encode())
    digest.update(str(horizon).encode())
    return digest.digest()
