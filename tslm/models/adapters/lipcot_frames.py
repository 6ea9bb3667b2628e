"""Windows in LiPCoT: the sample it learns from, and their values, frames and codes."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.float64 import exactly
from tslm.core.types import Batch, Context
from tslm.models.adapters.code_embedding import QUIET
from tslm.models.layers.lpc.codebook import Codes
from tslm.models.layers.lpc.framing import Frames
from tslm.models.layers.seasonal import Decomposed

_AT_ONCE = 64  # windows that are measured at once; bounds the memory


class CodedFrames(NamedTuple):
    """Codes of the frames of all series, one after the other, and their measured values."""

    codes: Codes
    frames: Frames

    @classmethod
    def on_device(cls, codes: Codes, frames: Frames, like: Tensor) -> "CodedFrames":
        """Join frames, which are in float64, and their codes, moved to the device of a tensor."""
        return cls(Codes(*(part.to(like.device) for part in codes)), frames)


def sample_windows(train: Iterable[Batch], count: int) -> Iterator[Batch]:
    """Yield at most ``count`` windows, evenly spaced among all, a few at a time."""
    total = sum(len(batch.past) for batch in train)
    chosen = torch.arange(min(total, count)) * total // max(min(total, count), 1)
    parts, first = [], 0
    for batch in train:
        rows = chosen[(chosen >= first) & (chosen < first + len(batch.past))] - first
        parts.append((batch.past[rows], batch.future[rows], batch.time[rows]))
        first += len(batch.past)
    if total:
        past, future, time = (torch.cat(part).split(_AT_ONCE) for part in zip(*parts, strict=True))
        yield from map(Batch, past, future, time)


def window_values(context: Context) -> Float[Tensor, "S L"]:
    """Return normalised windows in float64, NaN where missing."""
    values = exactly(context.values)
    return torch.where(context.observed.to(values.device), values, torch.nan)


def whole_frames(taken: Decomposed) -> Frames:
    """Return whole residuals as one frame each."""
    observed = ~torch.isnan(taken.residual)
    missing = ~observed.any(1)
    flat = ~missing & (taken.model.power <= QUIET**2)
    level = torch.nan_to_num(taken.residual).sum(1) / observed.sum(1).clamp(min=1)
    return Frames(
        torch.where(level.abs() <= QUIET, 0.0, level),  # rounding, if seasons are complete
        taken.model,
        flat,
        missing,
    )
