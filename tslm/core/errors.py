"""Errors and warnings of tslm, and helpers for their wording."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from sklearn.exceptions import NotFittedError as SklearnNotFittedError

_HERE = str(Path(__file__).parents[1]) + os.sep
_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


class TslmError(Exception):
    """Base class of the errors of tslm: the message says what is wrong and how to fix it."""


class ConfigError(TslmError, ValueError):
    """Unknown or impossible setting, or settings that do not fit together."""


class DataError(TslmError, ValueError):
    """Data frame or file that cannot be used; the message names ids, dates and columns."""


class BackboneError(TslmError):
    """Language model that cannot be found, downloaded, verified or used."""


class NotFittedError(TslmError, SklearnNotFittedError):  # type: ignore[misc]  # untyped
    """Method that needs a fitted model, called before ``fit``."""


class NotAvailableError(ConfigError):
    """Feature that this version does not support."""


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the messages of ``warn`` inside a ``with`` block of this thread, and show none."""
    messages: list[str] = []
    token = _collected.set(messages)
    try:
        yield messages
    finally:
        _collected.reset(token)


def warn(message: str) -> None:
    """Warn at the line of the user that called tslm, however many calls lie between."""
    if (messages := _collected.get()) is not None:
        messages.append(message)
        return
    frame, depth, level = sys._getframe(), 1, 1
    while (caller := frame.f_back) is not None:
        depth += 1
        if frame.f_code.co_filename.startswith(_HERE):
            level = depth
        frame = caller
    warnings.warn(message, UserWarning, stacklevel=level)
