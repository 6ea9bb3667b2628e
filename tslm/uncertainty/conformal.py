"""Intervals that hold as often as they say: calibrated by the errors on validation windows.

``residual``: the signed errors of the point forecast, step by step (split conformal prediction;
Vovk et al., "Algorithmic Learning in a Random World", 2005). ``cqr``: those of the quantiles of the
model's own law (Romano et al., "Conformalized Quantile Regression", NeurIPS 2019, each tail for
itself). ``adaptive``: as residual, at shares that would have kept their promise along the
validation windows (Gibbs & Candes, "Adaptive Conformal Inference Under Distribution Shift", NeurIPS
2021), where overlapping windows move them but as far as what is new in them. ``none``: the law as
it is.

Windows overlap, so what counts is how many horizons their rows hold: n of them tell of shares from
1 / (n + 1) on. Shares further out are widened as those of Student's t with n degrees of freedom.
Fewer than ``ENOUGH`` tell nothing: then the law is that of past changes of each series
(``tslm.uncertainty.past_changes``), stretched where the forecaster has been further off than these;
under ``cqr``, and where nobody chose, the forecaster's own law counts where it is wider.

Departures: windows overlap, so that the promise holds but nearly; errors are in units of how much a
window moves, where that does better on one half of the validation windows by the other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from scipy.special import stdtrit
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.distribution import Distribution
from tslm.core.errors import ConfigError, DataError
from tslm.core.types import Batch, Forecaster
from tslm.uncertainty.difficulty import ROUGHNESS, Roughness, roughness
from tslm.uncertainty.distributions.quantile import DEFAULT, at_shares
from tslm.uncertainty.past_changes import quantiles_of_changes, spread_of_changes
from tslm.uncertainty.sample_paths import Template

KINDS = ("residual", "cqr", "adaptive", "none")
TAIL = (0.005, 0.01)
_STILL = 1e-6  # changes below are rounding, where 1 is an ordinary spread
GRID = (*TAIL, *(k / 40 for k in range(1, 40)), *(1 - share for share in reversed(TAIL)))
VALUES = 2**18  # errors kept at most: fewer windows where the horizon is long
PATHS = 100  # by which a law is carried beyond its reach
ROLLED = 128  # validation windows for which that is done
RATE = 0.03  # by which adaptive shares move when a horizon of steps has passed, gamma
ROUNDS = 16  # how often they see new errors
FEW = 20  # windows below which none are left to choose a unit by
WINDOWS = 1024  # rolled at once
ENOUGH = 4  # horizons of validation rows below which nothing is learnt from their errors


@dataclass(frozen=True)
class Calibration:
    """What validation windows say of the errors of a forecaster.

    Args:
        kind: one of ``KINDS``.
        unit: of the errors, see ``roughness``.
        season_length: steps of a season.
        growth: errors grow as (steps ahead) ** growth, from 0 to 0.5.
        corrections: error at each share of ``GRID`` and each step; no share if the kind is none, or
            too little was seen.
        template: how steps go together.
        independent: horizons that the validation rows hold, so windows that do not overlap.
        stretch: by which past changes are too small, at each step; 1 where errors were learnt.
    """

    kind: str
    unit: Roughness
    season_length: int
    growth: float
    corrections: Float[Tensor, "G H"]
    template: Template
    independent: float
    stretch: Float[Tensor, " H"]

    @classmethod
    @torch.no_grad()
    def fit(
        cls,
        kind: str,
        forecaster: Forecaster,
        val: Iterable[Batch],
        season_length: int,
        h: int,
        independent: float,
    ) -> "Calibration":
        """Learn from the errors on validation windows.

        Args:
            kind: one of ``KINDS``.
            forecaster: trained.
            val: windows with the h steps that follow them; may be empty.
            season_length: steps of a season.
            h: steps forecast.
            independent: how many windows would not overlap.
        """
        seen = ValidationErrors.of(forecaster, list(val), season_length, h, kind == "cqr")
        if seen is None:
            return cls.of_changes(kind, season_length, h)
        template = Template.of(seen.errors)
        growth = _growth(seen.errors)
        rest = (template, min(independent, float(len(template))), torch.ones(h))
        if kind == "none":
            return cls(kind, "none", season_length, growth, torch.empty(0, h), *rest)
        if kind == "cqr":
            corrections = torch.stack(
                [
                    errors_at(column, share[None])[0]
                    for column, share in zip(seen.gaps, _grid(), strict=True)
                ]
            )
            return cls(kind, "none", season_length, growth, corrections, *rest)
        unit = _best_unit(seen)
        scaled = seen.errors / seen.units[unit]
        shares = _grid()
        if kind == "adaptive":
            shares = _adapted(scaled, shares, RATE * seen.fresh)
        return cls(kind, unit, season_length, growth, errors_at(scaled, shares), *rest)

    @classmethod
    def of_changes(
        cls,
        kind: str,
        season_length: int,
        h: int,
        independent: float = 0.0,
        stretch: Float[Tensor, " H"] | None = None,
    ) -> "Calibration":
        """Know of past changes only, where too few horizons were kept to learn from errors.

        Args:
            kind: one of ``KINDS``.
            season_length: steps of a season.
            h: steps forecast.
            independent: horizons that were kept.
            stretch: see ``stretch_of``.
        """
        wide = torch.ones(1) if stretch is None else stretch
        wide = wide[torch.arange(h).clamp(max=len(wide) - 1)]
        rest = (torch.empty(0, h), Template.of_walks(h), independent, wide)
        return cls(kind, "none", season_length, 0.5, *rest)

    @property
    def learnt(self) -> bool:
        """Whether the validation rows held enough to learn from."""
        return self.independent >= ENOUGH

    def distribution(
        self,
        forecaster: Forecaster,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        point: Float[Tensor, "B H C"],
        keys: Sequence[Any],
    ) -> Distribution:
        """What may come after each window: ``[B, H, C]``.

        Args:
            forecaster: the one it was fitted on.
            past: contexts.
            time: of them and of what follows.
            point: the forecaster's forecast.
            keys: what each series is called, window by window.

        Raises:
            ConfigError: if the forecaster has no law, and none was calibrated.
        """
        horizon = point.shape[1]
        if self.kind == "none" and not forecaster.distribution_horizon:
            raise ConfigError(
                f"conformal=none, and {type(forecaster).__name__} gives points only. Set "
                "conformal=residual, or a decoder with a law such as decoder=quantile."
            )
        if self.kind == "none":
            return distribution_of(forecaster, past, time, horizon, self.template, keys)
        if self.kind == "cqr":
            distribution = distribution_of(forecaster, past, time, horizon, self.template, keys)
            values = distribution.quantile(_grid())
            if self.learnt:
                values = self._widened(values + self._steps(horizon)[:, None, :, None])
            else:
                values = _outer(values, self._changes(past, point))
        elif self.learnt:
            unit = roughness(past, self.season_length, horizon, self.unit)
            values = self._widened(point + self._steps(horizon)[:, None, :, None] * unit)
        else:
            values = self._changes(past, point)
        values = values.sort(0).values  # Chernozhukov et al., 2010: no worse, and never crossing
        return at_shares(rearrange(values, "G B H C -> B H C G"), GRID)

    def paths(
        self,
        forecaster: Forecaster,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        point: Float[Tensor, "B H C"],
        keys: Sequence[Any],
        count: int,
        seed: int,
    ) -> Float[Tensor, "n B H C"]:
        """Paths of each series, coherent over the horizon; see ``distribution`` and ``Template``.

        A law is carried beyond its reach by drawing a step and feeding it back.
        """
        horizon = point.shape[1]
        if self.kind == "none" and 0 < forecaster.distribution_horizon < horizon:
            return _rolled(forecaster, past, time, horizon, self.template, keys, count, seed)
        distribution = self.distribution(forecaster, past, time, point, keys)
        return distribution.at(
            _shares(self.template, seed, keys, count, past.shape[2], horizon).to(point)
        )

    def _changes(
        self, past: Float[Tensor, "B L C"], point: Float[Tensor, "B H C"]
    ) -> Float[Tensor, "G B H C"]:
        stretch = self.stretch[torch.arange(point.shape[1]).clamp(max=len(self.stretch) - 1)]
        return quantiles_of_changes(past, self.season_length, point, stretch, _grid())

    def _widened(self, values: Float[Tensor, "G B H C"]) -> Float[Tensor, "G B H C"]:
        """The same at shares of which windows tell, and the others as far out as they may be."""
        least = (1 - 1e-9) / (self.independent + 1)
        told = torch.minimum(_grid(), 1 - _grid()) >= least
        if told.all():
            return values
        heavy = torch.from_numpy(np.asarray(stdtrit(self.independent, _grid().numpy())))
        factor = torch.where(_grid() == 0.5, 1.0, heavy / torch.special.ndtri(_grid()))
        middle = values[GRID.index(0.5)]
        wider = middle + (values - middle) * factor.to(values)[:, None, None, None]
        return torch.where(told[:, None, None, None], values, wider)

    def _steps(self, horizon: int) -> Float[Tensor, "G H2"]:
        """Corrections of any number of steps.

        Beyond the H that were seen the last season of them is repeated, and grows.
        """
        seen = self.corrections.shape[1]
        step = torch.arange(horizon)
        period = min(self.season_length, seen)
        source = torch.where(step < seen, step, seen - period + (step - seen) % period)
        factor = ((step + 1) / (source + 1)) ** self.growth
        return self.corrections[:, source] * factor.to(self.corrections)

    def to_saved(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Facts ready for JSON, and tensors."""
        facts = {"kind": self.kind, "unit": self.unit, "growth": self.growth}
        facts |= {"season_length": self.season_length, "independent": self.independent}
        tensors = {"corrections": self.corrections, "ranks": self.template.ranks}
        return facts, tensors | {"stretch": self.stretch}

    @classmethod
    def from_saved(cls, facts: dict[str, Any], tensors: dict[str, Tensor]) -> "Calibration":
        """The inverse of ``to_saved``.

        Raises:
            DataError: if they do not fit.
        """
        wanted = {"corrections", "ranks", "stretch"}
        if "independent" not in facts and "ranks" in tensors:  # an older one
            ranks = tensors["ranks"]
            facts = facts | {"independent": float(len(ranks))}
            tensors = tensors | {"stretch": torch.ones(ranks.shape[1:])}
            if len(ranks) < ENOUGH:
                tensors["corrections"] = torch.empty(0, *ranks.shape[1:])
        named = {"kind", "unit", "season_length", "growth", "independent"}
        if named - set(facts) or set(tensors) != wanted:
            raise DataError("The saved intervals are not whole. Save the model again.")
        corrections, ranks = tensors["corrections"], tensors["ranks"]
        independent, stretch = facts["independent"], tensors["stretch"]
        bare = facts["kind"] == "none" or independent < ENOUGH
        fits = (
            facts["kind"] in KINDS
            and isinstance(facts["growth"], float)
            and 0 <= facts["growth"] <= 0.5
            and isinstance(facts["season_length"], int)
            and facts["season_length"] >= 1
            and facts["unit"] in ROUGHNESS
            and isinstance(independent, float)
            and 0 <= independent <= max(len(ranks), ENOUGH)
            and ranks.ndim == 2
            and ranks.dtype == torch.int16
            and corrections.shape == (0 if bare else len(GRID), ranks.shape[1])
            and bool(((ranks >= 1) & (ranks <= len(ranks))).all())
            and bool(torch.isfinite(corrections).all())
            and stretch.shape == ranks.shape[1:]
            and bool(torch.isfinite(stretch).all() and (stretch >= 1).all())
        )
        if not fits:
            raise DataError("The saved intervals do not fit together. Save the model again.")
        if independent < ENOUGH:
            known = (facts["kind"], facts["season_length"], ranks.shape[1])
            return cls.of_changes(*known, independent, stretch)
        parts = (facts["season_length"], facts["growth"], corrections, Template(ranks))
        return cls(facts["kind"], facts["unit"], *parts, independent, stretch)


