"""Interface of engines: run a worker on every block, wherever the work is done."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tslm.core.errors import ConfigError

B = TypeVar("B")
R = TypeVar("R")
REPEATS = 3  # of a block whose worker process ended; chosen by hand


class Engine(ABC):
    """Place of work: runs a worker on blocks, and holds a bounded number of blocks in memory."""

    @abstractmethod
    def map(self, worker: Callable[[B], R], blocks: Iterable[B]) -> Iterator[R]:
        """Yield the result of each block, in the order in which the blocks are finished.

        A worker process that ends before its block is finished is replaced, and the block is
        repeated, at most ``REPEATS`` times. So a worker may run on a block more than once, and
        what it writes must be the same each time.

        Args:
            worker: what to do with a block. It is pickled, and should load large parts, such as a
                model, when it is first called. An error that it raises ends the run.
            blocks: picklable blocks, read as they are needed.

        Raises:
            ConfigError: if the worker processes of a block end again and again.
        """


def lost(number: int) -> ConfigError:
    """Return the error of a block whose worker processes ended ``number`` times."""
    return ConfigError(
        f"The worker processes of a block ended {number} times before it was finished. Often "
        "memory is short: give fewer workers= or fewer rows= for each block. A script that starts "
        'workers needs the line if __name__ == "__main__": before it does.'
    )
