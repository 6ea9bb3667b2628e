"""Engine of one machine: this process, or several processes that it starts."""

import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from traceback import format_exc
from typing import Any, Generic

from tslm.distributed.engines.engine import REPEATS, B, Engine, R, lost

READY = "ready"  # the first message of a process
SECONDS = 10.0  # for the end of a process that has nothing left to do


@dataclass(frozen=True)
class LocalEngine(Engine):
    """This process, or processes that it starts.

    Attributes:
        workers: number of processes; 1 is this process itself.
    """

    workers: int = 1

    def map(self, worker: Callable[[B], R], blocks: Iterable[B]) -> Iterator[R]:
        if self.workers == 1:
            yield from map(worker, blocks)
            return
        source, waiting = iter(blocks), deque[_Job[B]]()
        busy, idle = dict[Any, _Process[B]](), list[_Process[B]]()
        try:
            while True:
                while len(busy) < self.workers:
                    waiting.extend(_Job(block) for block in islice(source, not waiting))
                    if not waiting:
                        break
                    process = idle.pop() if idle else _Process(worker)
                    process.give(waiting.popleft())
                    busy[process.pipe] = process
                if not busy:
                    return
                for pipe in connection.wait(list(busy)):
                    process = busy.pop(pipe)
                    try:
                        answer = process.pipe.recv()
                    except (EOFError, OSError):
                        process.end()
                        waiting.appendleft(process.job.again())
                        continue
                    if answer == READY:
                        process.begin()
                        busy[pipe] = process
                        continue
                    idle.append(process)
                    result, error = answer
                    if error is not None:
                        raise error
                    yield result
        finally:
            for process in (*busy.values(), *idle):
                process.end()


@dataclass(frozen=True)
class _Job(Generic[B]):
    """Block to work on, and the number of processes that ended over it."""

    block: B
    ended: int = 0

    def again(self) -> "_Job[B]":
        """Return the job once more, after a process ended.

        Raises:
            ConfigError: if it was repeated often enough.
        """
        if self.ended == REPEATS:
            raise lost(self.ended + 1)
        return _Job(self.block, self.ended + 1)


class _Process(Generic[B]):
    """Process that works on one block after the other.

    It ends when this process does: then its pipe is closed.

    Args:
        worker: what it does with a block.
    """

    job: _Job[B]

    def __init__(self, worker: Callable[[B], Any]) -> None:
        context = get_context("spawn")
        self.pipe, its = context.Pipe()
        self._ready = False
        self._process = context.Process(target=_serve, args=(worker, its), daemon=True)
        self._process.start()
        its.close()

    def give(self, job: _Job[B]) -> None:
        """Give it a job. It is sent at once if the process is ready, and else by ``begin``."""
        self.job = job
        if self._ready:
            self.begin()

    def begin(self) -> None:
        """Send the block of the job. A process that has ended is found when its answer is read."""
        self._ready = True
        with suppress(OSError):
            self.pipe.send(self.job.block)

    def end(self) -> None:
        """End the process, and wait for its end."""
        self.pipe.close()
        self._process.terminate()
        self._process.join(SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


def _serve(worker: Callable[[Any], Any], pipe: Connection) -> None:
    """Work on the blocks that come through a pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the main process, and it ends this
    pipe.send(READY)
    while True:
        try:
            block = pipe.recv()
        except EOFError:
            return
        answer: tuple[Any, Exception | None]
        try:
            answer = worker(block), None
        except Exception as error:
            error.add_note(format_exc())
            answer = None, error
        pipe.send(answer)
