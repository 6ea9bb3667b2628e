"""Is one forecaster better than another on these windows, by more than chance?

Windows overlap, so neighbouring errors are alike: whole blocks of time are resampled (moving-block
bootstrap, Künsch 1989), the same blocks for both arms of a pair. A trained arm is one draw of its
seed; the spread between seeds is added as a second level. Many questions are asked of the same
windows, so their p values are corrected together (Holm 1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.stats import t as student

Verdict = Literal["helps", "hurts", "no clear difference", "underpowered"]
Floats = npt.NDArray[np.float64]

DRAWS = 2000
MARGIN = 1.0  # percent below which a difference is of no account
WIDEST = 10.0  # points of percent beyond which an interval says nothing
LONE_SEED = 1.0  # percent of the error, taken as the deviation between seeds where there is one
LEVEL = 0.05
FEWEST = 3  # blocks of time, below which series are resampled in their place
FEW_SERIES = 8  # below which nothing is


@dataclass(frozen=True)
class Errors:
    """Squared errors of one arm, over the same windows for all of them.

    Args:
        runs: one row a training run, one column a window.
        series: number of the series of each window.
        position: row of its first target, in its series.
        trained: whether a run is a draw of its seed.
    """

    runs: Float[ndarray, "K n"]
    series: Int[ndarray, " n"]
    position: Int[ndarray, " n"]
    trained: bool = True

    @property
    def means(self) -> Float[ndarray, " n"]:
        """Each window's error, averaged over runs."""
        return np.asarray(self.runs.mean(0))

    @property
    def mean(self) -> float:
        """The error over all windows and runs."""
        return float(np.nanmean(self.runs))

    @property
    def spread(self) -> float:
        """Deviation between runs, in percent of the error; NaN where there is one."""
        totals = np.nanmean(self.runs, 1)
        return float(100 * totals.std(ddof=1) / totals.mean()) if len(totals) > 1 else np.nan


class SeedNoise(NamedTuple):
    """The deviation between seeds, in percent, pooled over arms, and its degrees of freedom."""

    percent: float
    freedom: float


@dataclass(frozen=True)
class Effect:
    """How the error of an arm compares with that of another.

    Args:
        percent: 100 * (error / error of the other - 1), below 0 where the arm is better.
        low: of the 95 % interval.
        high: of the 95 % interval.
        p: two-sided, for a difference beyond the margin; 1 if there is no interval.
    """

    percent: float
    low: float
    high: float
    p: float

    def verdict(self, p: float) -> Verdict:
        """In words, given its p value corrected for all that was asked, see ``holm``."""
        if p < LEVEL:
            return "helps" if self.percent < 0 else "hurts"
        return "no clear difference" if self.high - self.low <= WIDEST else "underpowered"


def pooled(arms: Sequence[Errors]) -> SeedNoise:
    """The deviation between seeds of all trained arms that have several."""
    many = [arm for arm in arms if arm.trained and len(arm.runs) > 1]
    freedom = sum(len(arm.runs) - 1 for arm in many)
    if not freedom:
        return SeedNoise(LONE_SEED, inf)
    total = sum((len(arm.runs) - 1) * arm.spread**2 for arm in many)
    return SeedNoise(float(np.sqrt(total / freedom)), freedom)


