"""Web application with forecasts: routes, and the statuses of HTTP. It computes nothing."""

import asyncio
import logging
import secrets
import time
import traceback
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from tslm import __version__
from tslm.core.paths import serve_token
from tslm.serving.answers import answer_headers, kind_of_answer, written
from tslm.serving.limits import Limits
from tslm.serving.metrics import TEXT
from tslm.serving.model_shelf import Models, ModelShelf
from tslm.serving.openapi import DESCRIPTION, FORECAST
from tslm.serving.page import page
from tslm.serving.refusal import RefusedError
from tslm.serving.requests import ForecastRequest, read_request
from tslm.serving.service import ForecastService

LARGE = 2**16  # bytes of a body that is read in a thread, while the server answers others
GONE = 499  # status in the numbers, of clients that left before the answer
LOG = logging.getLogger("tslm.serving")
Result = TypeVar("Result")


def application(
    models: Models, limits: Limits | None = None, *, watch: bool = True, **options: Any
) -> FastAPI:
    """Make the web application for saved models.

    Args:
        models: the folder of a saved model, or folders by the names that requests give.
        limits: sizes, numbers and times; None takes the defaults.
        watch: True to load a model again when its folder changes.
        options: arguments of ``load``: ``device``, ``backbone``, ``download``.

    Raises:
        ConfigError: if there is no model, or a setting is impossible.
        DataError: if a folder is not a saved model.
    """
    service = ForecastService(ModelShelf(models, **options), limits or Limits(), watch)
    token = serve_token()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    web = FastAPI(title="tslm", version=__version__, description=DESCRIPTION, lifespan=lifespan)

    web.state.names = [model.name for model in service.shelf]

    def check(request: Request) -> None:
        """Refuse a request without the token."""
        given = request.headers.get("authorization", "").encode()
        if token and not secrets.compare_digest(given, f"Bearer {token}".encode()):
            raise RefusedError(
                401,
                "This server wants a token. Send the header Authorization: Bearer TOKEN.",
                {"WWW-Authenticate": "Bearer"},
            )

    @web.exception_handler(RefusedError)
    async def refuse(_: Request, error: RefusedError) -> Response:
        return JSONResponse({"error": error.message}, error.status, error.headers)

    @web.post("/forecast", openapi_extra=FORECAST, summary="Forecast series", tags=["forecast"])
    async def forecast(request: Request) -> Response:
        began, name, status = time.perf_counter(), "", 500
        try:
            check(request)
            kind = kind_of_answer(request.headers.get("accept", ""))
            with service.receiving():
                asked = await _request_of(request, service)
            name = service.shelf.find(asked.model).name
            left = service.limits.timeout - (time.perf_counter() - began)
            model, found = await _unless_gone(request, service.answer(asked), left)
            content = written(model.name, found.forecast, found.warnings, kind)
            status = 200
            headers = answer_headers(model.version, found.warnings)
            return Response(content, media_type=kind, headers=headers)
        except RefusedError as error:
            status = error.status
            raise
        except ClientDisconnect:  # nobody reads this answer
            status = GONE
            return Response(status_code=GONE)
        except Exception as error:
            LOG.error("A forecast by %s failed: %s", name, _place(error))
            raise RefusedError(500, "The server failed at this. Its log says where.") from None
        finally:
            service.metrics.answers.labels(name, str(status)).inc()
            service.metrics.seconds.labels(name).observe(time.perf_counter() - began)

    @web.get("/health", summary="Answer if the server is up", tags=["server"])
    async def health() -> dict[str, Any]:
        return {"status": "ok", "models": len(service.shelf)}

    @web.get("/metrics", summary="Numbers for Prometheus", tags=["server"])
    async def metrics(request: Request) -> Response:
        check(request)
        return Response(service.metrics.text(), media_type=TEXT)

    @web.get("/model", summary="List the models", tags=["models"])
    async def list_models(request: Request) -> dict[str, Any]:
        check(request)
        return {"models": {model.name: model.facts for model in service.shelf}}

    @web.post("/models/{name}/reload", summary="Load a model again", tags=["models"])
    async def reload(name: str, request: Request) -> dict[str, Any]:
        check(request)
        return (await service.reload(name)).facts

    @web.get("/", include_in_schema=False)
    async def show_page() -> Response:
        return Response(page().html, media_type="text/html", headers=page().headers)

    return web


async def _request_of(request: Request, service: ForecastService) -> ForecastRequest:
    """Receive the body of a request, within its size and time, and read it.

    Raises:
        RefusedError: 408 if the body does not arrive in time, 413 if it is too large, and those
            of ``read_request``.
    """
    limits = service.limits
    try:
        async with asyncio.timeout(limits.timeout):
            body = await _body(request, limits.body_bytes)
    except TimeoutError:
        raise RefusedError(
            408, f"The body did not arrive in {limits.timeout:g} s.", {"Connection": "close"}
        ) from None
    query = {name: request.query_params.getlist(name) for name in request.query_params}
    kind = request.headers.get("content-type", "")
    read = partial(read_request, body, kind, query, limits.body_bytes, service.shelf.id_cols)
    return read() if len(body) < LARGE else await asyncio.to_thread(read)


async def _body(request: Request, most: int) -> bytes:
    """Receive a body; stop at one that is too large."""
    too_large = RefusedError(
        413,
        f"The body is larger than {most:,} bytes. Send fewer series at once.",
        {"Connection": "close"},
    )
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > most:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise too_large
    return bytes(body)


async def _unless_gone(request: Request, work: Awaitable[Result], seconds: float) -> Result:
    """Wait for a result, while the client waits for it.

    Raises:
        ClientDisconnect: if the client has closed the connection.
        RefusedError: 504 if it takes longer than ``seconds``.
    """
    result = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_end_of(request))
    try:
        await asyncio.wait((result, gone), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if result.done():
            return await result
        if gone.done():
            raise ClientDisconnect
        raise RefusedError(504, "The forecast was not ready in time. Try again later.")
    finally:
        result.cancel()
        gone.cancel()


async def _end_of(request: Request) -> None:
    """Wait until the client closes the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _place(error: Exception) -> str:
    """Return kind and place of an error, without its message, which may hold a user's data."""
    calls = traceback.extract_tb(error.__traceback__)
    lines = [f"{Path(call.filename).name}:{call.lineno}" for call in calls[-8:]]
    return f"{type(error).__name__} at {' < '.join(reversed(lines))}"
