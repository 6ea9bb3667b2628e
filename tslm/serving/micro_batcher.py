"""Micro-batcher: jobs that arrive one by one are worked on several at a time.

The idea is that of dynamic batching in inference servers. Which jobs may share a batch is decided
by their keys; the batcher does not know what they are.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[Sequence[Item]], Sequence[Result | Exception]]


class QueueFullError(Exception):
    """Refusal of a job because too many are waiting.

    Attributes:
        seconds: time after which there may be room.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"try again in {seconds:.1f} s")
        self.seconds = seconds


@dataclass(eq=False)
class _Job(Generic[Item, Result]):
    """A job in the queue.

    Attributes:
        item: its content.
        key: jobs with equal keys can share a batch.
        size: its size.
        arrived: time of the loop at which it was submitted.
        future: its result.
    """

    item: Item
    key: Hashable
    size: int
    arrived: float
    future: "asyncio.Future[Result]"


class MicroBatcher(Generic[Item, Result]):
    """Queue of jobs and one thread that works on batches of them.

    A batch begins with the oldest job, and has those with the same key, in their order. While one
    batch is worked on, jobs gather for the next one. An idle batcher starts at once, unless other
    jobs are announced: then it waits for them for a short time.

    Args:
        work: returns a result or an exception for each item. It is called in the thread.
        requests: number of jobs of a batch.
        size: sum of the sizes of a batch; a larger job is a batch of its own.
        wait: seconds that a job waits for announced ones.
        queue: number of jobs that may wait.
        observe: is told the number of jobs of each batch.
    """

    def __init__(
        self,
        work: Work[Item, Result],
        *,
        requests: int,
        size: int,
        wait: float,
        queue: int,
        observe: Callable[[int], None] = lambda number: None,
    ) -> None:
        self._work, self._observe = work, observe
        self._requests, self._size, self._wait, self._queue = requests, size, wait, queue
        self._pending: deque[_Job[Item, Result]] = deque()
        self._thread = ThreadPoolExecutor(1, "tslm-forecast")
        self._changed = asyncio.Event()
        self._announced = 0
        self._seconds = 0.1  # of a batch, a running mean
        self._runner: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Return the number of jobs in the queue."""
        return len(self._pending)

    @contextmanager
    def announced(self) -> Iterator[None]:
        """Announce a job that is about to be submitted, such as a request being received."""
        self._announced += 1
        try:
            yield
        finally:
            self._announced -= 1
            self._changed.set()

    async def submit(self, item: Item, *, key: Hashable = None, size: int = 1) -> Result:
        """Wait for the result of a job. A caller that is cancelled takes it out of the queue.

        Args:
            item: its content.
            key: jobs with equal keys can share a batch.
            size: its size.

        Raises:
            QueueFullError: if too many jobs are waiting.
        """
        loop = asyncio.get_running_loop()
        if len(self._pending) >= self._queue:
            raise QueueFullError(self._seconds * (1 + len(self._pending) / self._requests))
        if self._runner is None:
            self._runner = loop.create_task(self._run())
        job = _Job[Item, Result](item, key, size, loop.time(), loop.create_future())
        self._pending.append(job)
        self._changed.set()
        try:
            return await job.future
        finally:
            if job in self._pending:  # else it is being worked on, or done
                self._pending.remove(job)

    async def call(self, function: Callable[[], Result]) -> Result:
        """Run a function in the thread, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def close(self) -> None:
        """Finish the jobs that wait, and end the thread."""
        while self._pending:
            await asyncio.wait([job.future for job in self._pending])
        if self._runner is not None:
            self._runner.cancel()
        self._thread.shutdown(wait=False)

    async def _run(self) -> None:
        """Work on one batch after the other."""
        loop = asyncio.get_running_loop()
        while True:
            while not self._pending:
                await self._change()
            await self._gather(self._pending[0].arrived + self._wait)
            if not (batch := self._next()):
                continue
            began = loop.time()
            self._observe(len(batch))
            try:
                items = [job.item for job in batch]
                found = await loop.run_in_executor(self._thread, self._work, items)
            except Exception as error:  # is raised where each job was submitted
                found = [error] * len(batch)
            self._seconds += 0.2 * (loop.time() - began - self._seconds)
            for job, result in zip(batch, found, strict=True):
                if job.future.done():
                    continue
                if isinstance(result, Exception):
                    job.future.set_exception(result)
                else:
                    job.future.set_result(result)

    async def _gather(self, until: float) -> None:
        """Wait for announced jobs until a time, or until there are enough."""
        loop = asyncio.get_running_loop()
        while self._announced and self._pending and len(self._pending) < self._requests:
            if (rest := until - loop.time()) <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._change(), rest)

    async def _change(self) -> None:
        """Wait until a job is submitted or announced."""
        await self._changed.wait()
        self._changed.clear()

    def _next(self) -> list[_Job[Item, Result]]:
        """Take the next batch out of the queue."""
        batch: list[_Job[Item, Result]] = []
        size = 0
        for job in list(self._pending):
            if batch and (len(batch) == self._requests or size + job.size > self._size):
                break
            if not batch or job.key == batch[0].key:
                batch.append(job)
                size += job.size
                self._pending.remove(job)
        return batch
