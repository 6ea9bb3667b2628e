"""Burg's method: stable autoregressive models of short series.

Burg, "Maximum entropy spectral analysis", Stanford 1975. Convention: the model is
``x_t + a_1 x_(t-1) + ... + a_p x_(t-p) = e_t`` with ``E`` the power of ``e``.
"""

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, addcmul
from torch.linalg import vecdot
from torch.nn.functional import pad

from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly

_ROUNDING = 1e-26  # of the first energy: errors below it are rounding; about float64 squared


class Autoregression(NamedTuple):
    """Autoregressive models of order p, one per series.

    Args:
        coefficients: a_1 ... a_p, float64.
        power: power E of the prediction error, in squared units of the series.
        reflection: reflection coefficients k_1 ... k_p, each within [-1, 1], so that the model is
            stable.
    """

    coefficients: Float[Tensor, "S p"]
    power: Float[Tensor, " S"]
    reflection: Float[Tensor, "S p"]


def burg(
    x: Float[Tensor, "S L"], order: int, row_order: Int[Tensor, " S"] | None = None
) -> Autoregression:
    """Fit one autoregressive model per row by Burg's recursion, in float64.

    The mean is not removed. NaN marks a missing value: a prediction error counts only if all
    values it needs are observed, so gaps cut a row into stretches that share one model. Reflection
    coefficients are 0 if no stretch is long enough for them, and once errors are rounding.

    Args:
        x: series, oldest value first; NaN where missing.
        order: number of coefficients, p; fewer than L.
        row_order: order of each row, at most ``order``; its further coefficients are 0.

    Raises:
        ConfigError: if ``order`` is negative or not less than L.
    """
    if not 0 <= order < max(x.shape[1], 1):
        raise ConfigError(
            f"order {order} does not fit a series of {x.shape[1]} steps: use an order below that."
        )
    x = exactly(x)
    observed = ~torch.isnan(x)
    gaps = not observed.all()
    x = torch.nan_to_num(x)
    total = vecdot(x, x)
    polynomial = x.new_ones(len(x), 1)
    reflections = [x.new_empty(len(x), 0)]
    forward, backward, both = x[:, 1:], x[:, :-1], observed[:, 1:] & observed[:, :-1]
    for i in range(1, order + 1):
        if gaps:
            forward, backward = forward * both, backward * both
            both = both[:, 1:] & both[:, :-1]
        energy = vecdot(forward, forward) + vecdot(backward, backward)
        fit = energy > _ROUNDING * total
        if row_order is not None:
            fit &= i <= row_order
        k = -2 * vecdot(forward, backward) / torch.where(fit, energy, 1.0)
        k = torch.where(fit, k, 0.0).clamp(-1, 1)[:, None]
        forward, backward = addcmul(forward, k, backward), addcmul(backward, k, forward)
        forward, backward = forward[:, 1:], backward[:, :-1]
        polynomial = pad(polynomial, (0, 1))
        polynomial = addcmul(polynomial, k, polynomial.flip(1))
        reflections.append(k)
    reflection = torch.cat(reflections, dim=1)
    power = total / observed.sum(1).clamp(min=1) * (1 - reflection.square()).prod(1)
    return Autoregression(polynomial[:, 1:], power, reflection)


def zero_input_response(
    coefficients: Float[Tensor, "S p"], state: Float[Tensor, "S p"], horizon: int
) -> Float[Tensor, "S H"]:
    """Forecast each series by its model: ``y_h = -sum_k a_k y_(h-k)``.

    Args:
        coefficients: a_1 ... a_p.
        state: the last p values of each series, oldest first.
        horizon: steps to continue, H.
    """
    taps, window = -coefficients.flip(1), state
    values = [state[:, :0]]
    for _ in range(horizon):
        values.append(vecdot(taps, window)[:, None])
        window = torch.cat([window[:, 1:], values[-1]], dim=1)
    return torch.cat(values, dim=1)


def impulse_response(coefficients: Float[Tensor, "S p"], steps: int) -> Float[Tensor, "S steps"]:
    """Compute the response of each model to an error of 1, from the step of the error on.

    Args:
        coefficients: a_1 ... a_p.
        steps: length of the response, 1 or more.
    """
    pulse = torch.zeros_like(coefficients)
    pulse[:, -1:] = 1.0
    later = zero_input_response(coefficients, pulse, steps - 1)
    return torch.cat([torch.ones_like(coefficients[:, :1]), later], 1)


def fill_forward(
    coefficients: Float[Tensor, "S p"], x: Float[Tensor, "S steps"]
) -> Float[Tensor, "S steps"]:
    """Replace each NaN by the model's forecast from the p steps before it (0 before the first).

    Args:
        coefficients: a_1 ... a_p.
        x: series, oldest value first.
    """
    taps = -coefficients.flip(1)
    window = torch.zeros_like(taps)
    values = [x[:, :0]]
    for value in x.split(1, dim=1):
        value = torch.where(torch.isnan(value), vecdot(taps, window)[:, None], value)
        window = torch.cat([window, value], dim=1)[:, 1:]
        values.append(value)
    return torch.cat(values, dim=1)
