"""Quantiles of one member of a mix over any horizon, whether or not it has a distribution."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch
from tslm.uncertainty.distributions.quantile import FINE
from tslm.uncertainty.past_changes import quantiles_of_changes

LEVELS = FINE  # quantile levels at which members are combined
MEDIAN = LEVELS.index(0.5)


def levels() -> Float[Tensor, " Q"]:
    """Return the quantile levels of ``LEVELS`` in float64."""
    return torch.tensor(LEVELS, dtype=torch.float64)


@torch.no_grad()
def quantiles_of(
    member: Forecaster, batch: Batch, horizon: int, season_length: int
) -> Float[Tensor, "Q B H C"]:
    """Return the quantiles of a member at each level of ``LEVELS``, in ascending order.

    A member without a distribution gets the width of past changes of each series. Beyond the
    horizon of its own distribution a member is rolled out by its medians. The widths of later
    segments then include the width at the end of the segment before: both are added as squares,
    as those of independent errors.

    Args:
        member: a rule or a trained model.
        batch: contexts, with the times of the steps after them.
        horizon: steps to forecast, H.
        season_length: steps of a season.
    """
    if not member.distribution_horizon:
        point = member.forecast(batch, horizon)
        ones = torch.ones(horizon)
        return quantiles_of_changes(batch.past, season_length, point, ones, levels())
    if horizon <= member.distribution_horizon:
        found = member.distribution(batch, horizon).quantile(levels()).to(batch.past)
        return found.sort(0).values
    return _rolled(member, batch, horizon)


def _rolled(member: Forecaster, batch: Batch, horizon: int) -> Float[Tensor, "Q B H C"]:
    """Return quantiles beyond the horizon of the member's own distribution."""
    step, context = member.step, batch.past.shape[1]
    series, parts = batch.past, []
    before = batch.past.new_zeros(len(LEVELS), len(series), 1, series.shape[2])
    for start in range(0, horizon, step):
        window = batch._replace(past=series).since(start)
        found = member.distribution(window, step).quantile(levels()).to(series).sort(0).values
        median = found[MEDIAN]
        width = found - median
        width = torch.sign(width) * (width.square() + before.square()).sqrt()
        parts.append(median + width)
        before = width[:, :, -1:]
        series = torch.cat([series, median], 1)
    assert series.shape[1] >= context + horizon
    return torch.cat(parts, 2)[:, :, :horizon]


def fitted_to(batch: Batch, context_length: int) -> Batch:
    """Return windows with a context of exactly ``context_length`` steps.

    A longer context loses its oldest steps. A shorter one begins with missing values, whose times
    count backwards from its first step, and whose covariates are those of that step.
    """
    surplus = batch.past.shape[1] - context_length
    if surplus >= 0:
        return batch.since(surplus)
    step = batch.time[:, 1:2] - batch.time[:, :1]
    back = torch.arange(surplus, 0, device=step.device)
    time = torch.cat([batch.time[:, :1] + back * step, batch.time], 1)
    past = pad(batch.past, (0, 0, -surplus, 0), value=torch.nan)
    known = batch.known
    if known is not None:
        first = known.values[:, :1].expand(-1, -surplus, -1)
        known = known._replace(values=torch.cat([first, known.values], 1))
    return batch._replace(past=past, time=time, known=known)


def without_padding(batch: Batch) -> Batch:
    """Return windows without the first steps that are missing in all of them."""
    seen = (~batch.past.isnan()).any(2).any(0)
    padding = min(int(seen.long().argmax()), batch.past.shape[1] - 1)
    return fitted_to(batch, batch.past.shape[1] - padding)


def pinball(
    quantiles: Float[Tensor, "Q B H C"], truth: Float[Tensor, "B H C"]
) -> Float[Tensor, "B C"]:
    """Return the pinball loss of each window and channel, averaged over levels and steps.

    It is NaN for a window without an observed step.

    Args:
        quantiles: at each level of ``LEVELS``.
        truth: observed values; NaN where missing.
    """
    level = rearrange(levels().to(quantiles), "Q -> Q 1 1 1")
    gap = truth - quantiles
    loss = torch.maximum(level * gap, (level - 1) * gap).mean(0)
    return loss.nanmean(1)
