"""Plain values of settings: conversion from numpy and pandas, and checks against a type."""

import math
from collections.abc import Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from tslm.core.errors import ConfigError
from tslm.core.messages import whole_number

LONGEST = 10**6  # upper limit of steps, rows and windows; such sizes still fit in memory
PLAIN = (str, bool, int, float, NoneType)
NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def plain(value: Any) -> Any:
    """Return a setting without types of numpy and pandas: numbers, arrays, indexes, offsets.

    Tuples become lists and paths become text; any other value is returned as it is.
    """
    if type(value) in PLAIN:
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    import numpy as np
    import pandas as pd

    from tslm.core.frequency import name_of

    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | pd.Index | pd.Series):
        return value.tolist()
    if isinstance(value, pd.Timedelta):
        value = pd.tseries.frequencies.to_offset(value)
    if isinstance(value, pd.offsets.BaseOffset):
        return name_of(value)
    return value


def fits(value: Any, hint: Any) -> bool:
    """Return True if a plain value has the type of an annotation.

    An integer is a float; True is no integer; NaN and infinities are no floats.
    """
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if origin in (list, tuple, Sequence):
        return isinstance(value, list | tuple) and all(fits(one, inner[0]) for one in value)
    if hint in (int, float) and isinstance(value, bool):
        return False
    if hint is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, origin or hint)


def describe_type(hint: Any) -> str:
    """Describe the type of an annotation for a message, such as "a whole number"."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(describe_type(one) for one in inner if one is not NoneType)
    if origin is Literal:
        return "one of " + ", ".join(map(str, inner))
    if origin in (list, tuple, Sequence):
        return f"a list, each of its items {describe_type(inner[0])}"
    return NAMES.get(hint, str(hint))


def positive(name: str, value: Any) -> int:
    """Return a setting that must be a whole number from 1 to ``LONGEST``.

    Raises:
        ConfigError: if it is something else.
    """
    number = whole_number(name, value)
    if number > LONGEST:
        raise ConfigError(f"{name}={number} must be at most {LONGEST:,}.")
    return number
