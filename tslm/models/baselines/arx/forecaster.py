"""Autoregression with exogenous inputs (ARX): seasons of a series and its covariates, by ridge.

The next steps are a linear function of earlier seasons of the series, and of the covariates at
these steps and in earlier seasons. The inputs are those of LEAR (Lago et al., "Forecasting
day-ahead electricity prices", Applied Energy 293, 2021), which fits a lasso for each hour of the
day. As there, ``asinh`` may compress all values, which tames spikes. The weights of all series are
then updated by the last rows of each series, which follows slow changes.
"""

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.float64 import ExactModule, exactly
from tslm.core.forecaster import Forecaster
from tslm.core.messages import whole_number
from tslm.core.types import Batch, Facts, Sizes, Task
from tslm.models.baselines.arx.compression import compress, expand, fit_compression
from tslm.models.baselines.arx.inputs import SERIES_AGO, Inputs
from tslm.models.baselines.arx.ridge import Moments, solve_each
from tslm.models.baselines.arx.windows import a_few, effect_ahead, rows_of, some, with_effect
from tslm.uncertainty.distributions.quantile import FINE, Quantiles, at_levels

PENALTY = 0.01  # of weights of inputs of variance 1, per window; chosen by hand
TRUST = (25.0, 250.0, 2_500.0, 0.0)  # candidates of ``trust``; chosen by hand
SEASONS_READ = 84  # of a series, for the update: 12 weeks of hours; chosen by hand
ROWS_READ = (512, 4096)  # fewest and most rows that are read for it; chosen by hand
WINDOWS_READ = 512  # windows of the update, evenly spaced; chosen by hand
PLAINLY = 0.9  # error without compression, as a multiple of that with it, to do without it; by hand
MEDIAN = FINE.index(0.5)
FEW = 40  # errors of which quantiles are not taken; they are then normal; chosen by hand
NORMAL = 0.79788  # mean absolute value of a standard normal variable
TINY = 1e-9


