"""Linear prediction: autoregressive models from autocorrelations, and their properties.

Makhoul, "Linear prediction: a tutorial review", Proc. IEEE 63, 1975 (autocorrelation and selective
methods); Strube, "Linear prediction on a warped frequency scale", JASA 68, 1980. The convention is
that of ``tslm.models.layers.lpc.burg``. All of it is in float64.

On a warped scale the unit delay is the all-pass ``D(z) = (z^-1 - warp) / (1 - warp z^-1)``; with
``warp > 0`` low frequencies have a finer resolution. Coefficients and autocorrelations of a warped
model belong to that scale; ``unwarp`` converts them to an ordinary filter.
"""

from functools import lru_cache
from math import pi

import numpy as np
import torch
from jaxtyping import Float
from scipy.signal import lfilter
from torch import Tensor
from torch.linalg import vecdot
from torch.nn.functional import pad

from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly
from tslm.models.layers.lpc.burg import Autoregression

RIDGE = 1e-9  # of the power, added to it: a floor of the prediction error; chosen by hand


def autocorrelation(x: Float[Tensor, "S L"], lags: int) -> Float[Tensor, "S lags"]:
    """Compute the biased autocorrelation at lags 0 ... ``lags`` over observed pairs.

    Without gaps it is ``r_k = (1/L) sum_t x_t x_(t+k)``; with gaps the mean over observed pairs
    replaces the mean over all. It is 0 at lags beyond L, or without an observed pair.

    Args:
        x: series; NaN where missing.
        lags: largest lag, in steps.
    """
    x = exactly(x)
    length = x.shape[1]
    size = _fast(length + min(lags, length))
    observed = ~torch.isnan(x)
    products = _pairs(torch.nan_to_num(x), size)
    n = torch.arange(length, 0, -1, dtype=x.dtype, device=x.device)
    if not observed.all():
        counts = _pairs(observed.to(x), size).round()[:, :length]
        n = torch.where(counts > 0, counts / n, torch.inf) * length
    else:
        n = torch.full_like(n, length)
    r = products[:, :length] / n
    return pad(r, (0, max(lags + 1 - length, 0)))[:, : lags + 1]


def levinson(r: Float[Tensor, "S lags"]) -> Autoregression:
    """Solve for the stable model of an autocorrelation at lags 0 ... p (Levinson-Durbin).

    A row without power gets the model of white noise.

    Args:
        r: autocorrelations, lag 0 first.
    """
    r = exactly(r)
    power = r[:, :1]
    polynomial = torch.ones_like(power)
    reflections = [r[:, :0]]
    for i in range(1, r.shape[1]):
        fit = power > 0
        k = -vecdot(polynomial, r[:, 1 : i + 1].flip(1))[:, None] / torch.where(fit, power, 1.0)
        k = torch.where(fit, k, 0.0).clamp(-1, 1)
        polynomial = pad(polynomial, (0, 1))
        polynomial = polynomial + k * polynomial.flip(1)
        power = power * (1 - k.square())
        reflections.append(k)
    return Autoregression(polynomial[:, 1:], power[:, 0], torch.cat(reflections, 1))


def band_autocorrelation(
    r: Float[Tensor, "S L"], lags: int, rate: float, band: float
) -> Float[Tensor, "S lags"]:
    """Compute the autocorrelation of the band ``[0, band]``, sampled at twice its upper end.

    It is ``r_k = int_0^band P(f) cos(pi k f / band) df`` in closed form, with ``P`` the one-sided
    spectrum of the full autocorrelation. The same signal sampled at two rates therefore has the
    same values (Makhoul 1975, selective linear prediction).

    Args:
        r: autocorrelation at all lags 0 ... L-1.
        lags: largest lag that is returned.
        rate: samples per unit of time.
        band: highest frequency, in cycles per unit of time; at most ``rate / 2``.

    Raises:
        ConfigError: if the band is not above 0, or above half the rate.
    """
    if not 0 < band <= rate / 2 * (1 + 1e-9):
        raise ConfigError(
            f"band {band} must be above 0 and at most {rate / 2}, half the sampling rate."
        )
    return exactly(r) @ _selection(r.shape[1], lags, 2 * band / rate).to(r.device)


