"""Nonlinear least squares for many small problems at once, by the Levenberg-Marquardt method.

Marquardt, "An algorithm for least-squares estimation of nonlinear parameters", J. SIAM 11, 1963.
Derivatives are forward differences. Each problem ends on its own, so that none depends on the
others.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Residuals = Callable[[Tensor, Tensor], Tensor]  # points [n, P, D], problems [n] -> [n, P, N]

_STEP = 1e-6  # of the differences
_DAMPINGS = (0.1, 1.0, 10.0)  # factors on the damping that an iteration tries
_HARDER = 100.0  # factor on the damping after an iteration without progress
_LARGEST = 1e8  # damping at which a problem ends


class Minimum(NamedTuple):
    """Points of the smallest sums of squares that were found, and these sums."""

    point: Float[Tensor, "n D"]
    value: Float[Tensor, " n"]


def least_squares(
    residuals: Residuals,
    start: Float[Tensor, "n D"],
    free: Bool[Tensor, "n D"],
    *,
    iterations: int,
    enough: float = 1e-5,
) -> Minimum:
    """Minimise the sum of squares of each problem from its start.

    Args:
        residuals: returns N residuals at P points of each of some problems, given by their numbers;
            not finite where a point is not allowed.
        start: first points.
        free: False for coordinates that stay as they are.
        iterations: most iterations.
        enough: relative progress of an iteration below which a problem ends.
    """
    point, active = start.clone(), torch.arange(len(start), device=start.device)
    current = residuals(point[:, None], active)[:, 0]
    value = _sum(current)
    damping = torch.full_like(value, 1e-2)
    for _ in range(iterations):
        here, now = point[active], current[active]
        gain = _jacobian(residuals, here, now, active) * free[active][:, :, None]
        best, rest, places = _best_step(residuals, here, now, gain, damping[active], active)
        least = _sum(rest)
        better = least < value[active]
        ends = ~(least < value[active] * (1 - enough)) & (better | (damping[active] > _LARGEST))
        factor = here.new_tensor(_DAMPINGS)[places].where(better, here.new_tensor(_HARDER))
        damping[active] *= factor
        moved = active[better]
        point[moved], current[moved], value[moved] = best[better], rest[better], least[better]
        active = active[~ends]
        if not len(active):
            break
    return Minimum(point, value)


def _sum(residuals: Float[Tensor, "*n N"]) -> Float[Tensor, "*n"]:
    """Return the sum of squares; infinite where a residual is not finite."""
    return torch.nan_to_num(residuals.square().sum(-1), nan=torch.inf, posinf=torch.inf)


def _jacobian(
    residuals: Residuals,
    point: Float[Tensor, "n D"],
    current: Float[Tensor, "n N"],
    problems: Int[Tensor, " n"],
) -> Float[Tensor, "n D N"]:
    """Return the derivatives of the residuals; 0 where they are not finite."""
    size = point.shape[1]
    steps = _STEP * torch.eye(size, dtype=point.dtype, device=point.device)
    found = residuals(point[:, None] + steps, problems)
    return torch.nan_to_num((found - current[:, None]) / _STEP, posinf=0.0, neginf=0.0)


def _best_step(
    residuals: Residuals,
    point: Float[Tensor, "n D"],
    current: Float[Tensor, "n N"],
    gain: Float[Tensor, "n D N"],
    damping: Float[Tensor, " n"],
    problems: Int[Tensor, " n"],
) -> tuple[Float[Tensor, "n D"], Float[Tensor, "n N"], Int[Tensor, " n"]]:
    """Return the best of the steps with some dampings, its residuals, and its number."""
    curve = gain @ gain.mT
    slope = (gain @ torch.nan_to_num(current)[:, :, None])[:, :, 0]
    diagonal = curve.diagonal(dim1=1, dim2=2)
    floor = diagonal.amax(1, keepdim=True).clamp(min=1e-300) * 1e-9
    weights = torch.diag_embed(diagonal + floor)
    tried = damping[:, None] * point.new_tensor(_DAMPINGS)
    systems = curve[:, None] + tried[:, :, None, None] * weights[:, None]
    right = slope[:, None, :, None].expand(-1, len(_DAMPINGS), -1, -1)
    steps = torch.linalg.solve_ex(systems, right).result[..., 0]
    points = point[:, None] - torch.nan_to_num(steps, posinf=0.0, neginf=0.0)
    found = residuals(points, problems)
    place = _sum(found).argmin(1)
    rows = torch.arange(len(point), device=point.device)
    return points[rows, place], found[rows, place], place
