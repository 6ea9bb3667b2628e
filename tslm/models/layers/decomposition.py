"""Split series into trend, season and rest, as in S2IP-LLM (Pan et al., ICML 2024) and STL."""

from typing import NamedTuple

import torch
from einops import repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from tslm.core.errors import ConfigError
from tslm.core.messages import check_choice

EDGES = ("replicate", "flat", "causal")


class Components(NamedTuple):
    """Additive components of series: their sum is the series."""

    trend: Float[Tensor, "S L"]
    season: Float[Tensor, "S L"]
    rest: Float[Tensor, "S L"]


def decompose(
    values: Float[Tensor, "S L"],
    trend_length: int,
    season_length: int,
    edge: str = "replicate",
    observed: Bool[Tensor, "S L"] | None = None,
) -> Components:
    """Split series into a moving average, the mean of each phase of the difference, and the rest.

    Args:
        values: series; phases count from their first step.
        trend_length: steps of the moving average, w.
        season_length: phases, m; 1 means no season.
        edge: moving average near both ends: ``replicate`` continues the end values, ``flat``
            repeats the nearest full average (as published by S2IP-LLM: the newest w/2 - 1 steps
            have no trend), ``causal`` averages earlier steps only.
        observed: True where a value is known; None if all are. Means use known values only,
            a series begins and ends with them, and all parts are 0 where a value is missing.

    Raises:
        ConfigError: if a length does not fit, or the edge is unknown.
    """
    steps = values.shape[1]
    check_lengths(steps, trend_length, season_length, edge)
    seen = torch.ones_like(values, dtype=torch.bool) if observed is None else observed
    trend = _AVERAGES[edge](values, seen, trend_length)
    detrended = torch.where(seen, values - trend, 0)
    whole = -(-steps // season_length) * season_length
    folded = pad(detrended, (0, whole - steps)).unflatten(1, (-1, season_length))
    counts = pad(seen.to(values), (0, whole - steps)).unflatten(1, (-1, season_length))
    phases = folded.sum(1) / counts.sum(1).clamp(min=1)
    season = repeat(phases, "S m -> S (k m)", k=whole // season_length)[:, :steps]
    return Components(*(torch.where(seen, x, 0) for x in (trend, season, detrended - season)))


def check_lengths(steps: int, trend_length: int, season_length: int, edge: str) -> None:
    """Raise a ConfigError if a length does not fit a series of ``steps``, or for other edges."""
    check_choice("edge", edge, EDGES)
    for name, length in (("trend_length", trend_length), ("season_length", season_length)):
        if not 1 <= length <= steps:
            raise ConfigError(f"{name}={length} must be between 1 and context_length {steps}.")


def moving_average(values: Float[Tensor, "S L"], width: int) -> Float[Tensor, "S L"]:
    """Compute the centred mean of ``width`` steps; the end values are repeated beyond the ends.

    For an even width there is one step more before the middle than after it.
    """
    padded = pad(values[:, None], (width // 2, (width - 1) // 2), mode="replicate")
    return avg_pool1d(padded, width, stride=1)[:, 0]


def _replicated(
    values: Float[Tensor, "S L"], seen: Bool[Tensor, "S L"], width: int
) -> Float[Tensor, "S L"]:
    """Average over centred windows; the end values are repeated beyond the ends."""
    return _continued(values, seen, width, (width // 2, (width - 1) // 2))


def _causal(
    values: Float[Tensor, "S L"], seen: Bool[Tensor, "S L"], width: int
) -> Float[Tensor, "S L"]:
    """Average over each step and the ``width - 1`` steps before it."""
    return _continued(values, seen, width, (width - 1, 0))


def _flat(
    values: Float[Tensor, "S L"], seen: Bool[Tensor, "S L"], width: int
) -> Float[Tensor, "S L"]:
    """Average over centred windows, shifted to lie within the known steps."""
    first, last = _ends(seen)
    steps = values.shape[1]
    start = torch.arange(steps, device=values.device) - width // 2
    start = torch.maximum(torch.minimum(start, last - width + 1), first).clamp(max=steps - width)
    return _means(_filled(values, seen), seen, width).gather(1, start)


def _continued(
    values: Float[Tensor, "S L"], seen: Bool[Tensor, "S L"], width: int, margin: tuple[int, int]
) -> Float[Tensor, "S L"]:
    """Compute moving averages of series that are continued by their end values."""
    first, last = _ends(seen)
    step = torch.arange(values.shape[1], device=values.device)
    known = (seen | (step < first) | (step > last)).to(values)
    longer = [
        pad(x[:, None], margin, mode="replicate")[:, 0] for x in (_filled(values, seen), known)
    ]
    return _means(longer[0], longer[1] > 0, width)


def _means(
    values: Float[Tensor, "S padded"], known: Bool[Tensor, "S padded"], width: int
) -> Float[Tensor, "S windows"]:
    """Average the known values of each window; all values of a window without known ones."""
    some, every = (avg_pool1d(x[:, None], width, stride=1)[:, 0] for x in (values * known, values))
    fraction = avg_pool1d(known.to(values)[:, None], width, stride=1)[:, 0]
    return torch.where(fraction > 0, some / torch.where(fraction > 0, fraction, 1), every)


def _filled(values: Float[Tensor, "S L"], seen: Bool[Tensor, "S L"]) -> Float[Tensor, "S L"]:
    """Replace missing values by the last known one; before the first known one, by that."""
    first, _ = _ends(seen)
    step = torch.arange(values.shape[1], device=values.device)
    return values.gather(1, torch.where(seen, step, first).cummax(1).values)


def _ends(seen: Bool[Tensor, "S L"]) -> tuple[Int[Tensor, "S 1"], Int[Tensor, "S 1"]]:
    """Find the first and the last known step."""
    first, back = (part.int().argmax(1, keepdim=True) for part in (seen, seen.flip(1)))
    return first, seen.shape[1] - 1 - back


_AVERAGES = {"replicate": _replicated, "flat": _flat, "causal": _causal}
