"""Forecast server: saved models behind HTTP, alone or under Ray Serve."""

from typing import Any

from tslm.core.errors import ConfigError
from tslm.serving.limits import Limits as Limits


def app(models: Any, limits: Limits | None = None, **options: Any) -> Any:
    """Make the web application for saved models; see ``tslm.serving.web.application``.

    Raises:
        ConfigError: if the extra ``serve`` is not installed.
    """
    try:
        from tslm.serving import web
    except ImportError as error:
        raise ConfigError("The server needs FastAPI. Type: pip install 'tslm[serve]'") from error
    return web.application(models, limits, **options)


def deployment(models: Any, limits: Limits | None = None, **options: Any) -> Any:
    """Make an application of Ray Serve; see ``tslm.serving.ray_serve.deployment``.

    Raises:
        ConfigError: if the extras ``ray`` and ``serve`` are not installed.
    """
    try:
        from tslm.serving import ray_serve
    except ImportError as error:
        raise ConfigError(
            "The deployment needs Ray Serve and FastAPI. Type: pip install 'tslm[ray,serve]'"
        ) from error
    return ray_serve.deployment(models, limits, **options)
