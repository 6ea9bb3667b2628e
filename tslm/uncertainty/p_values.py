"""P-values of observed values: how often a value as unlikely occurs on validation rows.

Source: split conformal prediction; Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random
World", 2005. Beyond the largest validation scores the tail is a generalised Pareto distribution, by
probability-weighted moments: Hosking and Wallis, Technometrics 29, 1987; for anomalies of series:
Siffer et al., "Anomaly Detection in Streams with Extreme Value Theory", KDD 2017.

Departures: validation windows overlap, so the finite-sample correction counts rows and not scores.
The shape of the tail is at least 0: a tail that ends would call everything beyond it impossible.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from scipy.special import ndtr, ndtri
from torch import Tensor

Floats = npt.NDArray[np.float64]

# chosen by hand
KNOTS = 100  # shares of validation scores that are kept
EXCEEDANCES = 20  # validation rows that the tail is fitted to
SHARES = (0.02, 0.2)  # smallest and largest share of scores that belong to the tail
INDEPENDENT = 20  # validation windows from which their joint scores are known
HEAVIEST = 0.5  # largest shape of the tail; above it the variance is infinite
MOST = 0.99  # of a p-value that is combined; a single 1 would outweigh all others
SMALLEST = 1e-300  # p-values are not smaller, so that their logarithm is finite


@dataclass(frozen=True)
class ScoreTail:
    """Share of normal rows with at least a given score, learnt from the scores of validation rows.

    Attributes:
        knots: scores in ascending order, and the share of rows at or above each; none if nothing
            was learnt.
        tail: scale and shape of the generalised Pareto distribution beyond the last knot.
    """

    knots: Float[Tensor, "K 2"]
    tail: Float[Tensor, "2"]

    @classmethod
    def none(cls) -> "ScoreTail":
        """Return the tail where nothing was learnt: scores are those of a normal distribution."""
        return cls(
            torch.empty(0, 2, dtype=torch.float64), torch.tensor([1.0, 0.0], dtype=torch.float64)
        )

    @classmethod
    def of(cls, scores: Floats, rows: float) -> "ScoreTail":
        """Learn from scores of validation rows.

        Args:
            scores: one per row and window, at least 0; NaN where a value is missing.
            rows: number of different validation rows, by which p-values are corrected.
        """
        known = np.sort(scores[np.isfinite(scores)])
        if not len(known) or rows < 1:
            return cls.none()
        least = float(np.clip(EXCEEDANCES / rows, *SHARES))
        shares = np.geomspace(1, least, KNOTS)
        places = np.minimum((len(known) * (1 - shares)).astype(np.int64), len(known) - 1)
        at = np.maximum.accumulate(np.concatenate([[0.0], known[places]]))
        shares = (1 + rows * np.concatenate([[1.0], shares])) / (rows + 1)
        scale, shape = _pareto(known[known >= at[-1]] - at[-1])
        return cls(
            torch.from_numpy(np.stack([at, shares], 1)),
            torch.tensor([scale, shape], dtype=torch.float64),
        )

    def p_values(self, scores: Floats) -> Floats:
        """Return the p-value of each score, in (0, 1]; NaN for NaN."""
        if not len(self.knots):
            return np.asarray((2 * ndtr(-scores)).clip(SMALLEST, 1))
        at, shares = self.knots.numpy().T
        scale, shape = self.tail.tolist()
        inside = np.exp(np.interp(scores, at, np.log(shares)))
        beyond = (scores - at[-1]).clip(0) / scale
        decay = np.log1p(shape * beyond) / shape if shape > 1e-6 else beyond
        return np.asarray((inside * np.exp(-decay)).clip(SMALLEST, 1))

    def is_valid(self) -> bool:
        """Return True if knots and tail of a saved model fit together."""
        knots, tail = self.knots, self.tail
        shapes = knots.ndim == 2 and knots.shape[1] == 2 and tail.shape == (2,)
        if not shapes or not bool(knots.isfinite().all() and tail.isfinite().all()):
            return False
        at, shares = knots.T
        ordered = bool((at.diff() >= 0).all() and (shares.diff() <= 0).all())
        inside = bool(((shares > 0) & (shares <= 1)).all())
        return ordered and inside and bool(tail[0] > 0 and 0 <= tail[1] <= HEAVIEST)


def window_p_values(p_values: Floats, ranks: Floats, independent: float) -> Floats:
    """Return the p-value of each window, from those of its steps.

    Each p-value becomes the score of a normal distribution that has it, and the score of a window
    is the mean square of them. Its p-value is the share of validation windows with at least this
    score at the same steps, so errors of neighbouring steps may depend on each other. Where fewer
    than ``INDEPENDENT`` windows are known, p-values are combined by the Cauchy distribution, which
    holds for any dependence and finds less: Liu and Xie, Journal of the American Statistical
    Association 115, 2020.

    Args:
        p_values: ``[n, T]``; NaN where a value is missing.
        ranks: rank of the error of each validation window at each step, from 1 on, ``[N, H]``.
        independent: number of validation windows that would fit without overlap.

    Returns:
        ``[n]``; NaN for windows without a known value.
    """
    if independent < INDEPENDENT:
        return _cauchy(p_values)
    count, steps = ranks.shape
    wanted = np.arange(p_values.shape[1])
    rows = (np.arange(count)[:, None] + wanted // steps * (count // 2 + 1)) % count
    share = ranks[rows, wanted % steps] / (count + 1)  # beyond H steps: those of another window
    usual = np.square(ndtri(np.minimum(share, 1 - share)))
    observed = np.square(ndtri(p_values / 2))
    found = np.full(len(p_values), np.nan)
    patterns, places = np.unique(np.isfinite(p_values), axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        if not pattern.any():
            continue
        own = places.ravel() == number
        tail = ScoreTail.of(usual[:, pattern].mean(1), independent)
        found[own] = tail.p_values(observed[own][:, pattern].mean(1))
    return found


def _cauchy(p_values: Floats) -> Floats:
    """Return the p-value of the mean of Cauchy scores of the known p-values of each row."""
    known = np.isfinite(p_values)
    p = np.where(known, p_values, 0.5).clip(None, MOST)
    scores = np.where(p < 1e-8, 1 / (np.pi * p), np.tan((0.5 - p.clip(1e-8)) * np.pi))
    number = known.sum(1)
    mean = np.where(known, scores, 0).sum(1) / number.clip(1)
    tail = np.where(mean > 1e8, 1 / (np.pi * mean.clip(1e8)), 0.5 - np.arctan(mean) / np.pi)
    return np.where(number > 0, tail.clip(SMALLEST, 1), np.nan)


def _pareto(excess: Floats) -> tuple[float, float]:
    """Return scale and shape of the generalised Pareto distribution of ascending values."""
    mean = float(excess.mean())
    if mean <= 0:
        return 1e-3, 0.0
    place = (np.arange(1, len(excess) + 1) - 0.35) / len(excess)
    weighted = float(((1 - place) * excess).mean())
    shape = 2 - mean / (mean - 2 * weighted) if mean > 2 * weighted else HEAVIEST
    shape = min(max(shape, 0.0), HEAVIEST)
    return mean * (1 - shape), shape
