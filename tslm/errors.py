"""What can go wrong, in the user's words."""

from collections.abc import Iterable
from itertools import islice

import numpy as np
from sklearn.exceptions import NotFittedError as SklearnNotFittedError


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