def compare(arm: Errors, other: Errors, block: int, noise: SeedNoise, seed: int = 0) -> Effect:
    """The effect of having an arm in place of another.

    Args:
        arm: errors of the one.
        other: errors of the other, on the same windows.
        block: rows of one block of time: the horizon or the season, whichever is longer.
        noise: of seeds, see ``pooled``.
        seed: of the resampling.
    """
    assert np.array_equal(arm.series, other.series), "not the same windows"
    assert np.array_equal(arm.position, other.position), "not the same windows"
    pair = np.stack([arm.means, other.means])
    known = ~np.isnan(pair).any(0)
    pair, series, position = pair[:, known], arm.series[known], arm.position[known]
    totals = pair.sum(1)
    if not totals[1] > 0:
        return Effect(0.0 if totals[0] == totals[1] else inf, -inf, inf, 1.0)
    percent = float(100 * (totals[0] / totals[1] - 1))
    sums, length = _units(pair, series, position, block)
    free = sums.shape[1] / length  # blocks that do not overlap
    if free < FEWEST:
        return Effect(percent, -inf, inf, 1.0)
    dice = np.random.default_rng(seed)
    drawn = _resampled(sums, length, dice)
    draws = 100 * (drawn[0] / drawn[1] - 1)
    wider = student.ppf(0.975, free - 1) / student.ppf(0.975, inf)  # as there are so few blocks
    draws = percent + (draws - draws.mean()) * wider * np.sqrt(free / (free - 1))
    for one in (arm, other):
        draws = draws + _seed_draws(one, noise, dice)
    low, high = np.quantile(draws, [LEVEL / 2, 1 - LEVEL / 2])
    tails = np.mean(draws >= -MARGIN), np.mean(draws <= MARGIN)
    p = 2 * max(float(min(tails)), 1 / (DRAWS + 1))
    return Effect(percent, float(low), float(high), min(p, 1.0))


def holm(p: Sequence[float]) -> list[float]:
    """P values of several questions, corrected so that one false answer in all is as rare."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    worst = 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(p[index] * (len(p) - rank), 1.0))
        corrected[index] = worst
    return [float(value) for value in corrected]


def _units(
    pair: Float[ndarray, "2 n"],
    series: Int[ndarray, " n"],
    position: Int[ndarray, " n"],
    block: int,
) -> tuple[Float[ndarray, "2 u"], int]:
    """Sums of errors by what is resampled, and how many neighbours are one block.

    Series are aligned at their last window, and all that happens at one time is one unit. Where
    that makes too few blocks, each series is a unit of its own, if there are enough of them.
    """
    number = np.unique(series, return_inverse=True)[1]
    last = np.full(number.max() + 1, -1)
    np.maximum.at(last, number, position)
    ages, times = np.unique(position - last[number], return_inverse=True)
    length = ceil(block / np.median(np.diff(ages))) if len(ages) > 1 else block
    if len(ages) >= FEWEST * length or number.max() + 1 < FEW_SERIES:
        return _sums(pair, times), length
    return _sums(pair, number), 1


def _sums(pair: Float[ndarray, "2 n"], unit: Int[ndarray, " n"]) -> Float[ndarray, "2 u"]:
    return np.stack([np.bincount(unit, weights=row) for row in pair])


def _resampled(
    sums: Float[ndarray, "2 u"], length: int, dice: np.random.Generator
) -> Float[ndarray, "2 draws"]:
    """Total errors of draws of whole blocks, as many units in each as there are."""
    units = sums.shape[1]
    blocks = ceil(units / length)
    starts = dice.integers(0, units - length + 1, size=(DRAWS, blocks))
    sizes = np.full(blocks, length)
    sizes[-1] = units - length * (blocks - 1)
    running = np.concatenate([np.zeros((2, 1)), sums.cumsum(1)], 1)
    return np.asarray((running[:, starts + sizes] - running[:, starts]).sum(2))


def _seed_draws(arm: Errors, noise: SeedNoise, dice: np.random.Generator) -> Floats:
    """By how many percent the mean over seeds may be off: at least as much as in other arms."""
    if not arm.trained:
        return np.zeros(DRAWS)
    own = arm.spread if len(arm.runs) > 1 else 0.0
    deviation = max(noise.percent, own) / np.sqrt(len(arm.runs))
    scatter = dice.standard_normal(DRAWS)
    if np.isfinite(noise.freedom):
        scatter = dice.standard_t(noise.freedom, DRAWS)
    return np.asarray(scatter * deviation)
