"""Windows for the regression: with the effect of covariates, some of them, or a few at a time."""

from collections.abc import Iterable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from tslm.core.float64 import exactly
from tslm.core.types import Batch

VALUES_AT_ONCE = 2**22  # in memory together
VALIDATION = 64  # windows of each validation batch that are forecast; chosen by hand


def rows_of(values: Float[Tensor, "B L C"]) -> Float[Tensor, "S L"]:
    """Return each channel as a row, in float64."""
    return rearrange(exactly(values), "B L C -> (B C) L")


def effect_ahead(batch: Batch, horizon: int) -> Float[Tensor, "B H 1"]:
    """Return the effect of covariates at the steps to forecast; 0 without covariates."""
    if batch.known is None:
        return exactly(batch.past.new_zeros(1, 1, 1))
    length = batch.past.shape[1]
    return exactly(batch.known.values[:, length : length + horizon, -1:])


def with_effect(batch: Batch, device: torch.device) -> Batch:
    """Return windows in float64 of which the effect of covariates is part again.

    Args:
        batch: windows from which it was subtracted.
        device: device of the result.
    """
    past, future = (exactly(part).to(device) for part in (batch.past, batch.future))
    known = batch.known
    if known is not None:
        length, steps = past.shape[1], future.shape[1]
        values = exactly(known.values).to(device)
        effect, known = values[..., -1:], known._replace(values=values)
        past, future = past + effect[:, :length], future + effect[:, length:][:, :steps]
    return batch._replace(past=past, future=future, time=batch.time.to(device), known=known)


def some(batch: Batch) -> Batch:
    """Return evenly spaced windows of a batch."""
    return _taken(batch, slice(None, None, max(len(batch.past) // VALIDATION, 1)))


def a_few(batch: Batch, values: int) -> Iterable[Batch]:
    """Yield a few windows at a time.

    Args:
        batch: the windows.
        values: values in memory for each series.
    """
    size = max(VALUES_AT_ONCE // (values * batch.past.shape[2]), 1)
    for start in range(0, len(batch.past), size):
        yield _taken(batch, slice(start, start + size))


def _taken(batch: Batch, chosen: slice) -> Batch:
    """Return some windows, without words and units."""
    known = batch.known and batch.known._replace(values=batch.known.values[chosen])
    return Batch(batch.past[chosen], batch.future[chosen], batch.time[chosen], known=known)
