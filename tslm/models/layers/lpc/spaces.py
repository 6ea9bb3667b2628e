"""Vector spaces in which spectra are averaged and compared, with conversions to and from filters.

Itakura & Saito 1975 (line spectra); Martin, "A metric for ARMA processes", 2000 (cepstra); Anjum,
"LiPCoT", arXiv 2408.07292, section 2 (the two published spaces). Only the published spaces include
the power of a model in the vector.
"""

from abc import ABC, abstractmethod
from math import sqrt

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn.functional import pad

from tslm.models.layers.lpc.burg import Autoregression
from tslm.models.layers.lpc.linear_prediction import levinson, step_down, step_up

GRID = 512  # frequencies from 0 to pi for conversions of log-spectra to filters; chosen by hand
TINY = 1e-300  # smallest power, so that its logarithm is finite in float64
_EDGE = 1 - 1e-9  # largest reflection coefficient, so that its log-area is finite


class Space(ABC):
    """Vector space of models with the Euclidean distance.

    Attributes:
        published: True for a space of the paper: its vectors are z-scored and include the power,
            and its cluster centres can be unstable filters.
    """

    published: bool = False

    @abstractmethod
    def encode(self, model: Autoregression) -> Float[Tensor, "S entries"]:
        """Convert each model to a vector."""

    @abstractmethod
    def decode(self, vectors: Float[Tensor, "S entries"], order: int) -> Float[Tensor, "S p"]:
        """Convert each vector to the coefficients of a filter."""


class LogSpectrum(Space):
    """Cepstra ``sqrt(2) c_1 ... sqrt(2) c_2p``: the distance is the RMS difference of log-spectra.

    By Parseval ``|z - z'|^2 = (1/2 pi) int (ln 1/|A|^2 - ln 1/|A'|^2)^2 dw``, except for the
    cepstra beyond 2p. A centre is the geometric mean of spectra.
    """

    def encode(self, model: Autoregression) -> Float[Tensor, "S entries"]:
        return sqrt(2) * cepstrum(model.coefficients, 2 * model.coefficients.shape[1])

    def decode(self, vectors: Float[Tensor, "S entries"], order: int) -> Float[Tensor, "S p"]:
        spectrum = torch.fft.hfft(pad(vectors / sqrt(2), (1, 0)), 2 * GRID)  # ln 1/|A|^2
        return levinson(torch.fft.irfft(spectrum[:, : GRID + 1].exp())[:, : order + 1]).coefficients


class LogArea(Space):
    """Log-area ratios ``atanh k_1 ... atanh k_p``: any vector is a stable filter."""

    def encode(self, model: Autoregression) -> Float[Tensor, "S entries"]:
        return model.reflection.clamp(-_EDGE, _EDGE).atanh()

    def decode(self, vectors: Float[Tensor, "S entries"], order: int) -> Float[Tensor, "S p"]:
        return step_up(vectors.tanh())


class LineSpectrum(Space):
    """Line spectral frequencies, increasing within (0, pi): their means are stable filters."""

    def encode(self, model: Autoregression) -> Float[Tensor, "S entries"]:
        return line_spectrum(step_up(model.reflection.clamp(-_EDGE, _EDGE)))

    def decode(self, vectors: Float[Tensor, "S entries"], order: int) -> Float[Tensor, "S p"]:
        return from_line_spectrum(vectors)


class PublishedLPC(Space):
    """Coefficients ``a_1 ... a_p, log10 E``, with which LiPCoT's results were computed."""

    published = True

    def encode(self, model: Autoregression) -> Float[Tensor, "S entries"]:
        return torch.cat([model.coefficients, model.power.clamp(min=TINY).log10()[:, None]], 1)

    def decode(self, vectors: Float[Tensor, "S entries"], order: int) -> Float[Tensor, "S p"]:
        return stabilised(vectors[:, :-1])


class PublishedCepstrum(Space):
    """Cepstra ``ln E, c_1, sqrt(2) c_2 ... sqrt(p) c_p``; the z-score cancels the weights."""

    published = True

    def encode(self, model: Autoregression) -> Float[Tensor, "S entries"]:
        order = model.coefficients.shape[1]
        c = cepstrum(model.coefficients, order) * self._weights(order, model.power)
        return torch.cat([model.power.clamp(min=TINY).log()[:, None], c], 1)

    def decode(self, vectors: Float[Tensor, "S entries"], order: int) -> Float[Tensor, "S p"]:
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


def cepstrum(coefficients: Float[Tensor, "S p"], n: int) -> Float[Tensor, "S cepstra"]:
    """Compute ``c_1 ... c_n`` of ``ln 1/|A|^2 = sum_k 2 c_k cos(k w)``, without the log power c_0.

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
    """Convert the first p cepstra to coefficients: the inverse of ``cepstrum``."""
    a = c[:, :0]
    for m in range(1, c.shape[1] + 1):
        i = torch.arange(1, m, dtype=c.dtype, device=c.device)
        rest = ((1 - i / m) * a * c[:, : m - 1].flip(1)).sum(1)
        a = torch.cat([a, (-c[:, m - 1] - rest)[:, None]], 1)
    return a


def line_spectrum(coefficients: Float[Tensor, "S p"]) -> Float[Tensor, "S p"]:
    """Compute the angles of the roots of ``A(z) +- z^-(p+1) A(1/z)``, increasing within (0, pi)."""
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
    """Convert line spectral frequencies to coefficients."""
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
    """Mirror poles outside the unit circle into it; stable filters are unchanged."""
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


def roots(polynomial: Float[Tensor, "S terms"]) -> Complex[Tensor, "S p"]:
    """Compute the roots z of polynomials in z^-1 whose first coefficient is 1."""
    order = polynomial.shape[1] - 1
    companion = polynomial.new_zeros(len(polynomial), order, order)
    companion.diagonal(-1, 1, 2).fill_(1)
    companion[:, :1] = -polynomial[:, None, 1:]
    return torch.linalg.eigvals(companion)


def _trivial(order: int, sign: int) -> tuple[int, ...]:
    """Return the roots at 1 and -1 that all line spectrum polynomials of this sign have."""
    if order % 2:
        return () if sign == 1 else (1, -1)
    return (-sign,)


def _divided(
    polynomial: Float[Tensor, "S terms"], known: tuple[int, ...]
) -> Float[Tensor, "S fewer"]:
    """Divide polynomials by known roots (synthetic division)."""
    for root in known:
        terms = [polynomial[:, 0]]
        for k in range(1, polynomial.shape[1] - 1):
            terms.append(polynomial[:, k] + root * terms[-1])
        polynomial = torch.stack(terms, 1)
    return polynomial


def _times(a: Tensor, b: Tensor) -> Tensor:
    """Multiply polynomials, row by row."""
    product = a.new_zeros(len(a), a.shape[1] + b.shape[1] - 1)
    for k in range(b.shape[1]):
        product[:, k : k + a.shape[1]] += a * b[:, k : k + 1]
    return product
