"""Features of recordings without a language model: powers, and frequencies of codes."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


def energy_features(frames: Float[ndarray, "n C N T"]) -> Float[ndarray, "n F"]:
    """Return the mean and the deviation over frames of the log power of each channel."""
    power = np.log(_variance(frames) + 1e-12)
    return np.concatenate([power.mean(2), power.std(2)], 1)


def code_frequencies(shapes: Int[ndarray, "n C N"], size: int) -> Float[ndarray, "n F"]:
    """Return the square root of the relative frequency of each code, in each channel.

    The square root makes the variances about equal.

    Args:
        shapes: shapes of the frames of each recording and channel.
        size: number of shapes.
    """
    one_of = np.eye(size)
    return np.sqrt(one_of[shapes].mean(2)).reshape(len(shapes), -1)


def pair_frequencies(shapes: Int[ndarray, "n C N"], size: int) -> Float[ndarray, "n F"]:
    """Return the square root of the relative frequency of each pair of adjacent codes.

    Args:
        shapes: shapes of the frames of each recording and channel.
        size: number of shapes.
    """
    pairs = (shapes[:, :, :-1] * size + shapes[:, :, 1:]).reshape(len(shapes), -1)
    counts = np.stack([np.bincount(row, minlength=size**2) for row in pairs])
    return np.sqrt(counts / max(pairs.shape[1], 1))


def _variance(frames: Float[ndarray, "n C N T"]) -> Float[ndarray, "n C N"]:
    """Return the variance of the observed values of each frame; 0 if there are none."""
    count = np.maximum((~np.isnan(frames)).sum(-1), 1)
    mean = np.nansum(frames, -1) / count
    return np.asarray(np.nansum((frames - mean[..., None]) ** 2, -1) / count)
