"""Engine of a Ray cluster: a pool of actors, on one machine or many.

Blocks go to plain actors. Ray Data may split and join blocks, and gives them no names; here a whole
block goes to one actor, which writes its file.
"""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import torch

from tslm.core.errors import ConfigError, warn
from tslm.distributed.engines.engine import B, Engine, R
from tslm.distributed.engines.pool import Event, Pool

PULSE = 2.0  # seconds without news after which the cluster is looked at
PATIENCE = 300.0  # seconds without any actor, after which a warning says so
LOST = (
    "The Ray cluster has lost this machine. What is written stays: start Ray again if it is not "
    "started by the run, and repeat the command to continue."
)


@dataclass(frozen=True)
class RayEngine(Engine):
    """Actors of a Ray cluster: a running one, or one on this machine for the time of the run.

    An actor takes ``threads`` CPUs, and one GPU if the cluster has any. Actors that the cluster has
    no room for are left out until it has.

    Attributes:
        workers: number of actors.
        threads: number of threads of an actor.
        address: address of a running cluster. None takes the one to which this process is
            connected, else that of ``RAY_ADDRESS``, and else starts one on this machine.
        gpu: False takes no GPU.
    """

    workers: int = 1
    threads: int = 1
    address: str | None = None
    gpu: bool = True

    def map(self, worker: Callable[[B], R], blocks: Iterable[B]) -> Iterator[R]:
        source = iter(blocks)
        first = list(islice(source, 1))
        if first:
            with self.cluster() as ray:
                try:
                    yield from _Actors(self, ray, worker).map(chain(first, source))
                except ray.exceptions.RayError as error:
                    raise ConfigError(LOST) from error

    @contextmanager
    def cluster(self) -> Iterator[Any]:
        """Connect to the cluster, or start one; yield the module ``ray``.

        Raises:
            ConfigError: if Ray is not installed, or no cluster answers.
        """
        try:
            import ray
        except ImportError as error:
            raise ConfigError(f"engine=ray needs Ray: pip install 'tslm[ray]'. {error}") from error
        if ray.is_initialized():
            if self.address is not None:
                raise ConfigError(
                    f"address={self.address}: this process is connected to a Ray cluster already. "
                    "Leave out address=, or call ray.shutdown() before."
                )
            yield ray
            return
        address = self.address or os.environ.get("RAY_ADDRESS") or "local"
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address == "local":
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            number = max(self.workers * self.threads, os.cpu_count() or 1)
            options |= {"num_cpus": number, "include_dashboard": False}
        try:
            ray.init(address=address, **options)
        except Exception as error:  # of all kinds: Ray raises the base class, too
            raise ConfigError(f"No Ray cluster at address={address}: {error}") from error
        try:
            yield ray
        finally:
            ray.shutdown()


class _Actor:
    """Actor that works on one block after the other."""

    def __init__(self, worker: Callable[[Any], Any], threads: int) -> None:
        torch.set_num_threads(threads)
        self._worker = worker

    def ready(self) -> None:
        """Do nothing: the actor is there."""

    def work(self, block: Any) -> Any:
        """Return the result of a block."""
        return self._worker(block)


class _Actors(Pool[Any, Any]):
    """Actors, each with one call at a time.

    Args:
        engine: number and size of the actors.
        ray: the module, connected to a cluster.
        worker: what an actor does with a block.
    """

    def __init__(self, engine: RayEngine, ray: Any, worker: Callable[[Any], Any]) -> None:
        super().__init__(engine.workers)
        self._ray, self._arguments = ray, (ray.put(worker), engine.threads)
        gpus = 1 if engine.gpu and ray.cluster_resources().get("GPU") else 0
        options = {"num_cpus": engine.threads, "num_gpus": gpus, "max_restarts": 0}
        self._kind = ray.remote(**options)(_Actor)
        self._calls: dict[Any, tuple[Any, str]] = {}  # the actor of each call, and its event

    def start(self) -> Any:
        actor = self._kind.remote(*self._arguments)
        self._calls[actor.ready.remote()] = actor, "ready"
        return actor

    def give(self, worker: Any, block: Any) -> None:
        self._calls[worker.work.remote(block)] = worker, "finished"

    def events(self) -> list[Event]:
        began, warned = time.monotonic(), False
        while not (ended := self._ray.wait(list(self._calls), timeout=PULSE)[0]):
            self._check_node()
            if not (self._busy or warned) and time.monotonic() - began > PATIENCE:
                warned = True
                warn(
                    f"No actor is ready after {PATIENCE:.0f} seconds. Perhaps the Ray cluster has "
                    "no CPU or GPU free: the command ray status shows what is taken."
                )
        return [self._event(call) for call in ended]

    def _check_node(self) -> None:
        """Check that the machine of this process still belongs to the cluster.

        Raises:
            ConfigError: if it does not, for example because its raylet was killed.
        """
        own = self._ray.get_runtime_context().get_node_id()
        if not any(node["Alive"] and node["NodeID"] == own for node in self._ray.nodes()):
            raise ConfigError(LOST)

    def _event(self, call: Any) -> Event:
        """Read the result of a call that has ended."""
        actor, kind = self._calls.pop(call)
        errors = self._ray.exceptions
        try:
            return Event(actor, kind, self._ray.get(call))
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            return Event(actor, "ended", reason=f"The last one: {str(error).splitlines()[0]} ")

    def end(self, worker: Any) -> None:
        self._ray.kill(worker)
