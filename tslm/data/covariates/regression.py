"""Ridge regression of series on covariates, from training windows.

A linear rule F (the last value, or the seasonal profile of the context) is the part of target and
covariates that a forecaster could know anyway. The effect is estimated on what is left: ridge
regression of ``future - F(past)`` of the target on the same of the features.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.core.errors import warn
from tslm.core.shrinkage import GROUPS, Shrinkage
from tslm.core.types import Task
from tslm.data.covariates.encoding import Blocks, CovariateEncoder
from tslm.data.covariates.lagged import LaggedEffect
from tslm.data.panel import Panel
from tslm.data.windows import Windows

Floats = npt.NDArray[np.float64]

# chosen by hand, for a fit of seconds on the data sets of docs/covariates.md
MAX_WINDOWS = 2048  # training windows used at most, evenly spaced
MIN_WINDOWS = 256  # used even where MAX_OPERATIONS would allow fewer
MAX_OPERATIONS = 4e11  # multiplications of the regression, beyond which fewer windows are used
MAX_VALUES = 20_000_000  # feature values in memory at once
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # candidates, relative to the variance of a feature
VALIDATION_FRACTION = 0.25  # fraction of the training windows, the last ones, that choose a penalty
CAUTION = 1.0  # standard errors by which an effect must reduce the error there
RULE_WINDOWS = 512  # windows used to choose the rule F


def fit_effect_weights(
    encoder: CovariateEncoder,
    blocks: Blocks,
    summaries: Floats,
    panel: Panel,
    split: Ints,
    task: Task,
) -> tuple[Floats, Floats]:
    """Estimate the weights of covariates from training windows.

    Args:
        encoder: encoder of the covariates.
        blocks: the encoded rows of the panel.
        summaries: summaries of past covariates at each row, see ``lag_summaries``.
        panel: the series, standardised.
        split: number of training rows of each series.
        task: gives context length, horizon and season.

    Returns:
        The weight of each feature known in advance, and an array [summaries, knots] for past
        covariates. Both are zeros, with a warning, if they do not reduce the error in the last
        training windows.
    """
    n_known = encoder.features(_first_row(blocks)).shape[1]
    shape = (summaries.shape[1], LaggedEffect.n_knots(task.horizon))
    size = n_known + shape[0] * shape[1]
    task = replace(task, context_length=min(task.context_length, _rows_of_rule(task)))
    windows = Windows(
        panel, context_length=task.context_length, future_length=task.horizon, stop=split
    )
    weight = np.zeros(size)
    if size and len(windows):
        affordable = MAX_OPERATIONS / (size**2 * task.horizon)
        number = int(min(MAX_WINDOWS, max(affordable, MIN_WINDOWS)))
        weight = _Regression(encoder, blocks, summaries, windows, panel, task).fit(number)
    return weight[:n_known], weight[n_known:].reshape(shape)


@dataclass(frozen=True)
class _Regression:
    """Ridge regression on training windows and the features of their rows."""

    encoder: CovariateEncoder
    blocks: Blocks
    summaries: Floats
    windows: Windows
    panel: Panel
    task: Task

    def fit(self, number: int) -> Floats:
        """Return the weights of all features from ``number`` windows.

        They are zeros if they do not reduce the error in the last training windows by ``CAUTION``
        standard errors.
        """
        index = np.unique(np.linspace(0, len(self.windows) - 1, number).astype(np.int64))
        position = self.windows.position(torch.from_numpy(index)).numpy()
        late = position > np.quantile(position, 1 - VALIDATION_FRACTION)
        rule = self._choose_rule(index)
        early = _Moments.of(self._pairs(index[~late], rule))
        groups = np.array_split(index[late], GROUPS) if late.any() else []
        last = [_Moments.of(self._pairs(part, rule)) for part in groups if len(part)]
        every, penalties = sum(last, early), self._penalties()
        if not early.total or not sum(part.total for part in last):
            return every.solve(PENALTIES[2], penalties)
        choosing = sum(last[1:], last[0])
        best = min(PENALTIES, key=lambda one: choosing.error(early.solve(one, penalties)))
        weight = torch.from_numpy(early.solve(best, penalties))
        shrinkage = Shrinkage()
        products = torch.stack([part.cross @ weight for part in last])
        squares = torch.stack([weight @ part.gram @ weight for part in last])
        shrinkage.add_sums(products, squares)
        if shrinkage.factor(CAUTION) > 0:
            return every.solve(best, penalties)
        warn("On the last training windows covariates did not improve forecasts; they are ignored.")
        return np.zeros(len(weight))

    def _choose_rule(self, index: Ints) -> int:
        """Return the season of the rule F with the smallest squared error; 0 is the last value."""
        batch = self.windows.cut(torch.from_numpy(index[:: max(len(index) // RULE_WINDOWS, 1)]))
        past, future = batch.past.double(), batch.future.double()
        errors = {}
        for season in {0, 1, self.task.season_length}:
            gap = future - _apply_rule(past, _rule(past[..., 0], season), future.shape[1])
            errors[season] = float(gap.square().nansum())
        return min(errors, key=lambda season: errors[season])

    def _pairs(self, index: Ints, season: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield features and targets of forecast steps, minus the rule F of their contexts."""
        length, ahead = self.task.context_length, self.task.horizon
        size = len(self.encoder.features(_first_row(self.blocks))[0])
        for part in _slices(len(index), max(MAX_VALUES // (max(size, 1) * (length + ahead)), 1)):
            chosen = torch.from_numpy(index[part])
            batch = self.windows.cut(chosen)
            series, position = self.windows.members(chosen)
            row = position[:, None] + np.arange(-length, ahead)
            features = self._features(np.maximum(row, 0) + self.panel.offsets[series][:, None])
            past = self._shorten(batch.past.double(), index[part])
            rule = _rule(past[..., 0], season)
            target = (batch.future.double() - _apply_rule(past, rule, ahead))[..., 0]
            rest = features[:, length:] - _apply_rule(features[:, :length], rule, ahead)
            lagged = self._lagged(self.panel.offsets[series] + position - 1, ahead)
            known = ~target.isnan()
            yield torch.cat([rest, lagged], 2)[known], target[known]

    def _penalties(self) -> Tensor:
        known = self.encoder.penalties(_first_row(self.blocks))
        n_lagged = self._lagged(np.zeros(1, np.int64), 1).shape[2]
        return torch.from_numpy(np.concatenate([known, np.ones(n_lagged)]))

    def _shorten(self, past: Float[Tensor, "B L 1"], index: Ints) -> Float[Tensor, "B L 1"]:
        """Mask the beginning of every second context, if static or calendar features are used.

        A long context shows the seasonal profile of a series, so that these features would get no
        weight; a series with little history needs them.
        """
        encoder = self.encoder
        if not encoder.several or not (encoder.static or encoder.cycles):
            return past
        length = past.shape[1]
        # steps of 7 rows around 1 ... length, so that all lengths occur in neighbouring windows
        kept = np.where(index % 2, length, 1 + index // 2 * 7 % length)
        steps = torch.arange(length)[None, :, None]
        hidden = steps < length - torch.from_numpy(kept)[:, None, None]
        return past.masked_fill(hidden, torch.nan)

    def _features(self, flat: Ints) -> Tensor:
        rows, where = np.unique(flat, return_inverse=True)  # neighbouring windows share most rows
        blocks = Blocks(*(block[rows] for block in self.blocks))
        return torch.from_numpy(self.encoder.features(blocks)[where.reshape(flat.shape)])

    def _lagged(self, last: Ints, steps: int) -> Tensor:
        """Return the products of summaries at the last rows and knot weights of each step."""
        knots = torch.from_numpy(LaggedEffect.knot_weights(self.task.horizon, steps))
        summaries = torch.from_numpy(self.summaries[last])
        return (summaries[:, None, :, None] * knots[None, :, None, :]).flatten(2)


@dataclass(frozen=True)
class _Moments:
    """Sums of products of features and targets: all that ridge regression needs.

    Attributes:
        gram: X'X of the features.
        cross: X'y of features and target.
        total: y'y of the target.
    """

    gram: Tensor
    cross: Tensor
    total: float

    @classmethod
    def of(cls, pairs: Iterator[tuple[Tensor, Tensor]]) -> "_Moments":
        """Sum over pairs of features and targets."""
        sums = cls(torch.zeros(()), torch.zeros(()), 0.0)
        for features, target in pairs:
            sums += cls(features.T @ features, features.T @ target, float(target.square().sum()))
        return sums

    def __add__(self, other: "_Moments") -> "_Moments":
        return _Moments(self.gram + other.gram, self.cross + other.cross, self.total + other.total)

    def solve(self, penalty: float, multipliers: Tensor) -> Floats:
        """Return ridge weights of standardised features; 0 for features that never vary.

        Args:
            penalty: ridge penalty, relative to the variance of a feature.
            multipliers: multiplier of the penalty for each feature.
        """
        power = self.gram.diagonal()
        alive = power > 1e-9 * power.max().clamp(min=1e-300)
        scale = torch.where(alive, power, 1.0).sqrt()
        gram = self.gram / scale / scale[:, None] * (alive & alive[:, None])
        gram = gram + torch.diag(penalty * multipliers + (~alive).double())
        weight = torch.linalg.solve(gram, self.cross / scale * alive) / scale
        return np.asarray(weight.numpy())

    def error(self, weight: Floats) -> float:
        """Return the squared error, relative to that of zero weights."""
        w = torch.from_numpy(weight)
        left = self.total - 2 * float(w @ self.cross) + float(w @ self.gram @ w)
        return left / self.total if self.total else 1.0


def _first_row(blocks: Blocks) -> Blocks:
    return Blocks(*(block[:1] for block in blocks))


def _rows_of_rule(task: Task) -> int:
    """Return how many rows of a context the rule F reads at most."""
    return max(4 * task.season_length, task.horizon, 32)


def _rule(past: Float[Tensor, "S L"], season: int) -> Float[Tensor, "S phases L"]:
    """Return the linear rule F as weights of the observed rows.

    It is the last value, or the mean of each phase of the season. A phase that is never observed,
    and a context shorter than a season, take the mean of all rows.

    Args:
        past: contexts; NaN where missing.
        season: steps of the season; 0 for the last value.
    """
    observed = ~past.isnan()
    steps = torch.arange(-past.shape[1], 0)
    if season == 0:
        latest = observed.cumsum(1).argmax(1, keepdim=True)
        return (torch.arange(len(steps)) == latest)[:, None].double()
    length = (observed.cumsum(1) > 0).sum(1)
    whole = steps >= -(length // season * season)[:, None]
    phase = steps.remainder(season) == torch.arange(season)[:, None]
    same = (phase & (observed & whole)[:, None]).double()
    count = same.sum(2, keepdim=True)
    even = observed.double() / observed.sum(1, keepdim=True).clamp(min=1)
    return torch.where(count > 0, same / count.clamp(min=1), even[:, None])


def _apply_rule(
    values: Float[Tensor, "S L features"], rule: Float[Tensor, "S phases L"], steps: int
) -> Float[Tensor, "S H features"]:
    """Continue values for ``steps`` steps by a rule."""
    season = rule @ torch.nan_to_num(values)
    return season.repeat(1, -(-steps // season.shape[1]), 1)[:, :steps]


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, start + size)
