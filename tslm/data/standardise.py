"""Standardisation of series: mean and standard deviation, and the way back to units of ``y``."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.core.errors import DataError
from tslm.core.messages import naming

Floats = npt.NDArray[np.float64]

CONSTANT = 1e-12  # standard deviation relative to the level below which a series is constant
# half the spacing of float32 numbers from 4 to 8; hardly a value lies 8 spreads from its level
_ROUNDING = 2.0**-22


def series_statistics(y: Floats, offsets: Ints, until: Ints | None) -> tuple[Floats, Floats]:
    """Return mean and population standard deviation of each series, without overflow.

    Args:
        y: values of all series end to end; NaN where missing.
        offsets: row at which each series starts, and the end of the last one.
        until: number of first rows of each series to use; all if None. A series without a value in
            these rows uses all its rows.

    Returns:
        Level and spread of each series; the spread of a constant series is its absolute level, or 1
        if that is 0.
    """
    lengths, starts = np.diff(offsets), offsets[:-1]
    seen = ~np.isnan(y)
    if until is not None:
        fitting = seen & (np.arange(len(y)) < np.repeat(starts + until, lengths))
        blind = np.add.reduceat(fitting, starts, dtype=np.int64) == 0
        seen = fitting | (seen & np.repeat(blind, lengths))
    known = np.where(seen, y, 0.0)
    size = np.maximum(np.add.reduceat(seen, starts, dtype=np.int64), 1)
    peak = np.maximum(np.maximum.reduceat(known, starts), -np.minimum.reduceat(known, starts))
    peak = np.ldexp(1.0, np.frexp(peak)[1] - 1)  # a power of two divides without rounding
    known /= np.repeat(peak, lengths)
    mean = np.add.reduceat(known, starts) / size
    known -= np.repeat(mean, lengths)
    known[~seen] = 0.0
    rest = np.add.reduceat(known, starts) / size  # rounding error of the mean
    variance = np.add.reduceat(np.square(known, out=known), starts) / size - rest**2
    mean += rest
    spread = np.sqrt(variance.clip(0))
    moves = spread > CONSTANT * np.abs(mean)
    top = np.maximum.reduceat(np.where(seen, y, -np.inf), starts)
    loc = np.where(moves | np.isinf(top), mean * peak, top)
    return loc, np.where(moves, spread * peak, spread_of_constant(loc))


def spread_of_constant(loc: Floats) -> Floats:
    """Return the spread used for constant series: the absolute level, or 1 if that is 0."""
    return np.where(loc == 0, 1.0, np.abs(loc))


def standardise(
    y: Floats, offsets: Ints, loc: Floats, spread: Floats, ids: pd.Index, dtype: torch.dtype
) -> Float[Tensor, " T"]:
    """Return ``(y - loc) / spread`` of each series, computed in float64.

    Raises:
        DataError: if values overflow in ``dtype``; names the series.
    """
    lengths = np.diff(offsets)
    z = y - np.repeat(loc, lengths)
    z /= np.repeat(spread, lengths)
    values = torch.from_numpy(z).to(dtype)
    if far := torch.isinf(values).numpy().nonzero()[0].tolist():
        series = np.unique(np.searchsorted(offsets, far, side="right") - 1)
        raise DataError(
            f"Series {naming(ids[series])} have values too far from the level and spread they are "
            "standardised by. Rescale them, or fit the model on them."
        )
    return values


def round_to_decimals(y: Floats, spread: Floats) -> Floats:
    """Round values to a short decimal where float32 cannot tell them apart from it.

    All values of a series use the same number of decimals and the same tolerance, so their order is
    preserved.

    Args:
        y: values in their units, computed from float32.
        spread: spread of the series of each value, broadcast to ``y``.
    """
    moved = _ROUNDING * spread
    digits = np.floor(-np.log10(16 * moved))  # one random value in eight is that near a decimal
    up, down = 10.0 ** digits.clip(0, 22), 10.0 ** (-digits).clip(0, 22)  # both exact
    short = np.rint(y * up / down) * down / up
    return np.where((np.abs(short - y) <= moved) & (np.abs(digits) <= 22), short, y)