def stretch_of(
    forecaster: Forecaster, windows: Iterable[Batch], season_length: int
) -> Float[Tensor, " H"]:
    """By which a forecaster's errors are larger than past changes, at each step; at least 1.

    It does not fall from one step to the next. Windows that have not changed do not count.

    Args:
        forecaster: trained.
        windows: with the steps that follow them, any number of them; may be empty.
        season_length: steps of a season.
    """
    ratios = [torch.ones(0, 1)]
    for batch in windows:
        h = batch.future.shape[1]
        point = forecaster.told(batch.about).forecast(batch.past, batch.time, h)
        scale, _ = spread_of_changes(batch.past, season_length, h)
        ratio = (batch.future - point) / scale
        ratios.append(_rows(torch.where(scale > _STILL, ratio, torch.nan)))
    h = max(part.shape[1] for part in ratios)
    found = torch.cat([pad(part, (0, h - part.shape[1]), value=torch.nan) for part in ratios])
    size = (found.double().square().nansum(0) / (~found.isnan()).sum(0).clamp(min=1)).sqrt()
    return size.clamp(min=1).cummax(0).values.float()


def check(kind: str, forecaster: Forecaster) -> None:
    """Refuse a calibration that this forecaster cannot have.

    Raises:
        ConfigError: naming those it can.
    """
    if kind not in KINDS:
        raise ConfigError(f"conformal={kind} is unknown. Choose one of {', '.join(KINDS)}.")
    if kind == "cqr" and not forecaster.distribution_horizon:
        raise ConfigError(
            f"conformal=cqr corrects the quantiles of a law, and {type(forecaster).__name__} gives "
            "points only. Set decoder=quantile, student_t or mixture, or conformal=residual."
        )


