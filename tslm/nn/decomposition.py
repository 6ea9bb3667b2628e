"""Split series into a slow, a repeating and a remaining part."""

from typing import NamedTuple

from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import avg_pool1d, pad

from tslm.errors import ConfigError

EDGES = ("replicate", "flat", "causal")


class Components(NamedTuple):
    """Parts of series that add up to them."""

    trend: Float[Tensor, "S L"]
    season: Float[Tensor, "S L"]
    rest: Float[Tensor, "S L"]


def decompose(
    values: Float[Tensor, "S L"], trend_length: int, season_length: int, edge: str = "replicate"
) -> Components:
    """The moving average, the mean of each phase of what it leaves over, and the rest.

    Args:
        values: series; phases count from their first step.
        trend_length: steps of the moving average, w.
        season_length: phases, m; 1 has no season.
        edge: what the average does where its window leaves the series: ``replicate`` continues the
            end values, ``flat`` repeats the nearest full average (as S2IP-LLM published it, so that
            the newest w/2 - 1 steps have no trend), ``causal`` looks back only.

    Raises:
        ConfigError: if a length does not fit, or the edge is unknown.
    """
    steps = values.shape[1]
    check_lengths(steps, trend_length, season_length, edge)
    trend = _AVERAGES[edge](values, trend_length)
    detrended = values - trend
    whole = -(-steps // season_length) * season_length
    folded = pad(detrended, (0, whole - steps)).unflatten(1, (-1, season_length))
    counts = pad(values.new_ones(steps), (0, whole - steps)).unflatten(0, (-1, season_length))
    phases = folded.sum(1) / counts.sum(0)
    season = repeat(phases, "S m -> S (k m)", k=whole // season_length)[:, :steps]
    return Components(trend, season, detrended - season)


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


def _flat(values: Float[Tensor, "S L"], width: int) -> Float[Tensor, "S L"]:
    inner = avg_pool1d(values[:, None], width, stride=1)
    return pad(inner, (width // 2, (width - 1) // 2), mode="replicate")[:, 0]


def _causal(values: Float[Tensor, "S L"], width: int) -> Float[Tensor, "S L"]:
    padded = pad(values[:, None], (width - 1, 0), mode="replicate")
    return rearrange(avg_pool1d(padded, width, stride=1), "S 1 L -> S L")


_AVERAGES = {"replicate": moving_average, "flat": _flat, "causal": _causal}
