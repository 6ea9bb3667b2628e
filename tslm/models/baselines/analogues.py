"""Analogues: the mean of what followed the past windows that are most similar to a context.

Lorenz, "Atmospheric predictability as revealed by naturally occurring analogues", Journal of the
Atmospheric Sciences 26, 1969. For series that are shifted and scaled, and a library of all series:
Han et al., "Retrieval-augmented time series forecasting" (RAFT), ICML 2025.
"""

from collections.abc import Iterable
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.float64 import exactly
from tslm.core.forecaster import Forecaster
from tslm.core.messages import at_least, whole_number
from tslm.core.types import Batch, Task

FLOOR = 0.1  # smallest spread to divide a window of the library by, in units of training rows
LONGEST = 512  # most steps that are compared; chosen by hand
SEASONS = (1, 2, 7)  # lengths in seasons that validation chooses from; chosen by hand
NEVER = 2**62  # time of an empty place of the library


class Analogues(Forecaster):
    """Mean of the futures of the k most similar windows of the training rows of all series.

    The last steps of a context are compared with each window of a library by their correlation.
    The futures of the k nearest windows are shifted and scaled to the level and the spread of the
    context. Only windows whose future ends before the context does are used, so a training window
    never finds itself or a window that overlaps its target. A context without any such window is
    continued by its mean.

    The library is a sample of the training windows, evenly spaced in series and time, without
    missing values. It is saved with the model.

    Args:
        task: gives the horizon, the season and the context length.
        k: windows whose futures are averaged.
        query: steps that are compared; None takes the best in validation of 1, 2 and 7 seasons and
            the horizon, at most 512.
        windows: most windows of the library.

    Raises:
        ConfigError: if a size is below 1, or ``query`` exceeds the context.

    Attributes:
        pasts: windows of the library, standardised; zeros in empty places.
        futures: steps that followed each, in the same units.
        until: time of the last step of each future.
        known: steps of the past of each that are known, at its end.
        steps: last steps that are compared.
    """

    any_horizon = True
    reads_time = True
    holds_series = True
    pasts: Float[Tensor, "n Q"]
    futures: Float[Tensor, "n H"]
    until: Int[Tensor, " n"]
    known: Int[Tensor, " n"]
    steps: Int[Tensor, ""]

    def __init__(
        self, *, task: Task, k: int = 32, query: int | None = None, windows: int = 8192
    ) -> None:
        super().__init__()
        at_least(1, k=k, windows=windows)
        self.k = k
        most = min(LONGEST, task.context_length)
        self.queries = (whole_number("query", query),) if query else _queries(task, most)
        self.register_buffer("pasts", torch.zeros(windows, min(max(self.queries), most)))
        self.register_buffer("futures", torch.zeros(windows, task.horizon))
        self.register_buffer("until", torch.full((windows,), NEVER))
        self.register_buffer("known", torch.zeros(windows, dtype=torch.int64))
        self.register_buffer("steps", torch.tensor(self.queries[-1]))

    def forecast(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        context = batch.past.shape[1]
        rows = rearrange(exactly(batch.past), "B L C -> (B C) L")
        origin = batch.time[:, context - 1].repeat_interleave(batch.past.shape[2])
        for _ in range(0, horizon, self.futures.shape[1]):
            rows = torch.cat([rows, self._continued(rows, origin)], 1)
        ahead = rows[:, context : context + horizon].to(batch.past)
        return rearrange(ahead, "(B C) H -> B H C", B=len(batch.past))

    @torch.no_grad()
    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        length = self.pasts.shape[1] + self.futures.shape[1]
        least = min(self.queries[0], self.pasts.shape[1]) + self.futures.shape[1]
        found = [_Windows.of(batch, length, least) for batch in train]
        self.until.fill_(NEVER)
        if sum(len(part.until) for part in found):
            self._fill(_Windows(*(torch.cat(parts) for parts in zip(*found, strict=True))))
        errors = {query: self._error(query, val) for query in self.queries}
        if any(errors.values()):
            self.steps.fill_(min(errors, key=lambda query: errors[query]))

    def _fill(self, found: "_Windows") -> None:
        """Put evenly spaced windows into the library."""
        size = min(len(found.until), len(self.until))
        pick = torch.linspace(0, len(found.until) - 1, size, dtype=torch.float64).long()
        past, future = found.rows[pick].split([self.pasts.shape[1], self.futures.shape[1]], 1)
        known = ~past.isnan()
        level = past.nanmean(1, keepdim=True)
        rest = torch.nan_to_num(past - level)
        spread = (rest.square().sum(1, keepdim=True) / known.sum(1, keepdim=True)).sqrt()
        spread = spread.clamp(min=FLOOR)
        self.pasts[:size], self.futures[:size] = rest / spread, (future - level) / spread
        self.until[:size], self.known[:size] = found.until[pick], known.sum(1)

    def _error(self, steps: int, windows: Iterable[Batch]) -> float:
        """Sum the squared error over windows, comparing so many steps."""
        self.steps.fill_(steps)
        total = 0.0
        for batch in windows:
            ahead = self.forecast(batch, batch.future.shape[1])
            total += float(exactly(ahead - batch.future).square().nansum())
        return total

    def _continued(
        self, rows: Float[Tensor, "S L"], origin: Int[Tensor, " S"]
    ) -> Float[Tensor, "S H"]:
        """Continue each row by the mean of the scaled futures of its analogues."""
        query = _Query.of(rows[:, -int(self.steps) :], self.pasts.shape[1])
        pasts, futures = exactly(self.pasts), exactly(self.futures)
        level, spread, covariance = query.compare(pasts)
        similar = covariance / spread
        closed = self.until > origin[:, None]
        closed |= self.known < query.span
        similar = similar.masked_fill(closed, -torch.inf)
        near = similar.topk(min(self.k, len(pasts)))
        level, spread = (part.gather(1, near.indices)[..., None] for part in (level, spread))
        ahead = (futures[near.indices] - level) / spread
        known = torch.isfinite(near.values)[..., None]
        mean = torch.where(known, ahead, 0).sum(1) / known.sum(1).clamp(min=1)
        return mean * query.spread + query.level


class _Windows(NamedTuple):
    """Windows of training rows, a past and its future, without gaps.

    Attributes:
        rows: values; NaN before a short series.
        until: time of the last step.
    """

    rows: Float[Tensor, "n T"]
    until: Int[Tensor, " n"]

    @classmethod
    def of(cls, batch: Batch, length: int, least: int) -> "_Windows":
        """Return the last ``length`` steps of each window, and for a short series all stretches.

        Args:
            batch: training windows.
            length: steps of a past and its future.
            least: steps of them that must be known, at the end.
        """
        whole = rearrange(torch.cat([batch.past, batch.future], 1), "B T C -> (B C) T")
        time = batch.time[:, : whole.shape[1]].repeat_interleave(batch.past.shape[2], 0)
        short = whole[:, 0].isnan()
        padded = pad(whole, (length, 0), value=torch.nan)
        rows, until = [padded[~short, -length:]], [time[~short, -1]]
        if short.any():  # of which there is one training window
            rows.append(rearrange(padded[short].unfold(1, length, 1)[:, 1:], "S K T -> (S K) T"))
            until.append(time[short].flatten())
        found, ends = torch.cat(rows), torch.cat(until)
        gaps = found.isnan()
        missing = gaps.sum(1)
        last = torch.where(gaps, torch.arange(length, device=found.device), -1).amax(1)
        usable = (last == missing - 1) & (missing <= length - least)
        return cls(found[usable], ends[usable])


class _Query(NamedTuple):
    """Last Q steps of contexts, centred, with their level and spread.

    Attributes:
        seen: 1 for observed steps, 0 for others.
        rest: values minus their level; 0 where missing.
        level: mean of the observed steps.
        spread: standard deviation of the observed steps.
    """

    seen: Float[Tensor, "S Q"]
    rest: Float[Tensor, "S Q"]
    level: Float[Tensor, "S 1"]
    spread: Float[Tensor, "S 1"]

    @classmethod
    def of(cls, rows: Float[Tensor, "S L"], steps: int) -> "_Query":
        rows = pad(rows, (steps - rows.shape[1], 0), value=torch.nan)
        seen = ~rows.isnan()
        level = torch.nan_to_num(rows.nanmean(1, keepdim=True))
        rest = torch.where(seen, rows - level, 0)
        count = seen.sum(1, keepdim=True).clamp(min=1)
        return cls(seen.to(rows), rest, level, (rest.square().sum(1, keepdim=True) / count).sqrt())

    @property
    def span(self) -> Int[Tensor, "S 1"]:
        """Return the steps from the first observed one on."""
        steps = self.seen.shape[1]
        first = torch.where(self.seen > 0, torch.arange(steps, device=self.seen.device), steps)
        return steps - first.amin(1, keepdim=True)

    def compare(
        self, pasts: Float[Tensor, "n Q"]
    ) -> tuple[Float[Tensor, "S n"], Float[Tensor, "S n"], Float[Tensor, "S n"]]:
        """Return level and spread of each window, and its covariance with each query.

        All are over the steps that the query has.
        """
        masks, own = self.seen.unique(dim=0, return_inverse=True)
        count = masks.sum(1, keepdim=True).clamp(min=1)
        level = masks @ pasts.T / count
        square = masks @ pasts.square().T / count - level.square()
        spread = square.clamp(min=0).sqrt().clamp(min=FLOOR)
        covariance = self.rest @ pasts.T / count[own]
        return level[own], spread[own], covariance


def _queries(task: Task, most: int) -> tuple[int, ...]:
    """Return lengths to compare, in ascending order, none above ``most``."""
    lengths = {task.horizon, *(seasons * task.season_length for seasons in SEASONS)}
    return tuple(sorted(length for length in lengths if 2 <= length <= most)) or (most,)
