"""Recordings to classify: arrays or long frames as one array, and their labels."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from scipy.sparse import issparse
from sklearn.utils import column_or_1d

from tslm.core.errors import DataError


def is_table(X: Any) -> bool:  # noqa: N803
    """Return True for a table of numbers with one recording per row, False for a long frame."""
    if isinstance(X, pd.DataFrame):
        return not {"unique_id", "ds"} & set(X.columns)
    try:
        return issparse(X) or np.asarray(X).ndim == 2
    except ValueError:  # rows of several lengths, which ``read_recordings`` refuses
        return False


def read_recordings(X: Any) -> tuple[Float[ndarray, "n C L"], ndarray | None]:  # noqa: N803
    """Return recordings as one array, and their ids if they are a long frame.

    Raises:
        DataError: if they have several lengths, or are not numbers.
    """
    if isinstance(X, pd.DataFrame):
        return _from_frame(X)
    try:
        array = np.asarray(X, dtype=float)
    except (TypeError, ValueError) as error:
        raise DataError(f"Recordings must be numbers, all of one length: {error}.") from error
    if array.ndim == 2:
        array = array[:, None]
    if array.ndim != 3 or 0 in array.shape:
        raise DataError(
            f"Recordings of shape {array.shape} must be [recordings, channels, steps] or "
            "[recordings, steps]. Reshape your data."
        )
    if np.isinf(array).any():
        rows = np.flatnonzero(np.isinf(array).any((1, 2)))
        raise DataError(
            f"Recordings {rows[:5].tolist()} have infinite values. Use NaN for missing values."
        )
    return array, None


def _from_frame(table: pd.DataFrame) -> tuple[Float[ndarray, "n C L"], ndarray]:
    if missing := {"unique_id", "ds"} - set(table.columns):
        raise DataError(f"The frame has no column {', '.join(sorted(missing))}. Add it.")
    channels = [name for name in table.columns if name not in ("unique_id", "ds")]
    if not channels:
        raise DataError(
            "The frame has no channel. Give at least one column besides unique_id and ds."
        )
    lengths = table.groupby("unique_id", sort=False).size()
    if lengths.nunique() > 1:
        odd = lengths[lengths != lengths.mode()[0]]
        raise DataError(
            f"Recordings must all have the same length, but {list(odd.index[:5])} have "
            f"{odd.iloc[:5].tolist()} rows and most have {lengths.mode()[0]}. Cut them "
            "to one length."
        )
    ids = lengths.index.to_numpy()
    place = pd.Series(np.arange(len(ids)), ids)
    ordered = table.assign(_place=table.unique_id.map(place)).sort_values(["_place", "ds"])
    values = ordered[channels].to_numpy(dtype=float)
    array = values.reshape(len(ids), -1, len(channels)).swapaxes(1, 2)
    return read_recordings(array)[0], ids


def read_labels(y: Any, ids: ndarray | None, count: int) -> npt.NDArray[Any]:
    """Return one label per recording.

    Raises:
        DataError: if the number of labels is not the number of recordings.
    """
    if y is None:
        raise DataError("TSLMClassifier requires y to be passed, but the target y is None.")
    if isinstance(y, pd.Series) and ids is not None and not set(ids) - set(y.index):
        y = y.loc[ids]
    labels = np.asarray(y)
    if labels.shape not in ((count,), (count, 1)):
        raise DataError(
            f"Labels of shape {labels.shape} do not fit {count} recordings. Give one label each."
        )
    return np.asarray(column_or_1d(labels, warn=True))
