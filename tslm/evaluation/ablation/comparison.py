"""Compare the errors of two forecasters on the same windows, and tell a difference from chance.

Windows overlap and neighbouring errors are alike, so the errors of a pair are two series in time.
The long-run variance of their means is read from their slow cosines, which leads to Student's t
with as many degrees of freedom (Müller 2007; Lazarus, Lewis, Stock and Watson 2018, "HAR Inference:
Recommendations for Practice"). A trained arm is one draw of its seed; the spread between seeds is a
second part of the variance. P value and interval are those of a ratio of two means (Fieller 1954),
which hold where few windows have most of the error. Many questions are asked of the same windows,
so their p values are corrected together (Holm 1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, copysign, inf
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.fft import dct
from scipy.special import diric
from scipy.stats import t as student

Verdict = Literal["helps", "hurts", "no clear difference", "underpowered"]

MARGIN = 1.0  # percent below which a difference is of no account
WIDEST = 10.0  # points of percent beyond which an interval says nothing
LONE_SEED = 1.0  # percent of the error, taken as the deviation between seeds where there is one
LEVEL = 0.05
FEWEST = 3  # blocks of time, below which series are the sample in their place
FEW_SERIES = 8  # below which there is no interval
SLOW = 2 / 3  # cosines for each block: those with a period of at least three blocks


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


class Sample(NamedTuple):
    """Total errors of a pair at each of several times, or of each of several series.

    Args:
        sums: of both, in the order of time.
        overlap: neighbours that share steps; 1 if none do.
        cosines: slow ones that tell how far the means are off.
    """

    sums: Float[ndarray, "2 u"]
    overlap: int
    cosines: int


class Means(NamedTuple):
    """Mean errors of a pair, and how far they may be off.

    Args:
        value: of both.
        cov: covariance of the two means.
        freedom: degrees of freedom it is known with.
    """

    value: Float[ndarray, "2"]
    cov: Float[ndarray, "2 2"]
    freedom: float


@dataclass(frozen=True)
class Effect:
    """How the error of an arm compares with that of another.

    Args:
        percent: 100 * (error / error of the other - 1), below 0 where the arm is better.
        low: of the 95 % interval.
        high: of the 95 % interval.
        p: two-sided, for a difference beyond the margin: below .05 exactly where the interval is
            beyond it; 1 if there is no interval.
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


def compare(arm: Errors, other: Errors, block: int, noise: SeedNoise) -> Effect:
    """The effect of having an arm in place of another.

    Args:
        arm: errors of the one.
        other: errors of the other, on the same windows.
        block: rows of one block of time: the horizon or the season, whichever is longer.
        noise: of seeds, see ``pooled``.
    """
    assert np.array_equal(arm.series, other.series), "not the same windows"
    assert np.array_equal(arm.position, other.position), "not the same windows"
    pair = np.stack([arm.means, other.means])
    known = ~np.isnan(pair).any(0)
    pair, series, position = pair[:, known], arm.series[known], arm.position[known]
    sample = _sample(pair, series, position, block)
    if sample is None or not sample.sums[1].any():
        one, two = pair.sum(1)
        percent = 100 * (one / two - 1) if two else 0.0 if one == two else inf
        return Effect(float(percent), -inf, inf, 1.0)
    return _effect(_with_seeds(_of_windows(sample), (arm, other), noise))


def holm(p: Sequence[float]) -> list[float]:
    """P values of several questions, corrected so that one false answer in all is as rare."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    worst = 0.0
    for rank, index in enumerate(order):
        worst = max(worst, min(p[index] * (len(p) - rank), 1.0))
        corrected[index] = worst
    return [float(value) for value in corrected]


def _sample(
    pair: Float[ndarray, "2 n"],
    series: Int[ndarray, " n"],
    position: Int[ndarray, " n"],
    block: int,
) -> Sample | None:
    """Errors by time, or by series where there are too few blocks of time; None if few of both.

    Series are aligned at their last window.
    """
    number = np.unique(series, return_inverse=True)[1]
    many = int(number.max()) + 1
    last = np.full(many, -1)
    np.maximum.at(last, number, position)
    ages, times = np.unique(position - last[number], return_inverse=True)
    length = ceil(block / np.median(np.diff(ages))) if len(ages) > 1 else block
    if len(ages) >= FEWEST * length:
        return Sample(_sums(pair, times), length, int(SLOW * len(ages) / length))
    return Sample(_sums(pair, number), 1, many - 1) if many >= FEW_SERIES else None


def _sums(pair: Float[ndarray, "2 n"], unit: Int[ndarray, " n"]) -> Float[ndarray, "2 u"]:
    return np.stack([np.bincount(unit, weights=row) for row in pair])


def _of_windows(sample: Sample) -> Means:
    """Means over windows, and how they vary with the windows there might have been.

    Windows that overlap are moving means, which damp each cosine by a known factor; it is undone.
    """
    size = sample.sums.shape[1]
    order = np.arange(1, sample.cosines + 1)
    waves = dct(sample.sums, norm="ortho")[:, order]
    waves = waves / diric(np.pi * order / size, sample.overlap)
    cov = waves @ waves.T / sample.cosines / size
    return Means(sample.sums.mean(1), cov, sample.cosines)


def _with_seeds(means: Means, pair: tuple[Errors, Errors], noise: SeedNoise) -> Means:
    """The same means, that vary with the seeds of the trained arms as well.

    Degrees of freedom are those of a sum of variances (Welch 1947, Satterthwaite 1946).
    """
    shares = np.array([_variance_of_seeds(arm, noise) for arm in pair])
    cov = means.cov + np.diag(shares * means.value**2)
    contrast = np.array([means.value[1], -means.value[0]])
    windows, both = (float(contrast @ matrix @ contrast) for matrix in (means.cov, cov))
    doubt = windows**2 / means.freedom + (both - windows) ** 2 / noise.freedom
    return Means(means.value, cov, both**2 / doubt if doubt > 0 else means.freedom)


def _variance_of_seeds(arm: Errors, noise: SeedNoise) -> float:
    """Of the mean over seeds, as a share of its square: at least as much as in other arms."""
    if not arm.trained:
        return 0.0
    own = arm.spread if len(arm.runs) > 1 else 0.0
    return float((max(noise.percent, own) / 100) ** 2 / len(arm.runs))


def _effect(means: Means) -> Effect:
    """The effect that a pair of means tells of: the ratios r at which one - r * other may be 0."""
    (one, two), ((a, c), (_, b)) = means.value, means.cov
    reach = student.ppf(1 - LEVEL / 2, means.freedom) ** 2
    percent = float(100 * (one / two - 1))
    square, line, rest = two**2 - reach * b, one * two - reach * c, one**2 - reach * a
    if square <= 0:  # not even the size of the other's error is known
        return Effect(percent, -inf, inf, 1.0)
    half = np.sqrt(max(line**2 - square * rest, 0.0))
    low, high = (100 * (max(root, 0.0) / square - 1) for root in (line - half, line + half))
    ratio = 1 + copysign(MARGIN, percent) / 100
    beyond = (one - ratio * two) * np.sign(percent)
    deviation = np.sqrt(max(a - 2 * ratio * c + ratio**2 * b, 0.0))
    if beyond <= 0:
        p = 1.0
    else:
        p = 2 * student.sf(beyond / deviation, means.freedom) if deviation else 0.0
    return Effect(percent, float(low), float(high), float(p))
