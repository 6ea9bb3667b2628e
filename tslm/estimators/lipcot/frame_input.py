"""Frames for the LiPCoT tokenizer: cut from a series, or checked as they are given."""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from tslm.core.errors import DataError
from tslm.core.messages import at_least, counted


def cut_series(series: Any, frame_length: int, hop: int | None) -> Float[ndarray, "n T"]:
    """Cut a series into frames, see ``LiPCoTTokenizer.cut``."""
    values = np.asarray(series, dtype=float)
    hop = frame_length if hop is None else hop
    at_least(1, frame_length=frame_length, hop=hop)
    if values.ndim != 1 or len(values) < frame_length:
        raise DataError(
            f"A series of shape {values.shape} has no frame of {frame_length} steps. Give one "
            "series of at least that length."
        )
    first = (len(values) - frame_length) % hop
    return np.lib.stride_tricks.sliding_window_view(values[first:], frame_length)[::hop]


def check_frames(frames: Any) -> list[ndarray]:
    """Return frames as a list of arrays.

    Raises:
        DataError: if they are not numbers, are infinite, or are shorter than 4 steps.
    """
    try:
        rows = [np.asarray(frame, dtype=float) for frame in frames]
    except (TypeError, ValueError) as error:
        raise DataError(f"Frames must be numbers: {error}.") from error
    if not rows:
        raise DataError("There are no frames. Give an array [frames, steps], or a list of arrays.")
    wrong = [i for i, row in enumerate(rows) if row.ndim != 1]
    if wrong:
        raise DataError(
            f"Frame {wrong[0]} has shape {rows[wrong[0]].shape}, but must be one row of numbers. "
            "Give an array [frames, steps]; cut(series, frame_length) makes one."
        )
    short = [i for i, row in enumerate(rows) if len(row) < 4]
    if short:
        raise DataError(
            f"Frame {short[0]} has {counted(len(rows[short[0]]), 'step')}, but needs at least 4."
        )
    infinite = [i for i, row in enumerate(rows) if np.isinf(row).any()]
    if infinite:
        raise DataError(f"Frames {infinite[:5]} have infinite values. Use NaN for missing values.")
    return rows


def check_rates(rate: Any, count: int) -> Float[ndarray, " n"]:
    """Return the sampling rate of each frame.

    Raises:
        DataError: if there is neither one rate nor one per frame, or a rate is not above 0.
    """
    rates = np.asarray(rate, dtype=float)
    if rates.ndim > 1 or (rates.ndim == 1 and len(rates) != count):
        raise DataError(
            f"Sampling rates of shape {rates.shape} do not fit {count} frames. Give one rate, or "
            "one for each frame."
        )
    rates = np.broadcast_to(rates, (count,))
    if not (np.isfinite(rates).all() and (rates > 0).all()):
        raise DataError("Sampling rates must be finite and above 0.")
    return rates