def warped_autocorrelation(
    r: Float[Tensor, "S L"], lags: int, warp: float
) -> Float[Tensor, "S lags"]:
    """Convert an autocorrelation to a warped frequency scale.

    Args:
        r: autocorrelation at all lags 0 ... L-1.
        lags: largest lag that is returned.
        warp: coefficient of the all-pass, in (-1, 1).
    """
    return exactly(r) @ _warping(r.shape[1], lags, warp).to(r.device)


def warped_burg(x: Float[Tensor, "S L"], order: int, warp: float) -> Autoregression:
    """Fit models by Burg's recursion with an all-pass in place of the unit delay, as in LiPCoT.

    The all-pass starts after the dropped sample and carries no state from it, as published.

    Args:
        x: series without gaps, oldest value first.
        order: number of coefficients; fewer than L.
        warp: coefficient of the all-pass, in (-1, 1).

    Raises:
        ConfigError: if the order does not fit the series.
    """
    if not 0 <= order < x.shape[1]:
        raise ConfigError(
            f"order {order} does not fit a series of {x.shape[1]} steps: use an order below that."
        )
    x = exactly(x)
    total = vecdot(x, x)[:, None]
    forward = backward = x
    reflections = [x[:, :0]]
    for _ in range(order):
        driven = (backward[:, :-1] - warp * backward[:, 1:]).cpu().numpy()
        delayed = torch.from_numpy(lfilter([1.0], [1.0, -warp], driven, axis=1)).to(x)
        forward = forward[:, 1:]
        energy = (forward.square() + delayed.square()).sum(1, keepdim=True)
        fit = energy > 1e-26 * total
        k = -2 * vecdot(forward, delayed)[:, None] / torch.where(fit, energy, 1.0)
        k = torch.where(fit, k, 0.0).clamp(-1, 1)
        forward, backward = forward + k * delayed, delayed + k * forward
        reflections.append(k)
    reflection = torch.cat(reflections, 1)
    power = total[:, 0] / x.shape[1] * (1 - reflection.square()).prod(1)
    return Autoregression(step_up(reflection), power, reflection)


def step_up(reflection: Float[Tensor, "S p"]) -> Float[Tensor, "S p"]:
    """Convert reflection coefficients to coefficients a_1 ... a_p."""
    polynomial = torch.ones_like(reflection[:, :1])
    for k in reflection[:, :, None].unbind(1):
        polynomial = pad(polynomial, (0, 1))
        polynomial = polynomial + k * polynomial.flip(1)
    return polynomial[:, 1:]


def step_down(coefficients: Float[Tensor, "S p"]) -> Float[Tensor, "S p"]:
    """Convert a_1 ... a_p to reflection coefficients; the model is stable if all are in (-1, 1).

    If the i-th one is not in (-1, 1), those before it are undefined, and NaN.
    """
    a, reflections = coefficients, [coefficients[:, :0]]
    while a.shape[1]:
        k = a[:, -1:]
        scale = torch.where(k.abs() < 1, 1 - k.square(), torch.nan)
        a = (a[:, :-1] - k * a[:, :-1].flip(1)) / scale
        reflections.insert(1, k)
    return torch.cat(reflections, 1)


def correlation(reflection: Float[Tensor, "S p"]) -> Float[Tensor, "S lags"]:
    """Compute the autocorrelation at lags 0 ... p of a model with variance 1.

    It is the inverse of ``levinson``, except for the power.
    """
    polynomial = power = torch.ones_like(reflection[:, :1])
    r = power
    for k in reflection[:, :, None].unbind(1):
        r = torch.cat([r, -k * power - vecdot(polynomial[:, 1:], r[:, 1:].flip(1))[:, None]], 1)
        polynomial = pad(polynomial, (0, 1))
        polynomial = polynomial + k * polynomial.flip(1)
        power = power * (1 - k.square())
    return r


