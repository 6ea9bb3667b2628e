"""Interface of engines: run a worker on every block, wherever the work is done."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

B = TypeVar("B")  # block
R = TypeVar("R")  # result


class Engine(ABC):
    """Place of work: runs a worker on blocks, and holds a bounded number of blocks in memory."""

    @abstractmethod
    def map(self, worker: Callable[[B], R], blocks: Iterable[B]) -> Iterator[R]:
        """Yield the result of each block, in the order in which the blocks are finished.

        A process that ends before its block is finished is replaced, and the block is repeated, at
        most three times. So a worker may run on a block more than once, and what it writes must be
        the same each time.

        Args:
            worker: what to do with a block. It is pickled, and should load large parts, such as a
                model, when it is first called. An error that it raises ends the run.
            blocks: picklable blocks, read as they are needed.

        Raises:
            ConfigError: if the processes of a block end again and again.
        """
