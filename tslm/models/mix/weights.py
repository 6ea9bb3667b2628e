"""Weights of the members of a mix, from their losses."""

import torch
from jaxtyping import Float
from torch import Tensor

POWER = 2.0  # weights fall with the loss of one window to this power
POWER_OF_MANY = 16.0  # the same with the mean loss of many windows; see docs/mix.md
POOR = 1.7  # multiple of the smallest loss above which a member is left out; see docs/mix.md
LEAST = 0.1  # least loss, as a fraction of the mean loss: no member takes all; chosen by hand
FAMILIAR = 16.0  # windows that count as much as the prior of equal weights; chosen by hand


def inverse_losses(losses: Float[Tensor, "... M"], power: float = POWER) -> Float[Tensor, "... M"]:
    """Return weights that fall with the loss; they sum to 1.

    Weights proportional to inverse squared errors: Bates and Granger, "The Combination of
    Forecasts", Operational Research Quarterly 20, 1969. Losses that are all 0 give equal weights.

    Args:
        losses: loss of each member, at least 0; infinite for a member that has none.
        power: 0 gives equal weights.
    """
    finite = torch.isfinite(losses)
    mean = torch.where(finite, losses, 0).sum(-1, keepdim=True) / finite.sum(-1, keepdim=True)
    relative = torch.where(mean > 0, losses / mean, 1.0).clamp(min=LEAST)
    found = torch.where(finite, relative, torch.inf) ** -power
    return found / found.sum(-1, keepdim=True)


def without_poor(losses: Float[Tensor, " M"], windows: int) -> Float[Tensor, " M"]:
    """Return the losses with those of poor members made infinite.

    A member is poor if its loss is more than ``POOR`` times the smallest. Leaving out the worst
    before combining: Timmermann, "Forecast Combinations", Handbook of Economic Forecasting 1, 2006.
    From fewer than ``FAMILIAR`` windows none is called poor.
    """
    if windows < FAMILIAR:
        return losses
    least = torch.maximum(losses.min(), LEAST * losses.mean())
    return torch.where(losses <= POOR * least, losses, torch.inf)


def shrunk_to_equal(weights: Float[Tensor, " M"], windows: int) -> Float[Tensor, " M"]:
    """Return weights that are the nearer to equal ones the fewer windows they were learnt from.

    Members without weight stay so.
    """
    trust = windows / (windows + FAMILIAR)
    members = weights > 0
    return trust * weights + (1 - trust) * members / members.sum()


def weighted_mean(
    values: Float[Tensor, "M ... C"], weights: Float[Tensor, "M ... C"]
) -> Float[Tensor, "... C"]:
    """Return the mean of the members' values by their weights, which sum to 1."""
    return (values * weights).sum(0)


def weighted_median(
    values: Float[Tensor, "M ... C"], weights: Float[Tensor, "M ... C"]
) -> Float[Tensor, "... C"]:
    """Return the median of the members' values by their weights, which sum to 1.

    Each value stands at the middle of its weight; between two of them the median is linear. So it
    moves without jumps as weights change.
    """
    ordered, order = values.sort(0)
    own = weights.expand_as(values).gather(0, order)
    middle = own.cumsum(0) - own / 2
    above = (middle < 0.5).sum(0, keepdim=True).clamp(max=len(values) - 1)
    below = (above - 1).clamp(min=0)
    (low, high), (left, right) = (
        (part.gather(0, below)[0], part.gather(0, above)[0]) for part in (ordered, middle)
    )
    way = ((0.5 - left) / (right - left)).nan_to_num(1.0).clamp(0, 1)
    return low + way * (high - low)
