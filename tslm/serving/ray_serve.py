"""The web application as a deployment of Ray Serve."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from ray import serve

from tslm.serving.limits import Limits
from tslm.serving.model_shelf import Models
from tslm.serving.web import application


def deployment(
    models: Models,
    limits: Limits | None = None,
    *,
    load: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Make a Ray Serve application: ``serve.run(deployment("runs/a"))``.

    Each replica loads the models from the disk of its machine, has queues of its own, and reads
    ``TSLM_SERVE_TOKEN`` there.

    Args:
        models: as in ``tslm.serving.app``.
        limits: as there.
        load: arguments of ``load``: ``device``, ``backbone``, ``download``.
        options: of a deployment of Ray Serve, such as ``num_replicas``, ``autoscaling_config``
            and ``ray_actor_options``.
    """
    web: Callable[[], FastAPI] = lambda: application(models, limits, **load or {})  # noqa: E731
    settings = {"name": "tslm", "max_ongoing_requests": 256, **options}
    return serve.deployment(**settings)(serve.ingress(web)()).bind()