class ARX(ExactModule, Forecaster):
    """Autoregression with exogenous inputs: a linear regression for all series, updated for each.

    A pass forecasts a season, or fewer steps if it is long or there are many covariates. Longer
    horizons are forecast pass by pass. Compression and update are those with the least absolute
    error on validation windows; the errors there also give the distribution. Before ``learn`` the
    forecast is the mean of the seasons that are read.

    Args:
        task: gives context length, horizon H and season.

    Attributes:
        center: mean of each input, [K].
        gain: 1 divided by the standard deviation of each input; 0 for a constant one, [K].
        weight: the map from standardised inputs to the next F steps minus their level, [K, F].
        offset: intercept of each step, [F].
        trust: number of windows of a series that the weights of all series count as; 0 if they are
            not updated.
        compression: center and scale of values that are compressed; scale 0 if they are not.
        farthest: largest distance from the level in training; no forecast of a pass is farther.
        spread: mean absolute error at each step, as values are compressed, [H].
        shape: quantiles of the errors at ``FINE``, relative to ``spread``.
    """

    any_horizon = True
    distribution_horizon = 2**31
    reads_covariates = True
    center: Float[Tensor, " K"]
    gain: Float[Tensor, " K"]
    weight: Float[Tensor, "K F"]
    offset: Float[Tensor, " F"]
    trust: Float[Tensor, ""]
    compression: Float[Tensor, "2"]
    farthest: Float[Tensor, ""]
    spread: Float[Tensor, " H"]
    shape: Float[Tensor, " Q"]

    def __init__(self, *, task: Task) -> None:
        super().__init__()
        season = self.season_length = whole_number("season_length", task.season_length)
        self.inputs = Inputs.of(season, task.context_length)
        self.reach = int(np.clip(SEASONS_READ * season, *ROWS_READ))
        steps = min(self.inputs.recent, task.horizon)
        for name, shape in self._shapes(0, steps).items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))
        normal = torch.special.ndtri(torch.tensor(FINE, dtype=torch.float64)) / NORMAL
        for name, value in (
            ("trust", torch.zeros((), dtype=torch.float64)),
            ("compression", torch.zeros(2, dtype=torch.float64)),
            ("farthest", torch.zeros((), dtype=torch.float64)),
            ("spread", torch.ones(task.horizon, dtype=torch.float64)),
            ("shape", normal),
        ):
            self.register_buffer(name, value)

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Suggest the seasons that are read, or half of the longest series."""
        rows = SERIES_AGO[-1] * facts.season_length
        return Sizes(context_length or max(min(rows, facts.longest // 2), 1))

    def forecast(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        found = expand(self._roll(batch, horizon), self.compression)
        return found.to(batch.past) - effect_ahead(batch, horizon).to(batch.past)

    def distribution(self, batch: Batch, horizon: int) -> Quantiles:
        """Return quantiles. Beyond the horizon of the fit, widths grow as those of a random walk.

        They are multiplied by the square root of the step divided by that horizon.
        """
        median, fitted = self._roll(batch, horizon), len(self.spread)
        step = torch.arange(horizon, device=self.spread.device)
        growth = ((step + 1) / fitted).clamp(min=1).sqrt()
        spread = self.spread[step.clamp(max=fitted - 1)] * growth
        values = median[..., None] + spread[:, None, None] * self.shape
        values = expand(values, self.compression)
        effect = effect_ahead(batch, horizon).to(batch.past)
        return at_levels(values.to(batch.past) - effect[..., None], FINE)

    @torch.no_grad()
    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        found = []
        futures = (self._whole(batch).future for batch in train)
        for compression in (fit_compression(futures), torch.zeros(2)):
            moments = self._moments(train, compression)
            if moments is None:
                return
            self._use(moments)
            errors = {trust: self._absolute_error(val, trust) for trust in TRUST}
            trust = min(errors, key=lambda each: errors[each])
            found.append((errors[trust], trust, compression, moments))
        compressed, plain = found
        judged = np.isfinite(plain[0])
        best = compressed if judged and plain[0] > PLAINLY * compressed[0] else plain
        _, trust, compression, moments = best
        self.compression.copy_(compression)
        self._use(moments)
        self.trust.fill_(trust if judged else 0.0)
        self._measure(map(some, val) if judged else map(some, islice(train, 4)))

    def _use(self, moments: Moments) -> None:
        """Use the regression on these windows."""
        self.center, self.gain, self.weight, self.offset = moments.solve(PENALTY)
        self.farthest.copy_(moments.farthest)

    def _moments(self, train: Iterable[Batch], compression: Float[Tensor, "2"]) -> Moments | None:
        """Return the moments of training windows; None without one whose target is whole."""
        self.compression.copy_(compression)
        sums: Moments | None = None
        for batch in train:
            batch, steps = self._whole(batch), self.inputs.steps(batch)
            origin = torch.tensor([batch.past.shape[1]], device=batch.past.device)
            inputs, level = self.inputs.read(batch, origin, steps, self.compression)
            target = compress(rows_of(batch.future[:, :steps]), self.compression) - level[:, 0]
            whole = ~target.isnan().any(1)
            if whole.any():
                here = Moments.of(inputs[whole, 0], target[whole])
                sums = here if sums is None else sums.plus(here)
        return sums

    def _absolute_error(self, windows: Iterable[Batch], trust: float) -> float:
        """Return the mean absolute error on windows with this ``trust``; infinite without any."""
        self.trust.fill_(trust)
        total, count = 0.0, 0
        for batch in map(some, windows):
            gap = exactly(self.forecast(batch, batch.future.shape[1]) - batch.future).abs()
            total += float(gap.nansum())
            count += int((~gap.isnan()).sum())
        return total / count if count else torch.inf

    def _measure(self, windows: Iterable[Batch]) -> None:
        """Set spread and shape by the errors on windows."""
        parts = []
        for batch in windows:
            gap = compress(self._whole(batch).future, self.compression)
            gap = gap - self._roll(batch, gap.shape[1])
            parts.append(rearrange(gap, "B H C -> (B C) H"))
        if not parts:
            return
        gap = torch.cat(parts)[:, : len(self.spread)]
        spread = gap.abs().nanmean(0).nan_to_num(0.0).clamp(min=TINY)
        later = len(self.spread) - len(spread)
        self.spread.copy_(torch.cat([spread, spread[-1:].expand(later)]))
        found = (gap / spread).ravel()
        found = found[~found.isnan()]
        if len(found) >= FEW:
            shape = found.quantile(torch.tensor(FINE).to(found))
            self.shape.copy_(shape - shape[MEDIAN])

    def _roll(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        """Forecast the whole series pass by pass; values are compressed."""
        batch = self._whole(batch)
        series, steps = batch.past, len(self.offset)
        change = self._updates(batch) if self.trust > 0 else None
        for start in range(0, horizon, steps):
            origin = torch.tensor([batch.past.shape[1] + start], device=series.device)
            inputs, level = self._read(batch._replace(past=series), origin)
            ahead = self._predict(inputs)
            if change is not None:
                ahead = ahead + pad(self._standard(inputs), (0, 1), value=1.0) @ change
            ahead = level + torch.maximum(torch.minimum(ahead, self.farthest), -self.farthest)
            ahead = rearrange(ahead, "(B C) 1 F -> B F C", B=len(series))
            series = torch.cat([series, expand(ahead, self.compression)], 1)
        return compress(series[:, batch.past.shape[1] :][:, :horizon], self.compression)

    def _updates(self, batch: Batch) -> Float[Tensor, "S K F"]:
        """Return what the windows of each whole context add to the weights of all series.

        The last row is added to the intercept. It is the ridge regression of the errors of these
        weights, with ``trust`` as its penalty.
        """
        length, steps = batch.past.shape[1], len(self.offset)
        last = length - steps
        first = max(max(length - self.reach, 0) + min(self.inputs.rows, length // 2), 1)
        found = []
        for part in a_few(batch, WINDOWS_READ * self.inputs.rows):
            if last < first:
                shape = (part.past.shape[0] * part.past.shape[2], len(self.weight) + 1, steps)
                found.append(self.weight.new_zeros(shape))
                continue
            apart = max(-(-(last - first + 1) // WINDOWS_READ), 1)
            origins = torch.arange(last, first - 1, -apart, device=part.past.device)
            inputs, level = self._read(part, origins)
            index = origins[:, None] + torch.arange(steps, device=origins.device)
            target = compress(rows_of(part.past), self.compression)[:, index] - level
            rest = target - self._predict(inputs)
            whole = (~rest.isnan().any(2, keepdim=True)).to(rest)
            inputs = pad(self._standard(inputs), (0, 1), value=1.0)
            found.append(solve_each(inputs * whole, rest.nan_to_num(0.0) * whole, self.trust))
        return torch.cat(found)

    def _predict(self, inputs: Float[Tensor, "S n K"]) -> Float[Tensor, "S n F"]:
        return self._standard(inputs) @ self.weight + self.offset

    def _standard(self, inputs: Float[Tensor, "S n K"]) -> Float[Tensor, "S n K"]:
        return (inputs - self.center) * self.gain

    def _whole(self, batch: Batch) -> Batch:
        """Return windows with the effect of covariates, on the device of the weights."""
        return with_effect(batch, self.offset.device)

    def _read(
        self, batch: Batch, origins: Int[Tensor, " n"]
    ) -> tuple[Float[Tensor, "S n K"], Float[Tensor, "S n 1"]]:
        """Return the inputs of the fitted weights; before ``learn`` these read no covariates."""
        if not self.inputs.columns(*self.weight.shape):
            batch = batch._replace(known=None)
        return self.inputs.read(batch, origins, len(self.offset), self.compression)

    def _shapes(self, columns: int, steps: int) -> dict[str, tuple[int, ...]]:
        """Return the sizes of the buffers that depend on the covariates."""
        size = self.inputs.number(columns, steps)
        inputs = {"center": (size,), "gain": (size,)}
        return {**inputs, "weight": (size, steps), "offset": (steps,)}

    def take_sizes(self, shapes: Mapping[str, torch.Size]) -> None:
        weight = shapes.get("weight", ())
        if len(weight) == 2 and 0 < weight[1] <= self.inputs.recent:
            columns = self.inputs.columns(*weight)
            for name, shape in self._shapes(columns, weight[1]).items():
                setattr(self, name, getattr(self, name).new_zeros(shape))
