"""Pool of workers: each has one block at a time; one that ends is replaced, its block repeated."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

from tslm.core.errors import ConfigError

B = TypeVar("B")  # block
W = TypeVar("W")  # worker of a pool: a process, an actor
REPEATS = 3  # of a block whose worker ended; chosen by hand


class Event(NamedTuple):
    """News of a worker: it is ready, or has finished its block, or has ended.

    Args:
        worker: the worker.
        kind: "ready", "finished" or "ended".
        result: result of the finished block.
        reason: reason of an end, if it is known.
    """

    worker: Any
    kind: str
    result: Any = None
    reason: str = ""


@dataclass(frozen=True)
class Job(Generic[B]):
    """Block to work on, and the number of workers that ended over it."""

    block: B
    ended: int = 0


class Pool(ABC, Generic[B, W]):
    """Workers of one kind.

    A block is given to a worker that is ready, so it never waits for one that cannot start. No more
    workers are started than there are blocks.

    Args:
        size: largest number of workers.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._waiting = deque[Job[B]]()
        self._starting, self._idle = set[W](), set[W]()
        self._busy = dict[W, Job[B]]()
        self._failed = 0  # workers in a row that ended before they were ready

    @abstractmethod
    def start(self) -> W:
        """Start a worker and return it at once."""

    @abstractmethod
    def give(self, worker: W, block: B) -> None:
        """Give a block to a worker that is ready."""

    @abstractmethod
    def events(self) -> list[Event]:
        """Wait for news of workers; an error that a worker raised is raised."""

    @abstractmethod
    def end(self, worker: W) -> None:
        """End a worker, whatever it does, or do nothing if it has ended."""

    def map(self, blocks: Iterable[B]) -> Iterator[Any]:
        """Yield the result of each block, in the order in which they are finished.

        Raises:
            ConfigError: if the workers of a block end again and again.
        """
        source = iter(blocks)
        try:
            while True:
                self._distribute(source)
                if not (self._waiting or self._busy):
                    return
                for event in self.events():
                    if event.kind == "ended":
                        self._repeat(event)
                        continue
                    self._starting.discard(event.worker)
                    self._busy.pop(event.worker, None)
                    self._idle.add(event.worker)
                    self._failed = 0
                    if event.kind == "finished":
                        yield event.result
        finally:
            for worker in (*self._starting, *self._idle, *self._busy):
                self.end(worker)

    def _distribute(self, source: Iterator[B]) -> None:
        """Give blocks to idle workers, and start more workers while blocks wait for them."""
        while self._read(source) and self._idle:
            worker, job = self._idle.pop(), self._waiting.popleft()
            self._busy[worker] = job
            self.give(worker, job.block)
        while self._vacant and len(self._starting) < len(self._waiting):
            self._starting.add(self.start())

    def _read(self, source: Iterator[B]) -> bool:
        """Read a block for each worker that starts or may be started, and at least one."""
        missing = max(1, self._vacant + len(self._starting)) - len(self._waiting)
        self._waiting.extend(Job(block) for block in islice(source, max(0, missing)))
        return bool(self._waiting)

    @property
    def _vacant(self) -> int:
        """Return the number of workers that may be started."""
        return self._size - len(self._starting) - len(self._idle) - len(self._busy)

    def _repeat(self, event: Event) -> None:
        """Make room for another worker, and put back the block of the one that ended."""
        self.end(event.worker)
        self._starting.discard(event.worker)
        job = self._busy.pop(event.worker, None)
        if job is None:
            self._failed += 1
        else:
            self._waiting.appendleft(Job(job.block, job.ended + 1))
        if (ended := job.ended + 1 if job else self._failed) > REPEATS:
            what = "before the block was finished" if job else "before they were ready"
            raise ConfigError(
                f"{ended} workers ended one after the other {what}. {event.reason}Often memory is "
                "short: give fewer workers= or fewer rows=. A script that starts processes needs "
                'the line if __name__ == "__main__": before it does.'
            )