def log_spectrum(
    coefficients: Float[Tensor, "S p"],
    frequencies: Float[Tensor, " frequencies"],
    warp: float = 0.0,
) -> Float[Tensor, "S frequencies"]:
    """Compute the log-spectrum ``ln 1 / |A|^2`` of models with residual power 1.

    Args:
        coefficients: a_1 ... a_p.
        frequencies: in radians per step, within [0, pi].
        warp: coefficient of the scale of the coefficients.
    """
    lags = torch.arange(coefficients.shape[1] + 1, device=coefficients.device)
    angles = warp_frequencies(exactly(frequencies), warp)[:, None] * lags
    polynomial = pad(exactly(coefficients), (1, 0), value=1.0)
    real, imaginary = polynomial @ angles.cos().T, polynomial @ angles.sin().T
    return -(real.square() + imaginary.square()).log()


def warp_frequencies(
    frequencies: Float[Tensor, "*frequencies"], warp: float
) -> Float[Tensor, "*frequencies"]:
    """Convert frequencies, in radians per step, to the warped scale."""
    return frequencies + 2 * torch.atan(warp * frequencies.sin() / (1 - warp * frequencies.cos()))


def unwarp(
    coefficients: Float[Tensor, "S p"], warp: float
) -> tuple[Float[Tensor, " terms"], Float[Tensor, "S terms"]]:
    """Convert warped models to exact filters ``(1 - warp z^-1)^p / B(z)``, in powers of z^-1.

    The published conversion has the poles only; its error is tens of decibels.

    Returns:
        The numerator, which all models share, and the denominators ``B``, whose first coefficient
        is not 1.
    """
    order = coefficients.shape[1]
    grow, shift = np.array([1.0, -warp]), np.array([-warp, 1.0])
    rows = []
    for k in range(order + 1):
        row = np.ones(1)
        for i in range(order):
            row = np.convolve(row, shift if i < k else grow)
        rows.append(row)
    terms = torch.from_numpy(np.array(rows)).to(coefficients.device)
    return terms[0], pad(exactly(coefficients), (1, 0), value=1.0) @ terms


def _pairs(x: Float[Tensor, "S L"], size: int) -> Float[Tensor, "S lags"]:
    """Sum the products of all pairs of values at each lag, by Fourier transforms."""
    return torch.fft.irfft(torch.fft.rfft(x, size).abs().square(), size)


def _fast(size: int) -> int:
    """Return a power of two at least as large, for fast Fourier transforms."""
    return 1 << (size - 1).bit_length()


@lru_cache(maxsize=32)
def _selection(length: int, lags: int, fraction: float) -> Float[Tensor, "L lags"]:
    """Compute the weight of each lag in each lag of the band.

    Args:
        length: lags of the full autocorrelation, L.
        lags: largest lag of the band.
        fraction: width of the band as a fraction of all frequencies, in (0, 1].
    """
    lag = torch.arange(length, dtype=torch.float64)[:, None] * fraction
    k = torch.arange(lags + 1, dtype=torch.float64)
    weights = fraction / 2 * (torch.sinc(lag - k) + torch.sinc(lag + k))
    weights[1:] *= 2
    return weights


@lru_cache(maxsize=32)
def _warping(length: int, lags: int, warp: float) -> Float[Tensor, "L lags"]:
    """Compute the weight of each lag in each warped lag, as an integral on a fine grid."""
    if not -1 < warp < 1:
        raise ConfigError(f"warp {warp} must be between -1 and 1.")
    size = 8 * _fast(length + lags)
    frequencies = torch.arange(size, dtype=torch.float64) * (2 * pi / size)
    frequencies = torch.where(frequencies > pi, frequencies - 2 * pi, frequencies)
    targets = warp_frequencies(frequencies, warp)[:, None] * torch.arange(lags + 1)
    weights = torch.fft.fft(targets.cos(), dim=0).real[:length] / size
    weights[1:] *= 2
    return weights
