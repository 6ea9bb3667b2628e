"""Scores of validation rows, by distributions that were learnt from other validation rows."""

from collections.abc import Sequence

import numpy as np
import torch

from tslm.core.float64 import exactly
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch
from tslm.uncertainty.conformal.base import Conformal
from tslm.uncertainty.conformal.likelihood import LEVELS, likelihood
from tslm.uncertainty.conformal.residual import FEW
from tslm.uncertainty.conformal.validation_errors import ValidationErrors
from tslm.uncertainty.conformal.window_forecast import WindowForecast
from tslm.uncertainty.p_values import ScoreTail


@torch.no_grad()
def score_tail(
    found: Conformal, forecaster: Forecaster, val: Sequence[Batch], errors: ValidationErrors
) -> ScoreTail:
    """Return the distribution of the scores of validation rows, see ``likelihood``.

    The windows of the first half are scored by a distribution that was learnt from the second half,
    and the other way round. Where a distribution is rolled out only the steps that the forecaster
    gives itself are scored.

    Args:
        found: the fitted method.
        forecaster: trained.
        val: windows with the steps that follow them.
        errors: the errors of their point forecasts.
    """
    starts = [b.time[:, b.past.shape[1]] for b in val]
    middle = torch.cat(starts).sort().values[sum(map(len, starts)) // 2]
    early, late = _halves(found, errors, sum(int((s < middle).sum()) for s in starts))
    rolls = found.corrects_quantiles or not found.n_levels  # it uses the forecaster's distribution
    horizon = errors.errors.shape[1]
    steps = min(horizon, forecaster.distribution_horizon) if rolls else horizon
    if not steps:  # points alone, without intervals
        return found.tail
    levels, one, scores = torch.from_numpy(LEVELS), np.ones(1), []
    for batch, start, point in zip(val, starts, errors.points, strict=True):
        keys = list(range(point.shape[0] * point.shape[2]))
        forecast = WindowForecast(forecaster, batch, point[:, :steps], keys)
        at = late.distribution(forecast).quantile(levels)
        if late is not early:
            other = early.distribution(forecast).quantile(levels)
            at = torch.where((start < middle)[:, None, None], at, other)
        law, truth = (exactly(part.cpu()).numpy() for part in (at, batch.future[:, :steps]))
        scores.append(np.abs(likelihood(law, truth, one).score).ravel())
    return ScoreTail.of(np.concatenate(scores), found.independent * horizon)


def _halves(
    found: Conformal, errors: ValidationErrors, windows: int
) -> tuple[Conformal, Conformal]:
    """Return the method learnt from the first windows, and from the others.

    Where nothing is learnt, or from too few, both are the method learnt from all.
    """
    rows = windows * (len(errors.errors) // sum(len(point) for point in errors.points))
    if not found.n_levels or min(rows, len(errors.errors) - rows) < FEW:
        return found, found
    parts = (slice(None, rows), slice(rows, None))
    early, late = (type(found).fit(errors.part(some)) for some in parts)
    return early, late
