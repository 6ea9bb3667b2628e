"""Values of a covariate column, as numbers or as text."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.errors import DataError
from tslm.core.messages import counted

Floats = npt.NDArray[np.float64]


def is_number(values: pd.Series) -> bool:
    """Return True if a column is numeric; a column of objects is if all of them are numbers."""
    if values.dtype == object:
        kind = pd.api.types.infer_dtype(values, skipna=True)
        return kind in ("integer", "floating", "mixed-integer-float", "decimal", "empty")
    return pd.api.types.is_numeric_dtype(values.dtype)


def as_numbers(name: str, values: pd.Series) -> Floats:
    """Return a column as float64, NaN where missing.

    Raises:
        DataError: if a value is no number, or is infinite.
    """
    try:
        if values.dtype == object:
            numbers = np.asarray(values.mask(values.isna(), np.nan), dtype=np.float64)
        else:
            numbers = np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan))
    except (TypeError, ValueError) as error:
        raise DataError(
            f"The covariate {name!r} was a number in fit and now holds something else: {error}."
        ) from error
    if (infinite := np.isinf(numbers)).any():
        raise DataError(
            f"The covariate {name!r} is infinite in {counted(infinite.sum(), 'row')}, the first of "
            f"them row {infinite.argmax()}. Replace these values, with NaN if they are unknown."
        )
    return numbers


def as_texts(name: str, values: pd.Series) -> npt.NDArray[np.object_]:
    """Return a column of categories as text, None where missing.

    Raises:
        DataError: if it holds times, intervals or complex numbers.
    """
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if kind.startswith(("datetime", "timedelta", "complex", "period", "interval")):
        raise DataError(
            f"The covariate {name!r} holds {kind} values. Covariates are numbers or categories: "
            "convert it."
        )
    try:
        place, distinct = pd.factorize(values)
    except TypeError as error:  # lists, dicts and other values without a hash
        raise DataError(
            f"The covariate {name!r} holds values that are neither numbers nor texts ({error}). "
            "Convert them to text."
        ) from error
    if values.dtype == object and kind != "string":  # True and 1 are equal, and other categories
        place, distinct = np.arange(len(values)), pd.Index(values)
    found = np.array([_text(value) for value in distinct] + [None], dtype=object)[place]
    found[values.isna().to_numpy()] = None
    return found


def _text(value: object) -> str:
    return str(value.item() if isinstance(value, np.generic) else value)
