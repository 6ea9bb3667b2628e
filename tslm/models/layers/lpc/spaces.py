"""Spaces in which spectra are averaged and compared: a model of a frame as a vector, and back.

Itakura & Saito 1975 (line spectra); Martin, "A metric for ARMA processes", 2000 (cepstra); Anjum,
"LiPCoT", arXiv 2408.07292, section 2 (the two published spaces). The power of a model is left out
of the vector but for the published spaces.
"""

from abc import ABC, abstractmethod
from math import sqrt

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import pad

from tslm.models.layers.lpc.burg import Autoregression
from tslm.models.layers.lpc.linear_prediction import levinson, step_down, step_up

GRID = 512  # frequencies from 0 to pi at which a log-spectrum is turned into a filter
TINY = 1e-300  # a power below counts as this much, so that its logarithm is finite
_EDGE = 1 - 1e-9  # largest reflection of which the log-area is finite


class Space(ABC):
    """Vectors of models, compared by their Euclidean distance.

    ``published`` spaces are z-scored, hold the power too, and have centres that need not be stable.
    """

    published: bool = False

    @abstractmethod
    def encode(self, model: Autoregression) -> Float[Tensor, "S d"]:
        """The vector of each model."""

    @abstractmethod
    def decode(self, vectors: Float[Tensor, "S d"], order: int) -> Float[Tensor, "S p"]:
        """Coefficients of the filter each vector means."""


class LogSpectrum(Space):
    """``sqrt(2) c_1 ... sqrt(2) c_2p``: the distance is the RMS difference of log-spectra.

    By Parseval ``|z - z'|^2 = (1/2 pi) int (ln 1/|A|^2 - ln 1/|A'|^2)^2 dw``, but for what
    cepstra beyond 2p hold. A centre is the geometric mean of spectra.
    """

    def encode(self, model: Autoregression) -> Float[Tensor, "S d"]:
        return sqrt(2) * cepstrum(model.coefficients, 2 * model.coefficients.shape[1])

    def decode(self, vectors: Float[Tensor, "S d"], order: int) -> Float[Tensor, "S p"]:
        spectrum = torch.fft.hfft(pad(vectors / sqrt(2), (1, 0)), 2 * GRID)  # ln 1/|A|^2
        return levinson(torch.fft.irfft(spectrum[:, : GRID + 1].exp())[:, : order + 1]).coefficients


class LogArea(Space):
    """``atanh k_1 ... atanh k_p``: any vector is a stable filter."""

    def encode(self, model: Autoregression) -> Float[Tensor, "S d"]:
        return model.reflection.clamp(-_EDGE, _EDGE).atanh()

    def decode(self, vectors: Float[Tensor, "S d"], order: int) -> Float[Tensor, "S p"]:
        return step_up(vectors.tanh())


class LineSpectrum(Space):
    """Line spectral frequencies, rising within (0, pi): means of them are stable filters."""

    def encode(self, model: Autoregression) -> Float[Tensor, "S d"]:
        return line_spectrum(step_up(model.reflection.clamp(-_EDGE, _EDGE)))

    def decode(self, vectors: Float[Tensor, "S d"], order: int) -> Float[Tensor, "S p"]:
        return from_line_spectrum(vectors)


class PublishedLPC(Space):
    """``a_1 ... a_p, log10 E``: what LiPCoT's results were made with."""

    published = True

    def encode(self, model: Autoregression) -> Float[Tensor, "S d"]:
        return torch.cat([model.coefficients, model.power.clamp(min=TINY).log10()[:, None]], 1)

    def decode(self, vectors: Float[Tensor, "S d"], order: int) -> Float[Tensor, "S p"]:
        return stabilised(vectors[:, :-1])


class PublishedCepstrum(Space):
    """``ln E, c_1, sqrt(2) c_2 ... sqrt(p) c_p``; the weights are lost in the z-score."""

    published = True

    def encode(self, model: Autoregression) -> Float[Tensor, "S d"]:
        order = model.coefficients.shape[1]
        c = cepstrum(model.coefficients, order) * self._weights(order, model.power)
        return torch.cat([model.power.clamp(min=TINY).log()[:, None], c], 1)

    def decode(self, vectors: Float[Tensor, "S d"], order: int) -> Float[Tensor, "S p"]:
        return stabilised(from_cepstrum(vectors[:, 1:] / self._weights(order, vectors)))

    @staticmethod
    def _weights(order: int, like: Tensor) -> Float[Tensor, " p"]:
        return torch.arange(1, order + 1, dtype=like.dtype, device=like.device).sqrt()


SPACES: dict[str, Space] = {
    "logspec": LogSpectrum(),
    "lar": LogArea(),
    "lsf": LineSpectrum(),
    "lpc_paper": PublishedLPC(),
    "cepstrum_paper": PublishedCepstrum(),
}


