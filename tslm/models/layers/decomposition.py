"""Split series into a slow, a repeating and a remaining part."""

from typing import NamedTuple

import torch
from einops import repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from tslm.core.errors import ConfigError

EDGES = ("replicate", "flat", "causal")


class Components(NamedTuple):
    """Parts of series that add up to them."""

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
    """The moving average, the mean of each phase of what it leaves over, and the rest.

    Args:
        values: series; phases count from their first step.
        trend_length: steps of the moving average, w.
        season_length: phases, m; 1 has no season.
        edge: what the average does where its window leaves the series: ``replicate`` continues the
            end values, ``flat`` repeats the nearest full average (as S2IP-LLM published it, so that
            the newest w/2 - 1 steps have no trend), ``causal`` looks back only.
        observed: which values are known, all if None. Means are those of known values, a series
            begins and ends with them, and where a value is missing all parts are 0.

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
    """Raise a ConfigError if series of so many steps cannot be split so."""
    if edge not in EDGES:
        raise ConfigError(f"edge={edge!r} is unknown. Choose one of {', '.join(EDGES)}.")
    for name, length in (("trend_length", trend_length), ("season_length", season_length)):
        if not 1 <= length <= steps:
            raise ConfigError(f"{name}={length} must lie between 1 and the context of {steps}.")


def moving_average(values: Float[Tensor, "S L"], width: int) -> Float[Tensor, "S L"]:
    """Centred mean of ``width`` steps; the ends are continued by their own value.

    Of an even width one step more lies before the middle than after it.
    """
    padded = pad(values[:, None], (width // 2, (width - 1) // 2), mode="replicate")
    return avg_pool1d(padded, width, stride=1)[:, 0]


def _replicated(
    values: Float[Tensor, "S L"], seen: Bool[Tensor, "S L"], width: int
) -> Float[Tensor, "S L"]:
    return _continued(values, seen, width, (width // 2, (width - 1) // 2))


def _causal(
    values: Float[Tensor, "S L"], seen: Bool[Tensor, "S L"], width: int
) -> Float[Tensor, "S L"]:
    return _continued(values, seen, width, (width - 1, 0))


def _flat(
    values: Float[Tensor, "S L"], seen: Bool[Tensor, "S L"], width: int
) -> Float[Tensor, "S L"]:
    first, last = _ends(seen)
    steps = values.shape[1]
    start = torch.arange(steps, device=values.device) - width // 2
    start = torch.maximum(torch.minimum(start, last - width + 1), first).clamp(max=steps - width)
    return _means(_filled(values, seen), seen, width).gather(1, start)


def _continued(
    values: Float[Tensor, "S L"], seen: Bool[Tensor, "S L"], width: int, room: tuple[int, int]
) -> Float[Tensor, "S L"]:
    """Moving averages of series that are continued by their end values."""
    first, last = _ends(seen)
    step = torch.arange(values.shape[1], device=values.device)
    known = (seen | (step < first) | (step > last)).to(values)
    longer = [pad(x[:, None], room, mode="replicate")[:, 0] for x in (_filled(values, seen), known)]
    return _means(longer[0], longer[1] > 0, width)


def _means(
    values: Float[Tensor, "S T"], known: Bool[Tensor, "S T"], width: int
) -> Float[Tensor, "S W"]:
    """The mean of what is known in each window; of all of it where nothing is."""
    some, every = (avg_pool1d(x[:, None], width, stride=1)[:, 0] for x in (values * known, values))
    share = avg_pool1d(known.to(values)[:, None], width, stride=1)[:, 0]
    return torch.where(share > 0, some / torch.where(share > 0, share, 1), every)


def _filled(values: Float[Tensor, "S L"], seen: Bool[Tensor, "S L"]) -> Float[Tensor, "S L"]:
    """Missing values are those before them, or, before the first, that one."""
    first, _ = _ends(seen)
    step = torch.arange(values.shape[1], device=values.device)
    return values.gather(1, torch.where(seen, step, first).cummax(1).values)


def _ends(seen: Bool[Tensor, "S L"]) -> tuple[Int[Tensor, "S 1"], Int[Tensor, "S 1"]]:
    """The first and the last step that is known."""
    first, back = (part.int().argmax(1, keepdim=True) for part in (seen, seen.flip(1)))
    return first, seen.shape[1] - 1 - back


_AVERAGES = {"replicate": _replicated, "flat": _flat, "causal": _causal}
