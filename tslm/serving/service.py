"""Forecast service: models, one queue for each of them, limits and numbers. It knows no HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

from tslm.core.errors import TslmError
from tslm.serving.forecasting import Answer, Task, forecast
from tslm.serving.limits import Limits
from tslm.serving.metrics import Metrics
from tslm.serving.micro_batcher import MicroBatcher, QueueFullError
from tslm.serving.model_shelf import ModelShelf, ServedModel
from tslm.serving.refusal import RefusedError
from tslm.serving.requests import ForecastRequest

LOG = logging.getLogger("tslm.serving")
LOOK = 2.0  # seconds between two looks at the folders of models


class ForecastService:
    """Models that are asked by many requests at once.

    Args:
        shelf: the models.
        limits: limits of requests and batches.
        watch: True to load models again whose folders have changed.
    """

    def __init__(self, shelf: ModelShelf, limits: Limits, watch: bool = True) -> None:
        self.shelf, self.limits, self.metrics = shelf, limits, Metrics()
        self._watch = watch
        self._batchers: dict[str, MicroBatcher[Task, Answer]] = {}
        for model in shelf:
            self.metrics.versions.labels(model.name).set(model.version)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start the queues; at the end finish the requests that wait."""
        limits = self.limits
        for model in self.shelf:
            self._batchers[model.name] = MicroBatcher(
                forecast,
                requests=limits.batch_requests,
                size=limits.batch_values,
                wait=limits.batch_wait,
                queue=limits.queued_requests,
                observe=self.metrics.batches.labels(model.name).observe,
            )
        watcher = asyncio.create_task(self._look_for_changes()) if self._watch else None
        try:
            yield
        finally:
            if watcher is not None:
                watcher.cancel()
            for batcher in self._batchers.values():
                await batcher.close()

    @contextmanager
    def receiving(self) -> Iterator[None]:
        """Announce a request, so that queues wait a moment for it."""
        with ExitStack() as announced:
            for batcher in self._batchers.values():
                announced.enter_context(batcher.announced())
            yield

    async def answer(self, request: ForecastRequest) -> tuple[ServedModel, Answer]:
        """Forecast a request.

        Raises:
            RefusedError: with the reason: 404, 413, 422 or 429.
        """
        model = self.shelf.find(request.model)
        try:
            task = Task.of(model, request)
            size = task.size
        except TslmError as error:
            raise RefusedError(422, str(error)) from None
        if size > self.limits.request_values:
            raise RefusedError(
                413,
                f"The request has {size:,} values in its tables and its forecast, more than "
                f"{self.limits.request_values:,}. Send fewer series, or fewer steps and columns.",
            )
        batcher = self._batchers[model.name]
        waiting = self.metrics.waiting.labels(model.name)
        waiting.inc()
        try:
            return model, await batcher.submit(task, key=task.key, size=task.size_in_batch)
        except QueueFullError as full:
            seconds = max(1, round(full.seconds))
            raise RefusedError(
                429,
                f"{batcher.waiting} requests wait for {model.name}. Try again in {seconds} s.",
                {"Retry-After": str(seconds)},
            ) from None
        finally:
            waiting.dec()

    async def reload(self, name: str) -> ServedModel:
        """Load a model again; requests that wait for the old one are still forecast by it.

        Raises:
            RefusedError: 404 if there is none of this name, 409 if its folder cannot be loaded.
        """
        self.shelf.find(name)
        try:
            new = await asyncio.to_thread(self.shelf.reload, name)
        except TslmError as error:
            raise RefusedError(409, str(error)) from None
        self._tell(new)
        return new

    async def _look_for_changes(self) -> None:
        """Look at the folders of the models again and again."""
        while True:
            await asyncio.sleep(LOOK)
            with suppress(OSError):
                for new in await asyncio.to_thread(self.shelf.reload_changed, LOG.warning):
                    self._tell(new)

    def _tell(self, model: ServedModel) -> None:
        self.metrics.versions.labels(model.name).set(model.version)
        LOG.info("%s: version %d, %s", model.name, model.version, model.fingerprint)
