"""Errors and warnings, in the user's words."""

import os
import sys
import warnings
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

_HERE = str(Path(__file__).parents[1]) + os.sep


class TslmError(Exception):
    """Any error that tslm raises on purpose: it says what is wrong, where, and how to fix it."""


class ConfigError(TslmError, ValueError):
    """A setting is unknown, impossible, or does not fit another one."""


class DataError(TslmError, ValueError):
    """A data frame or file breaks the contract; the message names ids, dates and columns."""


class BackboneError(TslmError):
    """A pretrained model cannot be found, fetched, verified or used."""


class NotFittedError(TslmError, SklearnNotFittedError):  # type: ignore[misc]  # untyped
    """A forecast was asked of a model that has not been fitted."""


class NotAvailableError(ConfigError):
    """A feature this version announces but does not have yet."""


def naming(ids: Iterable[object], limit: int = 5) -> str:
    """Name up to ``limit`` ids in a message: ``'a', 'b' and more``."""
    first = [i.item() if isinstance(i, np.generic) else i for i in islice(ids, limit + 1)]
    return ", ".join(map(repr, first[:limit])) + " and more" * (len(first) > limit)


def counted(number: int | np.integer, noun: str) -> str:
    """Count things in a message: ``1 row``, ``2 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def warn(message: str) -> None:
    """Warn at the line of the user that called tslm, however many calls lie between."""
    frame, depth, level = sys._getframe(), 1, 1
    while (caller := frame.f_back) is not None:
        depth += 1
        if frame.f_code.co_filename.startswith(_HERE):
            level = depth
        frame = caller
    warnings.warn(message, UserWarning, stacklevel=level)
