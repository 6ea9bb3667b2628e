"""Regression of numbers of series on the vectors of their titles.

A Gaussian process for each number, with three parts: a mean that all series have, a part that
series with similar titles have, and a part of each series alone. The share of the similar part and
the distance of similarity are those with the largest restricted likelihood. The similar part must
add ``PRICE`` to its logarithm; else it is left out, and titles tell nothing about this number.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006,
chapters 2.7 and 5.4.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from tslm.core.errors import DataError
from tslm.core.float64 import exactly

SHARES = (0.25, 0.5, 0.75, 0.9)  # shares of the similar part that are tried
LENGTHS = (0.1, 0.2, 0.4, 0.8)  # distances (1 - cosine) at which titles are half as similar
PRICE = 3.0  # logarithm of the likelihood that the similar part must add; chosen by hand
LEAST = 1e-12  # smallest variance
FEWEST = 8  # series from which similarity is estimated; chosen by hand


class Kernel(NamedTuple):
    """Covariance of one number between titles.

    Attributes:
        share: share of the variance that similar titles have in common; 0 if titles tell nothing.
        length: distance of titles at which the similarity has halved.
        centred: True if vectors are compared without the mean of the known ones.
    """

    share: float = 0.0
    length: float = LENGTHS[0]
    centred: bool = True


NOTHING = Kernel()


class Solved(NamedTuple):
    """Solution of the regression for one kernel.

    Attributes:
        root: Cholesky factor of the correlation of the known series.
        ones: solution for a vector of ones.
        seen: solution for the numbers of the known series.
        mean: common mean of each number.
        variance: variance of each number.
    """

    root: Float[Tensor, "N N"]
    ones: Float[Tensor, " N"]
    seen: Float[Tensor, "N Q"]
    mean: Float[Tensor, " Q"]
    variance: Float[Tensor, " Q"]


@dataclass(frozen=True)
class TitleRegression:
    """Regressions of Q numbers per series on title vectors.

    Attributes:
        vectors: vector of the title of each known series.
        values: numbers of each known series.
        pieces: number of equal pieces of a vector, each of which is compared by itself.
        kernels: covariance of each number.
    """

    vectors: Float[Tensor, "N E"]
    values: Float[Tensor, "N Q"]
    pieces: int
    kernels: tuple[Kernel, ...]

    @classmethod
    def of(
        cls,
        vectors: Float[Tensor, "N E"],
        values: Float[Tensor, "N Q"],
        pieces: int = 1,
        *,
        use: bool = True,
    ) -> "TitleRegression":
        """Fit the regressions.

        Args:
            vectors: vector of the title of each series.
            values: numbers of each series.
            pieces: number of equal pieces of a vector, each of which is compared by itself.
            use: False leaves the titles out, so that all series have the same expectation.
        """
        count = values.shape[1]
        made = cls(exactly(vectors), exactly(values), pieces, (NOTHING,) * count)
        if not use or len(values) < FEWEST:
            return made
        tried = [Kernel(*each) for each in product(SHARES, LENGTHS, (True, False))]
        cosines = {flag: made._cosine(made.vectors, flag) for flag in (True, False)}
        scores = torch.stack([made._likelihood(each, cosines) for each in tried])
        plain = made._likelihood(NOTHING, cosines)
        best = scores.max(0)
        kernels = [
            tried[int(best.indices[q])] if best.values[q] > plain[q] + PRICE else NOTHING
            for q in range(count)
        ]
        return cls(made.vectors, made.values, pieces, tuple(kernels))

    def predict(
        self, vectors: Float[Tensor, "K E"]
    ) -> tuple[Float[Tensor, "K Q"], Float[Tensor, "K Q"]]:
        """Return mean and variance of the numbers of new series, those of each alone included."""
        mean, variance = torch.empty(2, len(vectors), len(self.kernels), dtype=torch.float64)
        for kernel in set(self.kernels):
            chosen = [q for q, each in enumerate(self.kernels) if each == kernel]
            found = self._solve(kernel, self._cosine(self.vectors, kernel.centred))
            cosine = self._cosine(exactly(vectors), kernel.centred)
            cross = kernel.share * _similarity(cosine, kernel.length)
            half = torch.linalg.solve_triangular(found.root, cross.T, upper=False)
            rest = found.seen - found.ones[:, None] * found.mean
            unsure = (1 - half.T @ found.ones).square() / found.ones.square().sum()  # of the mean
            share = (1 - half.square().sum(0) + unsure).clamp(min=LEAST)
            mean[:, chosen] = (found.mean + half.T @ rest)[:, chosen]
            variance[:, chosen] = (share[:, None] * found.variance)[:, chosen]
        return mean, variance

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for ``from_state``."""
        kernels = [[k.share, k.length, k.centred] for k in self.kernels]
        vectors = self.vectors.float()
        return {
            "vectors": vectors,
            "numbers": self.values,
            "pieces": self.pieces,
            "kernels": kernels,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "TitleRegression":
        """Make regressions from their ``state``.

        Raises:
            DataError: if its values do not fit together.
        """
        vectors, values = torch.as_tensor(state["vectors"]), torch.as_tensor(state["numbers"])
        kernels = tuple(Kernel(float(s), float(n), bool(c)) for s, n, c in state["kernels"])
        pieces = int(state["pieces"])
        fits = (
            vectors.ndim == values.ndim == 2
            and len(vectors) == len(values) > 0
            and values.dtype == torch.float64
            and bool(vectors.isfinite().all() and values.isfinite().all())
            and len(kernels) == values.shape[1]
            and all(0 <= k.share < 1 and k.length > 0 for k in kernels)
            and pieces in (1, 2)
            and vectors.shape[1] % pieces == 0
        )
        if not fits:
            raise DataError("The saved titles do not fit together.")
        return cls(exactly(vectors), values, pieces, kernels)

    def _cosine(self, vectors: Float[Tensor, "K E"], centred: bool) -> Float[Tensor, "K N"]:
        """Return the mean cosine of the pieces of new and known vectors."""
        centre = self.vectors.mean(0) * centred
        new, known = (each - centre for each in (vectors, self.vectors))
        pairs = zip(new.chunk(self.pieces, 1), known.chunk(self.pieces, 1), strict=True)
        cosines = [normalize(a, dim=1) @ normalize(b, dim=1).T for a, b in pairs]
        return torch.stack(cosines).mean(0)

    def _solve(self, kernel: Kernel, cosine: Float[Tensor, "N N"]) -> Solved:
        """Solve the regression of all numbers for one kernel."""
        one = torch.eye(len(cosine), dtype=torch.float64)
        similar = kernel.share * _similarity(cosine, kernel.length)
        similar = (similar + similar.T) / 2
        root = torch.linalg.cholesky(similar + (1 - kernel.share) * one)
        both = torch.cat([torch.ones(len(one), 1, dtype=torch.float64), self.values], 1)
        both = torch.linalg.solve_triangular(root, both, upper=False)
        ones, seen = both[:, 0], both[:, 1:]
        mean = (ones @ seen) / (ones @ ones)
        variance = (seen - ones[:, None] * mean).square().sum(0) / max(len(one) - 1, 1)
        return Solved(root, ones, seen, mean, variance.clamp(min=LEAST))

    def _likelihood(
        self, kernel: Kernel, cosines: Mapping[bool, Float[Tensor, "N N"]]
    ) -> Float[Tensor, " Q"]:
        """Return the restricted log likelihood of each number, over its mean and variance."""
        found = self._solve(kernel, cosines[kernel.centred])
        logs = found.root.diagonal().log().sum() + 0.5 * (found.ones @ found.ones).log()
        return -0.5 * (len(self.values) - 1) * found.variance.log() - logs


def _similarity(cosine: Float[Tensor, "K N"], length: float) -> Float[Tensor, "K N"]:
    """Return the similarity of titles, from 0 to 1."""
    return torch.exp2((cosine - 1).clamp(max=0) / length)
