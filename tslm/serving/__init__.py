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
