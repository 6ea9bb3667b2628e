"""Statistics of windows that can be put into words."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

LAGS = 5
_ROUNDING = 1e-5  # of the power: what transforms in fp32 leave of a correlation of 0


class Summary(NamedTuple):
    """What can be said of each window; of one without a value, that it is flat and 0.

    Args:
        least: the smallest value.
        largest: the largest value.
        median: the lower middle one.
        rise: last value less first.
        lags: steps after which the window resembles itself most, best first; 0 where there is no
            further one.
    """

    least: Float[Tensor, " S"]
    largest: Float[Tensor, " S"]
    median: Float[Tensor, " S"]
    rise: Float[Tensor, " S"]
    lags: Int[Tensor, "S K"]


@torch.no_grad()
def summary(
    values: Float[Tensor, "S L"],
    observed: Bool[Tensor, "S L"],
    *,
    circular: bool = False,
    n_lags: int = LAGS,
) -> Summary:
    """Describe each window over its observed values, all of them at once and in fp32.

    Args:
        values: normalised windows.
        observed: which values are known; others are taken as 0 by the lags, and by nothing else.
        circular: take the lags as published, of the window as if it closed upon itself; else the
            peaks of its plain autocorrelation, from lag 1 to half the window.
        n_lags: how many.
    """
    values = values.float()
    none = ~observed.any(1)
    known = values.masked_fill(~observed, torch.nan)
    last = observed.shape[1] - 1 - observed.flip(1).int().argmax(1)
    rise = values.gather(1, last[:, None]) - values.gather(1, observed.int().argmax(1)[:, None])
    filled = torch.where(observed, values, 0)
    lags = _circular_lags(filled, n_lags) if circular else _lags(filled, n_lags)
    return Summary(
        torch.where(none, 0, values.masked_fill(~observed, torch.inf).amin(1)),
        torch.where(none, 0, values.masked_fill(~observed, -torch.inf).amax(1)),
        torch.where(none, 0, known.nanmedian(1).values),
        torch.where(none, 0, rise.squeeze(1)),
        lags,
    )


def circular_correlation(values: Float[Tensor, "S L"]) -> Float[Tensor, "S K"]:
    """The autocorrelation of windows closed upon themselves, as published.

    An odd window gives one value less than it has, as the transform back is not told its length.
    """
    spectrum = torch.fft.rfft(values)
    return torch.fft.irfft(spectrum * spectrum.conj())


def _circular_lags(values: Float[Tensor, "S L"], n_lags: int) -> Int[Tensor, "S K"]:
    return circular_correlation(values).topk(n_lags).indices


def _lags(values: Float[Tensor, "S L"], n_lags: int) -> Int[Tensor, "S K"]:
    """Peaks of the autocorrelation, highest first; of equals the nearer, as it has more pairs."""
    farthest = values.shape[1] // 2
    correlation = _linear(values)[:, : farthest + 2]
    noise = _ROUNDING * correlation[:, :1]  # lags that no two values lie apart are not quite 0
    correlation = torch.where(correlation > noise, correlation, 0)
    inner = correlation[:, 1:-1]
    peak = (inner >= correlation[:, :-2]) & (inner > correlation[:, 2:]) & (inner > 0)
    heights = torch.where(peak, inner, -torch.inf)
    heights = pad(heights, (0, max(n_lags - heights.shape[1], 0)), value=-torch.inf)
    best = heights.topk(n_lags)
    return torch.where(best.values.isinf(), 0, best.indices + 1)


def _linear(values: Float[Tensor, "S L"]) -> Float[Tensor, "S L"]:
    """Sums of products of values that lie k steps apart, k = 0 .. L - 1."""
    steps = values.shape[1]
    spectrum = torch.fft.rfft(values, n=2 * steps)
    return torch.fft.irfft(spectrum * spectrum.conj(), n=2 * steps)[:, :steps]
