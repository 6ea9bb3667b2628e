"""Comparison of two forecasters on the same windows: relative error, interval and p value.

Windows overlap and the errors of neighbouring windows are correlated, so the errors of a pair are
treated as two time series. The long-run variance of their means is estimated from their
low-frequency cosine coefficients, which gives Student's t with as many degrees of freedom (Müller
2007; Lazarus, Lewis, Stock and Watson 2018, "HAR Inference: Recommendations for Practice"). The
variance between training seeds is added to it. P value and interval are those of a ratio of two
means (Fieller 1954), which stay valid if few windows have most of the error. The p values of all
comparisons on the same windows are corrected together (Holm 1979).
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

MARGIN = 1.0  # percent; smaller differences are ignored. Chosen by hand
WIDEST = 10.0  # percentage points; wider intervals are underpowered. Chosen by hand
LONE_SEED = 1.0  # percent; assumed deviation between seeds if there is one. Chosen by hand
LEVEL = 0.05  # of significance
FEWEST = 3  # blocks of time; with fewer, series are the sample instead. Chosen by hand
FEW_SERIES = 8  # with fewer series there is no interval. Chosen by hand
SLOW = 2 / 3  # cosines per block: those with a period of at least three blocks


@dataclass(frozen=True)
class Errors:
    """Errors of one arm on the windows that all arms share.

    Attributes:
        runs: squared (or absolute) errors; one row per training run, one column per window.
        series: number of the series of each window.
        position: row of the first target of each window, in its series.
        trained: True if the errors depend on the seed of the run.
    """

    runs: Float[ndarray, "K n"]
    series: Int[ndarray, " n"]
    position: Int[ndarray, " n"]
    trained: bool = True

    @property
    def means(self) -> Float[ndarray, " n"]:
        """Return the error of each window, averaged over runs."""
        return np.asarray(self.runs.mean(0))

    @property
    def mean(self) -> float:
        """Return the error over all windows and runs."""
        return float(np.nanmean(self.runs))

    @property
    def spread(self) -> float:
        """Standard deviation between runs, in percent of the error; NaN for one run."""
        totals = np.nanmean(self.runs, 1)
        return float(100 * totals.std(ddof=1) / totals.mean()) if len(totals) > 1 else np.nan


class SeedNoise(NamedTuple):
    """Standard deviation between seeds, pooled over arms.

    Attributes:
        percent: the standard deviation, in percent of the error.
        freedom: its degrees of freedom.
    """

    percent: float
    freedom: float


class Sample(NamedTuple):
    """Total errors of a pair of arms, by time or by series.

    Attributes:
        sums: total error of both arms at each time, in order, or of each series.
        overlap: number of neighbouring windows that share steps; 1 without overlap.
        cosines: number of low-frequency cosines from which the variance is estimated.
    """

    sums: Float[ndarray, "2 u"]
    overlap: int
    cosines: int


class Means(NamedTuple):
    """Mean errors of a pair of arms with their covariance.

    Attributes:
        value: the two means.
        cov: covariance of the two means.
        freedom: degrees of freedom of the covariance.
    """

    value: Float[ndarray, "2"]
    cov: Float[ndarray, "2 2"]
    freedom: float


@dataclass(frozen=True)
class Effect:
    """Error of an arm relative to that of another.

    Attributes:
        percent: 100 * (error / error of the other - 1); negative if the arm is better.
        low: lower end of the 95 % interval, in percent.
        high: upper end of the 95 % interval, in percent.
        p: two-sided p value of a difference larger than ``MARGIN``. It is below 0.05 exactly if the
            interval lies beyond the margin, and 1 if there is no interval.
    """

    percent: float
    low: float
    high: float
    p: float

    def verdict(self, p: float) -> Verdict:
        """Return the verdict in words.

        Args:
            p: the p value, corrected for the number of comparisons by ``holm``.
        """
        if p < LEVEL:
            return "helps" if self.percent < 0 else "hurts"
        return "no clear difference" if self.high - self.low <= WIDEST else "underpowered"


def pooled(arms: Sequence[Errors]) -> SeedNoise:
    """Pool the deviation between seeds over all trained arms with several runs."""
    many = [arm for arm in arms if arm.trained and len(arm.runs) > 1]
    freedom = sum(len(arm.runs) - 1 for arm in many)
    if not freedom:
        return SeedNoise(LONE_SEED, inf)
    total = sum((len(arm.runs) - 1) * arm.spread**2 for arm in many)
    return SeedNoise(float(np.sqrt(total / freedom)), freedom)


def compare(arm: Errors, other: Errors, block: int, noise: SeedNoise) -> Effect:
    """Compare the errors of an arm with those of another.

    Args:
        arm: errors of the arm.
        other: errors of the other arm, on the same windows.
        block: steps of one block of time: the longer of horizon and season.
        noise: deviation between seeds, see ``pooled``.
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
    """Correct the p values of several tests for their number, by Holm's step-down method."""
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
    """Sum errors by time, or by series if there are few blocks of time; None if both are few.

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
    """Return the means over windows with their long-run covariance.

    Overlapping windows are moving averages, which damp each cosine coefficient by a known factor.
    The coefficients are divided by that factor.
    """
    size = sample.sums.shape[1]
    order = np.arange(1, sample.cosines + 1)
    waves = dct(sample.sums, norm="ortho")[:, order]
    waves = waves / diric(np.pi * order / size, sample.overlap)
    cov = waves @ waves.T / sample.cosines / size
    return Means(sample.sums.mean(1), cov, sample.cosines)


def _with_seeds(means: Means, pair: tuple[Errors, Errors], noise: SeedNoise) -> Means:
    """Add the variance between training seeds to the covariance of two means.

    The degrees of freedom are those of a sum of variances (Satterthwaite 1946, Welch 1947).
    """
    variances = np.array([_variance_of_seeds(arm, noise) for arm in pair])
    cov = means.cov + np.diag(variances * means.value**2)
    contrast = np.array([means.value[1], -means.value[0]])
    windows, both = (float(contrast @ matrix @ contrast) for matrix in (means.cov, cov))
    doubt = windows**2 / means.freedom + (both - windows) ** 2 / noise.freedom
    return Means(means.value, cov, both**2 / doubt if doubt > 0 else means.freedom)


def _variance_of_seeds(arm: Errors, noise: SeedNoise) -> float:
    """Return the variance of the mean over seeds, relative to its square.

    The deviation between seeds is at least the one pooled over arms.
    """
    if not arm.trained:
        return 0.0
    own = arm.spread if len(arm.runs) > 1 else 0.0
    return float((max(noise.percent, own) / 100) ** 2 / len(arm.runs))


def _effect(means: Means) -> Effect:
    """Return Fieller's interval: the ratios r for which one - r * other may be 0."""
    (one, two), ((a, c), (_, b)) = means.value, means.cov
    critical = student.ppf(1 - LEVEL / 2, means.freedom) ** 2
    percent = float(100 * (one / two - 1))
    square, line, rest = two**2 - critical * b, one * two - critical * c, one**2 - critical * a
    if square <= 0:  # the error of the other may be 0, so the ratio has no bound
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
