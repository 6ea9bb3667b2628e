"""Statistics of windows for text prompts, as in Time-LLM (Jin et al., ICLR 2024, section 3.1)."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

LAGS = 5  # number of lags in the prompt of Time-LLM
_ROUNDING = 1e-5  # of the power: rounding errors of a correlation of 0 in fp32 are smaller


class Summary(NamedTuple):
    """Statistics of each window; all are 0 for a window without a value.

    Args:
        least: smallest value.
        largest: largest value.
        median: the lower of the two middle values, if their number is even.
        rise: last value minus first value.
        lags: steps of the highest autocorrelation, highest first; 0 where there is no further
            peak.
    """

    least: Float[Tensor, " S"]
    largest: Float[Tensor, " S"]
    median: Float[Tensor, " S"]
    rise: Float[Tensor, " S"]
    lags: Int[Tensor, "S lags"]


@torch.no_grad()
def summary(
    values: Float[Tensor, "S L"],
    observed: Bool[Tensor, "S L"],
    *,
    circular: bool = False,
) -> Summary:
    """Compute the statistics of each window over its observed values, in fp32.

    Args:
        values: normalised windows.
        observed: True where a value is known; others count as 0 in the autocorrelation only.
        circular: True takes the lags of the circular autocorrelation, as published; False takes
            the peaks of the plain one, from lag 1 to half the window.
    """
    values = values.float()
    none = ~observed.any(1)
    known = values.masked_fill(~observed, torch.nan)
    last = observed.shape[1] - 1 - observed.flip(1).int().argmax(1)
    rise = values.gather(1, last[:, None]) - values.gather(1, observed.int().argmax(1)[:, None])
    filled = torch.where(observed, values, 0)
    lags = _circular_lags(filled) if circular else _lags(filled)
    return Summary(
        torch.where(none, 0, values.masked_fill(~observed, torch.inf).amin(1)),
        torch.where(none, 0, values.masked_fill(~observed, -torch.inf).amax(1)),
        torch.where(none, 0, known.nanmedian(1).values),
        torch.where(none, 0, rise.squeeze(1)),
        lags,
    )


def circular_correlation(values: Float[Tensor, "S L"]) -> Float[Tensor, "S lags"]:
    """Compute the circular autocorrelation of windows, as published.

    A window of odd length L gives L - 1 values, because the inverse transform assumes an even one.
    """
    spectrum = torch.fft.rfft(values)
    return torch.fft.irfft(spectrum * spectrum.conj())


def _circular_lags(values: Float[Tensor, "S L"]) -> Int[Tensor, "S lags"]:
    return circular_correlation(values).topk(LAGS).indices


def _lags(values: Float[Tensor, "S L"]) -> Int[Tensor, "S lags"]:
    """Find peaks of the autocorrelation, highest first; of equal ones the shorter lag first."""
    farthest = values.shape[1] // 2
    correlation = _linear(values)[:, : farthest + 2]
    noise = _ROUNDING * correlation[:, :1]  # lags without a pair of values are not exactly 0
    correlation = torch.where(correlation > noise, correlation, 0)
    inner = correlation[:, 1:-1]
    peak = (inner >= correlation[:, :-2]) & (inner > correlation[:, 2:]) & (inner > 0)
    heights = torch.where(peak, inner, -torch.inf)
    heights = pad(heights, (0, max(LAGS - heights.shape[1], 0)), value=-torch.inf)
    best = heights.topk(LAGS)
    return torch.where(best.values.isinf(), 0, best.indices + 1)


def _linear(values: Float[Tensor, "S L"]) -> Float[Tensor, "S L"]:
    """Sum the products of values that are k steps apart, for k = 0 ... L - 1."""
    steps = values.shape[1]
    spectrum = torch.fft.rfft(values, n=2 * steps)
    return torch.fft.irfft(spectrum * spectrum.conj(), n=2 * steps)[:, :steps]
