"""The verb that answers requests over HTTP."""

import logging
import socket
import sys
from collections.abc import Callable
from dataclasses import fields
from ipaddress import ip_address
from typing import Any

from omegaconf import DictConfig

from tslm import serving
from tslm.core.config.hydra_grammar import parsed_value
from tslm.core.config.words import Word
from tslm.core.errors import ConfigError
from tslm.core.paths import TOKEN, serve_token


def serve(cfg: DictConfig, say: Callable[[str], None]) -> None:
    """Serve saved models until Ctrl-C or SIGTERM; then finish what has been asked."""
    kinds = {field.name: float if field.type is float else int for field in fields(serving.Limits)}
    bounds: dict[str, Any] = {name: kind(cfg[name]) for name, kind in kinds.items()}
    limits = serving.Limits(**bounds)
    models = cfg.model if not cfg.model.startswith("{") else _by_name(cfg.model)
    options = {"device": cfg.device, "backbone": cfg.backbone, "download": cfg.download}
    web = serving.app(models, limits, watch=cfg.watch, **options)
    try:
        import uvicorn
    except ImportError as error:
        raise ConfigError("serve needs uvicorn. Type: pip install 'tslm[serve]'") from error

    _log(cfg.verbose)
    with _listening(cfg.host, cfg.port) as listener:
        port = listener.getsockname()[1]
        host = f"[{cfg.host}]" if ":" in cfg.host else cfg.host
        if cfg.verbose:
            say(f"serving {', '.join(web.state.names)} at http://{host}:{port} (Ctrl-C ends it)")
            sys.stdout.flush()  # a program that starts the server waits for this line
        if not _is_local(cfg.host) and serve_token() is None:
            logging.getLogger("tslm.serving").warning(
                "Everyone who can reach %s can ask for forecasts. Set %s to a token.", host, TOKEN
            )
        config = uvicorn.Config(
            web,
            log_config=None,
            access_log=cfg.verbose > 1,
            server_header=False,
            timeout_graceful_shutdown=int(limits.timeout) + 1,
        )
        uvicorn.Server(config).run(sockets=[listener])


def _by_name(text: str) -> dict[str, str]:
    """Read folders by name: ``{sales: runs/a, power: runs/b}``.

    Raises:
        ConfigError: if it is something else.
    """
    found = parsed_value(Word("model", text))
    if not all(isinstance(path, str) for path in found.values()):
        raise ConfigError(f"model={text} must name a folder for each model: {{sales: runs/a}}.")
    return {str(name): path for name, path in found.items()}


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        ConfigError: if the address does not exist, or is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"host={host} port={port}: {reason}. Give another port=.") from error
    listener.listen(2048)
    return listener


def _is_local(host: str) -> bool:
    """Return True if only this machine can reach an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _log(verbose: int) -> None:
    """Print what the server has to tell as plain lines, to the standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("tslm: %(message)s"))
    levels = {
        "tslm.serving": logging.INFO if verbose else logging.ERROR,
        "uvicorn": logging.WARNING if verbose else logging.ERROR,
        "uvicorn.access": logging.INFO if verbose > 1 else logging.ERROR,
    }
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    for name in ("tslm.serving", "uvicorn"):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