def cepstrum(coefficients: Float[Tensor, "S p"], n: int) -> Float[Tensor, "S n"]:
    """``c_1 ... c_n`` of ``ln 1/|A|^2 = sum_k 2 c_k cos(k w)``; c_0, the log power, is left out.

    ``c_n = -a_n - sum_{i=1}^{n-1} (1 - i/n) a_i c_{n-i}``, with a_i = 0 beyond the order.
    """
    order = coefficients.shape[1]
    a = pad(coefficients, (0, max(n - order, 0)))
    c = coefficients[:, :0]
    for m in range(1, n + 1):
        i = torch.arange(1, m, dtype=a.dtype, device=a.device)
        rest = ((1 - i / m) * a[:, : m - 1] * c.flip(1)).sum(1)
        c = torch.cat([c, (-a[:, m - 1] - rest)[:, None]], 1)
    return c


def from_cepstrum(c: Float[Tensor, "S p"]) -> Float[Tensor, "S p"]:
    """Coefficients whose first p cepstra these are: the inverse of ``cepstrum``."""
    a = c[:, :0]
    for m in range(1, c.shape[1] + 1):
        i = torch.arange(1, m, dtype=c.dtype, device=c.device)
        rest = ((1 - i / m) * a * c[:, : m - 1].flip(1)).sum(1)
        a = torch.cat([a, (-c[:, m - 1] - rest)[:, None]], 1)
    return a


def line_spectrum(coefficients: Float[Tensor, "S p"]) -> Float[Tensor, "S p"]:
    """Angles of the roots of ``A(z) +- z^-(p+1) A(1/z)``, rising within (0, pi)."""
    order = coefficients.shape[1]
    if not order:
        return coefficients
    a = pad(coefficients, (1, 1))
    a[:, 0] = 1
    angles = []
    for sign in (1, -1):
        angle = roots(_divided(a + sign * a.flip(1), _trivial(order, sign))).angle()
        angles.append(angle.sort(1).values[:, angle.shape[1] // 2 :])
    return torch.cat(angles, 1).sort(1).values


def from_line_spectrum(frequencies: Float[Tensor, "S p"]) -> Float[Tensor, "S p"]:
    """Coefficients of the filter with these line spectral frequencies."""
    order = frequencies.shape[1]
    halves = []
    for sign, first in ((1, 0), (-1, 1)):
        polynomial = torch.ones_like(frequencies[:, :1])
        for angle in frequencies[:, first::2, None].unbind(1):
            ones = torch.ones_like(angle)
            polynomial = _times(polynomial, torch.cat([ones, -2 * angle.cos(), ones], 1))
        for root in _trivial(order, sign):
            factor = polynomial.new_tensor([[1.0, -root]]).expand(len(polynomial), -1)
            polynomial = _times(polynomial, factor)
        halves.append(polynomial)
    return ((halves[0] + halves[1]) / 2)[:, 1 : order + 1]


def stabilised(coefficients: Float[Tensor, "S p"]) -> Float[Tensor, "S p"]:
    """The same filters, poles outside the unit circle mirrored into it."""
    unstable = ~(step_down(coefficients).abs() < 1).all(1)
    if not unstable.any():
        return coefficients
    poles = roots(pad(coefficients[unstable], (1, 0), value=1.0))
    size = poles.abs()
    poles = torch.where(size >= 1, poles / size.clamp(min=1) ** 2 * _EDGE, poles)
    polynomial = torch.ones_like(poles[:, :1])
    for pole in poles[:, :, None].unbind(1):
        polynomial = _times(polynomial, torch.cat([torch.ones_like(pole), -pole], 1))
    fixed = coefficients.clone()
    fixed[unstable] = polynomial.real[:, 1:]
    return fixed


def roots(polynomial: Float[Tensor, "S q"]) -> Complex[Tensor, "S p"]:
    """Roots of polynomials in z^-1 (as values of z) whose first coefficient is 1."""
    order = polynomial.shape[1] - 1
    companion = polynomial.new_zeros(len(polynomial), order, order)
    companion.diagonal(-1, 1, 2).fill_(1)
    companion[:, :1] = -polynomial[:, None, 1:]
    return torch.linalg.eigvals(companion)


def _trivial(order: int, sign: int) -> tuple[int, ...]:
    """Roots at 1 and -1 that every line spectrum polynomial of this sign has."""
    if order % 2:
        return () if sign == 1 else (1, -1)
    return (-sign,)


def _divided(polynomial: Float[Tensor, "S q"], known: tuple[int, ...]) -> Float[Tensor, "S r"]:
    """Divide out roots (synthetic division)."""
    for root in known:
        terms = [polynomial[:, 0]]
        for k in range(1, polynomial.shape[1] - 1):
            terms.append(polynomial[:, k] + root * terms[-1])
        polynomial = torch.stack(terms, 1)
    return polynomial


def _times(a: Tensor, b: Tensor) -> Tensor:
    """Products of polynomials, row by row."""
    product = a.new_zeros(len(a), a.shape[1] + b.shape[1] - 1)
    for k in range(b.shape[1]):
        product[:, k : k + a.shape[1]] += a * b[:, k : k + 1]
    return product
