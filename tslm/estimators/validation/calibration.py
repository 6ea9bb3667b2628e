"""Calibration of intervals, and of the effect of past covariates, on validation windows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from math import ceil
from typing import Any

import numpy as np
import torch

from tslm.core.calendar import Ints
from tslm.core.errors import warn
from tslm.core.forecaster import Forecaster
from tslm.core.shrinkage import Shrinkage
from tslm.data.batches import Batches
from tslm.data.covariates.regression import CAUTION
from tslm.data.panel import Panel, rows_of
from tslm.data.samplers import evenly_spaced
from tslm.data.windows import Windows
from tslm.uncertainty.conformal.base import ENOUGH, Conformal
from tslm.uncertainty.conformal.methods import conformal_class, fit_conformal, validation_windows
from tslm.uncertainty.conformal.residual import FEW
from tslm.uncertainty.past_changes import fit_changes

MOST_VALIDATION_WINDOWS = 1024  # forecast during training, and to shrink effects
ROWS_AT_ONCE = 1_000_000  # of a panel, about, whose validation rows are counted at once


@dataclass(frozen=True)
class ValidationRows:
    """Validation rows of a panel, and the lengths of the windows that a forecaster needs.

    Attributes:
        panel: the series.
        split: first validation row of each series.
        context_length: rows of a context.
        horizon: forecast steps.
    """

    panel: Panel
    split: Ints
    context_length: int
    horizon: int

    def windows(self, model: Forecaster, limit: int) -> Batches:
        """Return at most ``limit`` windows whose future is validation rows, evenly spaced.

        Contexts of short series begin with padding. The limit is counted for each channel.
        """
        return _windows(model, self.panel, self.split, self.horizon, self.context_length, limit)

    def shorter(self, model: Forecaster, limit: int) -> Iterator[Batches]:
        """Yield windows at the end of the series for less and less steps.

        At first the future is at most half of the longest series, then half of that, and so on, so
        that some contexts are long.
        """
        steps = min(self.horizon, (int(self.panel.lengths.max()) + 1) // 2)
        while steps:
            split = self.panel.lengths - 2 * steps
            yield _windows(model, self.panel, split, steps, self.context_length, limit)
            steps //= 2

    @property
    def independent(self) -> float:
        """Return the number of windows that fit without overlap, by the rows that have a value."""
        panel, split = self.panel, self.split
        first = np.where(panel.lengths - split >= self.horizon, split, panel.lengths)
        starts, lengths = panel.offsets[:-1] + first, panel.lengths - first
        known = 0
        for some in np.array_split(np.arange(len(panel)), len(panel.values) // ROWS_AT_ONCE + 1):
            known += int((~panel.values[rows_of(starts[some], lengths[some])].isnan()).sum())
        return known / self.horizon


def _windows(
    model: Forecaster, panel: Panel, split: Ints, steps: int, context_length: int, limit: int
) -> Batches:
    lengths: dict[str, Any] = {"future_length": steps, "multivariate": model.multivariate}
    every = Windows(panel, context_length=1, start=split, **lengths)
    number = max(limit // every.channels, 1)
    some = evenly_spaced(len(every), number) if len(every) else torch.arange(0)
    where = (every.series(some), every.position(some))
    rows = max(context_length, model.reach)
    return Batches(Windows.at(panel, *where, context_length=rows, **lengths))


def calibrate(
    model: Forecaster, rows: ValidationRows, season_length: int, method: str, few: str
) -> Conformal:
    """Calibrate intervals by the errors of a trained forecaster on validation rows.

    Where these are too few, widths come from past changes of the series; the ends of the series
    show if the forecaster has been further off than these.

    Args:
        model: the trained forecaster.
        rows: validation rows.
        season_length: steps of the main season.
        method: conformal method.
        few: conformal method where validation rows are too few.
    """
    h, independent = rows.horizon, rows.independent
    limit = validation_windows(method, model, h)
    if independent >= ENOUGH:
        windows = rows.windows(model, limit)
        return fit_conformal(method, model, windows, season_length, h, independent)
    if conformal_class(few).fallback is None:  # it uses no past changes, so none are computed
        return conformal_class(few).of_changes(season_length, h, independent)
    ends = rows.shorter(model, min(limit, FEW))
    season, stretch = fit_changes(model, chain.from_iterable(ends), season_length)
    return conformal_class(few).of_changes(season, h, independent, stretch)


def warn_if_not_calibrated(calibration: Conformal, series: int, h: int) -> None:
    """Warn if intervals do not come from errors on validation windows.

    Args:
        calibration: intervals of a fitted estimator.
        series: number of series of ``fit``.
        h: forecast steps.
    """
    if calibration.learnt or calibration.fallback is None:
        return
    rows = ceil(ENOUGH / max(series, 1)) * h
    warn(
        f"The validation rows are {calibration.independent:.2g} times as long as h, too few to "
        f"measure the width of intervals. It comes from {calibration.fallback}. Give longer "
        f"series, or set val_size={rows} or more, to measure it."
    )


def lagged_shrinkage(model: Forecaster, rows: ValidationRows, name: str) -> float:
    """Return the shrinkage of the effect of past covariates, in [0, 1], on validation windows.

    The effect was estimated beside a linear rule, and the forecaster may predict a part of it
    from the series alone. Without validation windows the shrinkage is 1. Warns if it is 0.

    Args:
        model: the trained forecaster.
        rows: validation rows; the panel has a lagged effect.
        name: name of the forecaster, for the warning.
    """
    without = replace(rows.panel, effects=rows.panel.effects.without_lagged())
    with_effect = rows.windows(model, MOST_VALIDATION_WINDOWS)
    without_effect = replace(rows, panel=without).windows(model, MOST_VALIDATION_WINDOWS)
    shrinkage = Shrinkage()
    for one, other in zip(with_effect, without_effect, strict=True):
        ahead = model.forecast(one, rows.horizon)
        rest, effect = (other.future - part for part in (ahead, one.future))
        shrinkage.add(rest, effect)
    factor = shrinkage.factor(CAUTION)
    if not factor:
        warn(
            "On validation windows past covariates (hist_exog) did not improve forecasts of "
            f"{name}; they are ignored."
        )
    return factor
