"""Engine of one machine: this process, or several processes that it starts."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from traceback import format_exc
from typing import Any

import torch

from tslm.distributed.engines.engine import B, Engine, R
from tslm.distributed.engines.pool import Event, Pool

READY = "ready"  # the first message of a process
SECONDS = 10.0  # for the end of a process after SIGTERM


@dataclass(frozen=True)
class LocalEngine(Engine):
    """This process, or processes that it starts.

    Attributes:
        workers: number of processes; 1 is this process itself.
        threads: number of threads of a process; None divides those of this process.
    """

    workers: int = 1
    threads: int | None = None

    def map(self, worker: Callable[[B], R], blocks: Iterable[B]) -> Iterator[R]:
        if self.workers > 1:
            threads = self.threads or max(1, torch.get_num_threads() // self.workers)
            yield from _Processes(self.workers, worker, threads).map(blocks)
            return
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads or before)
        try:
            yield from map(worker, blocks)
        finally:
            torch.set_num_threads(before)


class _Process:
    """Process that works on one block after the other.

    It ends when this process does: then its pipe is closed.

    Args:
        worker: what it does with a block.
        threads: number of its threads.
    """

    def __init__(self, worker: Callable[[Any], Any], threads: int) -> None:
        context = get_context("spawn")
        self.pipe, its = context.Pipe()
        self._process = context.Process(target=_serve, args=(worker, its, threads), daemon=True)
        self._process.start()
        its.close()

    def end(self) -> None:
        """End the process, and wait for its end."""
        self.pipe.close()
        self._process.terminate()
        self._process.join(SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()


class _Processes(Pool[Any, _Process]):
    """Processes that this one starts."""

    def __init__(self, size: int, worker: Callable[[Any], Any], threads: int) -> None:
        super().__init__(size)
        self._worker, self._threads = worker, threads
        self._of: dict[Any, _Process] = {}  # the process of each pipe

    def start(self) -> _Process:
        process = _Process(self._worker, self._threads)
        self._of[process.pipe] = process
        return process

    def give(self, worker: _Process, block: Any) -> None:
        with suppress(OSError):  # it has ended, which is found when its answer is read
            worker.pipe.send(block)

    def events(self) -> list[Event]:
        return [self._event(self._of[pipe]) for pipe in connection.wait(list(self._of))]

    def _event(self, process: _Process) -> Event:
        """Read the message of a process, which is there."""
        try:
            message = process.pipe.recv()
        except (EOFError, OSError):
            return Event(process, "ended")
        if message == READY:
            return Event(process, "ready")
        result, error = message
        if error is not None:
            raise error
        return Event(process, "finished", result)

    def end(self, worker: _Process) -> None:
        self._of.pop(worker.pipe)
        worker.end()


def _serve(worker: Callable[[Any], Any], pipe: Connection, threads: int) -> None:
    """Work on the blocks that come through a pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the main process, and it ends this
    torch.set_num_threads(threads)
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