def _outer(
    one: Float[Tensor, "G B H C"], other: Float[Tensor, "G B H C"]
) -> Float[Tensor, "G B H C"]:
    """The wider one of two laws at each share; the median is that of the first."""
    share = _grid()[:, None, None, None]
    wider = torch.where(share < 0.5, torch.minimum(one, other), torch.maximum(one, other))
    return torch.where(share == 0.5, one, wider)


def wanted(kind: str, forecaster: Forecaster, h: int) -> int:
    """How many windows, counted for each channel, are worth their time and room."""
    few = (
        ROLLED
        if kind == "cqr" and forecaster.distribution_horizon < h
        else forecaster.calibration_windows
    )
    return min(few, max(VALUES // h, 1))


def errors_at(errors: Float[Tensor, "N H"], shares: Float[Tensor, " G"]) -> Float[Tensor, "G H"]:
    """The error below which a share lies, in a finite sample, at each step.

    Below the median the error of rank ``floor((N + 1) share)``, above it that of rank
    ``ceil((N + 1) share)``, so that a new one lies outside no more often than promised; the least
    or the largest one where there is no such rank. The median is halfway between its neighbours.
    """
    return _ranked(errors.sort(0).values, shares)


def _ranked(ordered: Float[Tensor, "N H"], shares: Float[Tensor, " G"]) -> Float[Tensor, "G H"]:
    n = len(ordered)
    place = (
        ((n + 1) * shares.double()).mul(1e6).round().div(1e6)
    )  # a share such as 0.1 is not exact
    low, high = place.floor(), place.ceil()
    low, high = torch.where(shares > 0.5, high, low), torch.where(shares < 0.5, low, high)
    low, high = ((rank.long() - 1).clamp(0, n - 1) for rank in (low, high))
    return (ordered[low] + ordered[high]) / 2


def distribution_of(
    forecaster: Forecaster,
    past: Float[Tensor, "B L C"],
    time: Int[Tensor, "B T"],
    horizon: int,
    template: Template,
    keys: Sequence[Any],
) -> Distribution:
    """The forecaster's own law, carried beyond its reach by paths that are fed back."""
    if horizon <= forecaster.distribution_horizon:
        return forecaster.distribution(past, time, horizon)
    paths = _rolled(forecaster, past, time, horizon, template, keys, PATHS, 0)
    values = torch.quantile(paths, _grid().to(paths), 0)
    return at_shares(rearrange(values, "G B H C -> B H C G"), GRID)


def _rolled(
    forecaster: Forecaster,
    past: Float[Tensor, "B L C"],
    time: Int[Tensor, "B T"],
    horizon: int,
    template: Template,
    keys: Sequence[Any],
    count: int,
    seed: int,
) -> Float[Tensor, "n B H C"]:
    windows, step = len(past), forecaster.step
    whole = -(-horizon // step) * step
    shares = _shares(template, seed, keys, count, past.shape[2], whole, step)
    parts = []
    for some in shares.to(past).split(max(1, WINDOWS // windows)):
        flat = rearrange(some, "n B H C -> (n B) H C")
        again = [repeat(x, "B ... -> (n B) ...", n=len(some)) for x in (past, time)]
        ahead = forecaster.paths(again[0], _longer(again[1], past.shape[1] + whole), flat)
        parts.append(rearrange(ahead[:, :horizon], "(n B) H C -> n B H C", B=windows))
    return torch.cat(parts)


def _longer(time: Int[Tensor, "B T"], length: int) -> Int[Tensor, "B T2"]:
    """Times up to a length; those of steps that nobody asked for are never read."""
    missing = max(0, length - time.shape[1])
    return torch.cat([time, time[:, -1:].expand(-1, missing)], 1)


def _shares(
    template: Template,
    seed: int,
    keys: Sequence[Any],
    count: int,
    channels: int,
    steps: int,
    block: int | None = None,
) -> Float[Tensor, "n B H C"]:
    drawn = torch.from_numpy(template.shares(seed, keys, count, steps, block))
    return rearrange(drawn, "n (B C) H -> n B H C", C=channels)


@dataclass(frozen=True)
class ValidationErrors:
    """Errors on validation windows, a row a window and channel, in the order of time.

    Args:
        errors: of the point forecast.
        units: how much each window moves, in each way of measuring it.
        gaps: errors of the law's quantile at each share; no share where nobody asks.
        fresh: share of each window that windows before it did not see, within (0, 1].
    """

    errors: Float[Tensor, "N H"]
    units: dict[Roughness, Float[Tensor, "N H"]]
    gaps: Float[Tensor, "G N H"]
    fresh: float

    @classmethod
    def of(
        cls,
        forecaster: Forecaster,
        val: Sequence[Batch],
        season_length: int,
        h: int,
        with_distribution: bool,
    ) -> "ValidationErrors | None":
        """All that is observed; None if nothing is."""
        if all(batch.future.isnan().all() for batch in val):
            return None
        errors = []
        units: dict[Roughness, list[Tensor]] = {kind: [] for kind in ROUGHNESS}
        for batch in val:
            point = forecaster.told(batch.about).forecast(batch.past, batch.time, h)
            errors.append(_rows(batch.future - point))
            for kind, parts in units.items():
                parts.append(_rows(roughness(batch.past, season_length, h, kind)))
        begin = [b.time[:, b.past.shape[1]].repeat_interleave(b.past.shape[2]) for b in val]
        joined, start = torch.cat(errors), torch.cat(begin)
        rows, columns = _observed(joined, start.argsort(stable=True))
        observed = joined[rows, columns]
        gaps = joined.new_empty(0, *joined.shape)
        if with_distribution:
            template = Template.of(observed)
            gaps = torch.cat([_gaps(forecaster, batch, h, template) for batch in val], 1)
        return cls(
            observed,
            {kind: torch.cat(parts)[rows, columns] for kind, parts in units.items()},
            gaps[:, rows, columns],
            _fresh(val[0].time, start, h),
        )


def _grid() -> Float[Tensor, " G"]:
    return torch.tensor(GRID, dtype=torch.float64)


def _rows(values: Float[Tensor, "B H C"]) -> Float[Tensor, "S H"]:
    return rearrange(values, "B H C -> (B C) H")


def _fresh(time: Int[Tensor, "B T"], start: Int[Tensor, " N"], h: int) -> float:
    """Horizons from the first window to the last, for each window; at most 1."""
    step = float((time[0, -1] - time[0, 0]) / (time.shape[1] - 1))
    passed = float(start.max() - start.min()) / step / h + 1
    return min(passed / len(start), 1.0)


def _gaps(
    forecaster: Forecaster, batch: Batch, h: int, template: Template
) -> Float[Tensor, "G S H"]:
    """Errors of the law's quantiles."""
    keys = list(range(len(batch.past) * batch.past.shape[2]))
    told = forecaster.told(batch.about)
    distribution = distribution_of(told, batch.past, batch.time, h, template, keys)
    return rearrange(batch.future - distribution.quantile(_grid()), "G B H C -> G (B C) H")


def _observed(
    errors: Float[Tensor, "N H"], order: Int[Tensor, " N"]
) -> tuple[Int[Tensor, "N H"], Int[Tensor, " H"]]:
    """Where to take each error from, in this order: from the next row if it is missing.

    A step that is never observed takes the errors of the nearest one that is.
    """
    seen = ~torch.isnan(errors[order])
    steps, ever = torch.arange(errors.shape[1]), seen.any(0).nonzero()[:, 0]
    columns = ever[(steps[:, None] - ever).abs().argmin(1)]
    rows = torch.arange(len(order))[:, None].repeat(1, len(steps))
    for step, column in enumerate(columns.tolist()):
        there = seen[:, column].nonzero()[:, 0]
        if len(there) < len(order):
            rows[:, step] = there[
                torch.searchsorted(there, rows[:, step].contiguous()) % len(there)
            ]
    return order[rows], columns


def _growth(errors: Float[Tensor, "N H"]) -> float:
    """By which power of the steps ahead errors grow, from 0 to that of a random walk."""
    if errors.shape[1] == 1:
        return 0.5
    size = errors.double().square().mean(0).clamp(min=1e-24).log() / 2
    ahead = torch.arange(1, len(size) + 1, dtype=torch.float64).log()
    ahead = ahead - ahead.mean()
    return float(((ahead * size).sum() / ahead.square().sum()).clamp(0, 0.5))


def _best_unit(seen: ValidationErrors) -> Roughness:
    """The unit in which one half of the errors, in time, tells best of the other half."""
    half = len(seen.errors) // 2
    if half < FEW:
        return "none"
    shares = torch.tensor(DEFAULT, dtype=torch.float64)
    scores: dict[Roughness, float] = {}
    for kind, unit in seen.units.items():
        scaled, total = seen.errors / unit, 0.0
        for known, new in ((slice(half), slice(half, None)), (slice(half, None), slice(half))):
            gap = scaled[new] - errors_at(scaled[known], shares)[:, None]
            share = shares[:, None, None]
            pinball = torch.maximum(share * gap, (share - 1) * gap) * unit[new]
            total += float(pinball.double().sum())
        scores[kind] = total
    return min(scores, key=lambda kind: scores[kind])


def _adapted(
    errors: Float[Tensor, "N H"], shares: Float[Tensor, " G"], rate: float
) -> Float[Tensor, " G"]:
    """Shares that keep the promise of ``shares`` along windows in the order of time.

    After each window ``s <- s + rate * (share - seen below)`` (Gibbs & Candes, eq. 2, of each tail
    for itself), where a window is judged by the errors of windows before it, all steps together.
    """
    moved, n = shares.clone(), len(errors)
    borders = torch.linspace(min(FEW, n), n, ROUNDS + 1).long().tolist()
    for begin, end in pairwise(borders):
        known = errors[:begin].sort(0).values
        for window in errors[begin:end]:
            limits = _ranked(known, moved.clamp(0, 1))
            below = (window <= limits).double().mean(1)
            moved = moved + rate * (shares - below)
    return moved.clamp(0, 1).sort().values
