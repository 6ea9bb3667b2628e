"""What covariates explain of a series, taken out before windows are cut and put back afterwards.

The effect of covariates known ahead is linear in the features of ``Design``, and the same in all
series, on their standardised scale. A linear rule F (the last value, or the profile of the
context) says what of a covariate a forecaster could have known anyway, so that the effect is
estimated on what is left: ridge regression of ``future - F(past)`` on the same of the features.
What covariates known only up to the last row say of later ones is linear in means of their last
rows, and bends at the steps 1, 2, 4, 8 ... of the horizon.

Estimated once and in closed form, not trained with an adapter: so all adapters, their bases and
the baselines see the same windows, and so do calibration and the verdict.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import DataError, warn
from tslm.core.shrinkage import GROUPS, Shrinkage
from tslm.core.types import Task
from tslm.data.covariates.encoding import Blocks, CovariateColumns, Design, encoded
from tslm.data.covariates.static import static_values
from tslm.data.frame import Frame
from tslm.data.panel import LaggedEffect, Panel
from tslm.data.windows import Windows

Floats = npt.NDArray[np.float64]

WINDOWS = 2048  # looked at, evenly spread
VALUES = 20_000_000  # of features at once
OPERATIONS = 4e11  # of the regression, beyond which fewer windows are looked at
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # in units of the variance of a feature
CHOOSING = 0.25  # share of the last training windows that choose the penalty
CAUTION = 1.0  # standard errors by which an effect must help there


@dataclass(frozen=True)
class Effects:
    """What covariates do, estimated.

    Args:
        design: how they become numbers.
        weight: of each feature of those known ahead.
        amplitude: of each summary of those known up to the last row, on each curve.
        horizon: steps over which curves differ.
        reach: rows of the longest summary.
        statics: static covariates of the series of the fit.
    """

    design: Design
    weight: Floats
    amplitude: Floats
    horizon: int
    reach: int
    statics: pd.DataFrame

    @classmethod
    def learn(
        cls, chosen: CovariateColumns, frame: Frame, panel: Panel, split: Ints, task: Task
    ) -> tuple["Effects", Panel]:
        """Estimate effects from training rows.

        Args:
            chosen: the covariates.
            frame: has them as columns.
            panel: the same rows, standardised.
            split: first row of each series that training may not see.
            task: gives L, H and the season.

        Returns:
            The effects, and the panel with them applied.
        """
        rows = np.arange(len(frame.table)) - frame.offsets[:-1].repeat(panel.lengths)
        training = frame.table[rows < split.repeat(panel.lengths)]
        design = Design.learn(chosen, training, task.season_length)
        design = replace(design, levels=design.levels_of(frame.table))
        effects = cls(
            design,
            np.empty(0),
            np.empty((0, 0)),
            task.horizon,
            task.context_length,
            static_values(frame.table, chosen.static),
        )
        blocks = effects._blocks(frame.table, panel, frame.calendar)
        summaries = effects._summaries(blocks.past, panel.offsets)
        effects = effects._estimated(blocks, summaries, panel, split, task)
        return effects, effects._less(panel, frame, blocks, summaries)

    def apply(self, panel: Panel, frame: Frame) -> Panel:
        """A panel less what covariates known ahead explain; the others lead its future.

        It remembers what ``ahead`` needs of its series: what is ordinary for them, and their
        static covariates.
        """
        blocks = self._blocks(frame.table, panel, frame.calendar)
        return self._less(panel, frame, blocks, self._summaries(blocks.past, panel.offsets))

    def _less(self, panel: Panel, frame: Frame, blocks: Blocks, summaries: Floats) -> Panel:
        less = panel.values - torch.from_numpy(self._known(blocks)).to(panel.values)
        lead = None
        if self.design.past:
            lead = LaggedEffect(torch.from_numpy(summaries @ self.amplitude).to(less), self.horizon)
        statics = static_values(frame.table, self.design.chosen.static)
        ordinary = self.design.levels_of(frame.table)
        return replace(panel, values=less, lead=lead, ordinary=ordinary, statics=statics)

    def apply_future(
        self, panel: Panel, found: pd.DataFrame, time: Ints, calendar: Calendar
    ) -> Panel:
        """A panel that knows what covariates say of the steps to come.

        Args:
            panel: applied, or that of the fit.
            found: covariates known ahead: a row each step of each series, end to end.
            time: of the rows.
            calendar: on which they are read.
        """
        levels = self.design.levels if panel.ordinary is None else panel.ordinary
        statics = self.statics if panel.statics is None else panel.statics
        ids = panel.ids.repeat(len(found) // len(panel))
        beside = statics.reindex(ids).set_index(found.index)
        table = pd.concat([found, beside], axis=1).assign(unique_id=np.asarray(ids))
        blocks = self.design.encode(table, time, calendar, levels)
        known = torch.from_numpy(self._known(blocks)).to(panel.values)
        effect = known.reshape(len(panel), -1)
        if panel.lead is not None:
            last = torch.from_numpy(panel.offsets[1:]) - 1
            effect = effect + panel.lead.ahead(last, effect.shape[1])
        return replace(panel, ahead=effect)

    def shrink_lagged(self, share: float) -> "Effects":
        """Only a share of what past covariates say."""
        return replace(self, amplitude=self.amplitude * share)

    def _known(self, blocks: Blocks) -> Floats:
        """Effect of covariates known ahead on each row."""
        return self.design.effect(blocks, self.weight)

    def _blocks(self, table: pd.DataFrame, panel: Panel, calendar: Calendar) -> Blocks:
        levels = self.design.levels_of(table)
        statics = static_values(table, self.design.chosen.static).reindex(table["unique_id"])
        whole = table.assign(**{str(name): statics[name].array for name in statics})
        return self.design.encode(whole, panel.time.numpy(), calendar, levels)

    def _summaries(self, past: Floats, offsets: Ints) -> Floats:
        """Means of the last 1, 2, 4, 8 ... rows, less that of the reach, for each row."""
        if not past.shape[1]:
            return past
        whole = _running_mean(past, offsets, self.reach)
        sizes = [2**k for k in range(max(int(np.log2(self.reach)), 1))]
        return np.concatenate([_running_mean(past, offsets, n) - whole for n in sizes], 1)

    def _estimated(
        self, blocks: Blocks, summaries: Floats, panel: Panel, split: Ints, task: Task
    ) -> "Effects":
        n_known = self.design.features(Blocks(*(block[:1] for block in blocks))).shape[1]
        curves = LaggedEffect.curves(self.horizon, 1).shape[1]
        size = n_known + summaries.shape[1] * curves
        task = replace(task, context_length=min(task.context_length, _recent(task)))
        windows = Windows(
            panel, context_length=task.context_length, future_length=task.horizon, stop=split
        )
        if not size or not len(windows):
            weight = np.zeros(size)
        else:
            number = int(min(WINDOWS, max(OPERATIONS / (size**2 * task.horizon), 256)))
            sample = _Sample(blocks, summaries, self, windows, panel, task)
            weight = sample.fit(number)
        shape = (summaries.shape[1], curves)
        return replace(self, weight=weight[:n_known], amplitude=weight[n_known:].reshape(shape))

    def without_series(self) -> "Effects":
        """The same effects, without what is ordinary for the series of ``fit``."""
        return replace(self, statics=self.statics.iloc[:0])

    def to_dict(self) -> dict[str, Any]:
        """What of it is no array, ready for JSON."""
        statics = {str(name): [_plain(v) for v in self.statics[name]] for name in self.statics}
        return {
            "design": self.design.to_dict(),
            "horizon": self.horizon,
            "reach": self.reach,
            "statics": statics,
            "levels": list(self.design.numbers),
        }

    def to_arrays(self, ids: pd.Index) -> dict[str, npt.NDArray[Any]]:
        """What of it is arrays; what is ordinary for each series in the order of ``ids``."""
        arrays = {"effects.weight": self.weight, "effects.amplitude": self.amplitude}
        for number, name in enumerate(self.design.numbers):
            pairs = [self.design.levels[name][own] for own in ids.tolist()]
            arrays[f"effects.levels.{number}"] = np.array(pairs)
        return arrays

    @classmethod
    def from_stored(
        cls, stored: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], ids: pd.Index
    ) -> "Effects":
        """The inverse of ``to_dict`` and ``to_arrays``; see ``check``."""
        levels = {
            name: dict(
                zip(ids.tolist(), map(tuple, arrays[f"effects.levels.{n}"].tolist()), strict=True)
            )
            for n, name in enumerate(stored["levels"])
        }
        return cls(
            replace(Design.from_dict(stored["design"]), levels=levels),
            arrays["effects.weight"],
            arrays["effects.amplitude"],
            int(stored["horizon"]),
            int(stored["reach"]),
            pd.DataFrame(stored["statics"], index=ids),
        )

    def check(self, chosen: CovariateColumns, calendar: Calendar) -> None:
        """Refuse effects of other covariates, or that do not fit together.

        Args:
            chosen: covariates of the model.
            calendar: on which their rows are read.

        Raises:
            DataError: if they are such.
        """
        design = self.design
        if design.chosen != chosen or design.names != (chosen.future, chosen.past, chosen.static):
            raise DataError("The saved effects are of other covariates than the model has.")
        columns = (*design.future, *design.past, *design.static)
        row = {column.name: [column.usual] for column in columns}
        levels = {name: {"": (0.0, 1.0)} for name in design.numbers}
        table = pd.DataFrame({**row, "unique_id": [""]})
        blocks = design.encode(table, np.zeros(1, np.int64), calendar, levels)
        summaries = self._summaries(blocks.past, np.array([0, 1])).shape[1]
        shape = (summaries, LaggedEffect.curves(self.horizon, 1).shape[1])
        known = [pair for pairs in design.levels.values() for pair in pairs.values()]
        for column in design.static:
            encoded(column, self.statics[column.name])
        fits = (
            self.weight.shape == design.features(blocks)[0].shape
            and self.amplitude.shape == shape
            and all(len(pair) == 2 and pair[1] > 0 for pair in known)
            and all(np.isfinite(part).all() for part in (self.weight, self.amplitude, known))
        )
        if not fits:
            raise DataError("The saved effects of covariates do not fit together.")


@dataclass(frozen=True)
class _Sample:
    """Training windows and features of their rows, for one regression."""

    blocks: Blocks
    summaries: Floats
    effects: Effects
    windows: Windows
    panel: Panel
    task: Task

    def fit(self, number: int) -> Floats:
        """Weights of all features; zeros if none of them surely help the last training windows."""
        index = np.unique(np.linspace(0, len(self.windows) - 1, number).astype(np.int64))
        position = self.windows.position(torch.from_numpy(index)).numpy()
        late = position > np.quantile(position, 1 - CHOOSING)
        rule = self._rule(index)
        early = _Moments.of(self._pairs(index[~late], rule))
        stretches = np.array_split(index[late], GROUPS) if late.any() else []
        last = [_Moments.of(self._pairs(part, rule)) for part in stretches if len(part)]
        every, caution = sum(last, early), self._caution()
        if not early.total or not sum(part.total for part in last):
            return every.solve(PENALTIES[2], caution)
        choosing = sum(last[1:], last[0])
        best = min(PENALTIES, key=lambda penalty: choosing.error(early.solve(penalty, caution)))
        weight = torch.from_numpy(early.solve(best, caution))
        shrinkage = Shrinkage()
        products = torch.stack([part.cross @ weight for part in last])
        squares = torch.stack([weight @ part.gram @ weight for part in last])
        shrinkage.add_sums(products, squares)
        if shrinkage.factor(CAUTION) > 0:
            return every.solve(best, caution)
        warn("On the last training windows covariates did not improve forecasts; they are ignored.")
        return np.zeros(len(weight))

    def _rule(self, index: Ints) -> int:
        """The season of the profile that F continues, or 0 for the last value: what errs less."""
        batch = self.windows.cut(torch.from_numpy(index[:: max(len(index) // 512, 1)]))
        past, future = batch.past.double(), batch.future.double()
        errors = {}
        for season in {0, 1, self.task.season_length}:
            gap = future - _continued(past, _rule(past[..., 0], season), future.shape[1])
            errors[season] = float(gap.square().nansum())
        return min(errors, key=lambda season: errors[season])

    def _pairs(self, index: Ints, season: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Features and targets of steps ahead, less what F makes of the context of both."""
        length, ahead = self.task.context_length, self.task.horizon
        size = len(self.effects.design.features(Blocks(*(b[:1] for b in self.blocks)))[0])
        for part in _slices(len(index), max(VALUES // (max(size, 1) * (length + ahead)), 1)):
            chosen = torch.from_numpy(index[part])
            batch = self.windows.cut(chosen)
            series, position = self.windows.members(chosen)
            row = position[:, None] + np.arange(-length, ahead)
            features = self._features(np.maximum(row, 0) + self.panel.offsets[series][:, None])
            past, future = self._young(batch.past.double(), index[part]), batch.future.double()
            rule = _rule(past[..., 0], season)
            target = (future - _continued(past, rule, ahead))[..., 0]
            rest = features[:, length:] - _continued(features[:, :length], rule, ahead)
            lead = self._led(self.panel.offsets[series] + position - 1, ahead)
            known = ~target.isnan()
            yield torch.cat([rest, lead], 2)[known], target[known]

    def _caution(self) -> Tensor:
        known = self.effects.design.caution(Blocks(*(block[:1] for block in self.blocks)))
        led = self._led(np.zeros(1, np.int64), 1).shape[2]
        return torch.from_numpy(np.concatenate([known, np.ones(led)]))

    def _young(self, past: Float[Tensor, "B L 1"], index: Ints) -> Float[Tensor, "B L 1"]:
        """Contexts, every second one cut short where shapes of series are told by their statics.

        A long context tells the shape of a series by itself; that of a young series does not.
        """
        design = self.effects.design
        if not design.several or not (design.static or design.chosen.calendar):
            return past
        length = past.shape[1]
        kept = np.where(index % 2, length, 1 + index // 2 * 7 % length)
        steps = torch.arange(length)[None, :, None]
        hidden = steps < length - torch.from_numpy(kept)[:, None, None]
        return past.masked_fill(hidden, torch.nan)

    def _features(self, flat: Ints) -> Tensor:
        rows, where = np.unique(flat, return_inverse=True)  # neighbouring windows share most
        blocks = Blocks(*(block[rows] for block in self.blocks))
        return torch.from_numpy(self.effects.design.features(blocks)[where.reshape(flat.shape)])

    def _led(self, last: Ints, steps: int) -> Tensor:
        """Summaries of the last rows on each curve."""
        curves = torch.from_numpy(LaggedEffect.curves(self.effects.horizon, steps))
        summaries = torch.from_numpy(self.summaries[last])
        return (summaries[:, None, :, None] * curves[None, :, None, :]).flatten(2)


@dataclass(frozen=True)
class _Moments:
    """Sums that a ridge regression needs."""

    gram: Tensor
    cross: Tensor
    total: float

    @classmethod
    def of(cls, pairs: Iterator[tuple[Tensor, Tensor]]) -> "_Moments":
        """Of pairs of features and targets."""
        sums = cls(torch.zeros(()), torch.zeros(()), 0.0)
        for features, target in pairs:
            sums += cls(features.T @ features, features.T @ target, float(target.square().sum()))
        return sums

    def __add__(self, other: "_Moments") -> "_Moments":
        return _Moments(self.gram + other.gram, self.cross + other.cross, self.total + other.total)

    def solve(self, penalty: float, caution: Tensor) -> Floats:
        """Weights of standardised features under a penalty; those that never vary have none.

        Args:
            penalty: of a plain feature.
            caution: times that of each.
        """
        power = self.gram.diagonal()
        alive = power > 1e-9 * power.max().clamp(min=1e-300)
        scale = torch.where(alive, power, 1.0).sqrt()
        gram = self.gram / scale / scale[:, None] * (alive & alive[:, None])
        gram = gram + torch.diag(penalty * caution + (~alive).double())
        weight = torch.linalg.solve(gram, self.cross / scale * alive) / scale
        return np.asarray(weight.numpy())

    def error(self, weight: Floats) -> float:
        """Squared error in units of that without any effect."""
        w = torch.from_numpy(weight)
        left = self.total - 2 * float(w @ self.cross) + float(w @ self.gram @ w)
        return left / self.total if self.total else 1.0


def _recent(task: Task) -> int:
    """Rows that the linear rule reads at most."""
    return max(4 * task.season_length, task.horizon, 32)


def _rule(past: Float[Tensor, "S L"], season: int) -> Float[Tensor, "S m L"]:
    """The linear rule F, as weights of the observed rows: the last value, or each phase's mean.

    A phase that is never observed, and a context shorter than a season, has the mean.

    Args:
        past: contexts; NaN where missing.
        season: steps of the profile; 0 for the last value.
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


def _continued(
    values: Float[Tensor, "S L P"], rule: Float[Tensor, "S m L"], steps: int
) -> Float[Tensor, "S H P"]:
    """What the rule makes of values."""
    season = rule @ torch.nan_to_num(values)
    return season.repeat(1, -(-steps // season.shape[1]), 1)[:, :steps]


def _running_mean(values: Floats, offsets: Ints, reach: int) -> Floats:
    """The mean of each row and those before it in its series, ``reach`` in all."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(0)])
    rows = np.arange(len(values))
    first = np.maximum(rows + 1 - reach, offsets[:-1].repeat(np.diff(offsets)))
    return (sums[rows + 1] - sums[first]) / (rows + 1 - first)[:, None]


def _slices(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, start + size)


def _plain(value: Any) -> Any:
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
