"""Measurement of frames of any lengths and sampling rates, in groups of the same ones."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from tslm.models.layers.lpc.burg import Autoregression
from tslm.models.layers.lpc.framing import Estimator, Frames

CHUNK_VALUES = 2**20  # values of the frames that are measured at once, to bound memory


def measure(estimator: Estimator, frames: Sequence[ndarray], rates: Float[ndarray, " n"]) -> Frames:
    """Measure frames.

    Args:
        estimator: fits the models of the frames.
        frames: frames of any lengths; NaN where missing.
        rates: sampling rate of each frame.
    """
    order, parts = [], []
    for rows, rate in _groups(frames, rates):
        values = torch.from_numpy(np.stack([frames[row] for row in rows]))
        parts.append(estimator.measure(values, rate))
        order.append(rows)
    back = torch.from_numpy(np.concatenate(order)).argsort()
    measured = Frames.concatenate(parts)
    model = Autoregression(*(part[back] for part in measured.model))
    return Frames(measured.level[back], model, measured.flat[back], measured.missing[back])


def _groups(
    frames: Sequence[ndarray], rates: Float[ndarray, " n"]
) -> Iterator[tuple[ndarray, float]]:
    """Yield groups of rows with the same length and rate, of limited size.

    Args:
        frames: frames of any lengths.
        rates: sampling rate of each frame.

    Yields:
        Row numbers of a group, and their rate.
    """
    keys = np.stack([np.array([len(frame) for frame in frames], dtype=float), rates], 1)
    kinds, member = np.unique(keys, axis=0, return_inverse=True)
    for number, (length, rate) in enumerate(kinds):
        rows = np.flatnonzero(member.ravel() == number)
        for chunk in np.array_split(rows, -(-len(rows) * int(length) // CHUNK_VALUES)):
            yield chunk, float(rate)
