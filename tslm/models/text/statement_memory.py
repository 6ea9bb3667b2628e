"""Memory of past statements: a Gaussian process on the effects that they really had.

The effect that a reader expects is the mean of the process. Its covariance has three parts: a
factor on the expectation, an effect that all statements of these series have, and an effect that
similar sentences have. Their sizes, zero among them, are those with the largest marginal
likelihood of the past effects, less ``PRICE`` for each part. So statements without an effect leave
the forecast as it is.

Source: Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006,
chapters 2.2 and 5.4.
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

SIZES = (0.0, 0.1, 0.3, 1.0)  # standard deviations that are tried for each part
PRICE = 1.0  # logarithm of the likelihood that a part must add to be used; chosen by hand
LENGTHS = (0.1, 0.3)  # distances (1 - cosine) at which sentences are half as similar


class Sizes(NamedTuple):
    """Standard deviations of the parts of the covariance.

    Args:
        trust: of the factor on the expected effect.
        common: of the effect that all statements have.
        similar: of the effect that similar sentences have.
        length: distance of sentences at which ``similar`` has halved.
    """

    trust: float = 0.0
    common: float = 0.0
    similar: float = 0.0
    length: float = LENGTHS[0]


NOTHING = Sizes()


class Correction(NamedTuple):
    """Correction of expected effects by past ones.

    Args:
        mean: number to add to the expected effect.
        variance: its variance.
        known: share of the prior variance that past effects explain, from 0 to 1.
    """

    mean: Float[Tensor, " K"]
    variance: Float[Tensor, " K"]
    known: Float[Tensor, " K"]


@dataclass(frozen=True)
class StatementMemory:
    """Past statements and the effects they had.

    Attributes:
        vectors: vector of each past statement.
        expected: effect that the reader expects of it.
        residual: effect that it had, minus the expected one.
        noise: variance of each residual in which there is no effect.
        sizes: standard deviations of the parts of the covariance.
    """

    vectors: Float[Tensor, "N E"]
    expected: Float[Tensor, " N"]
    residual: Float[Tensor, " N"]
    noise: Float[Tensor, " N"]
    sizes: Sizes = NOTHING

    @classmethod
    def empty(cls) -> "StatementMemory":
        """Return a memory without statements: effects are those that the reader expects."""
        none = torch.zeros(0, dtype=torch.float64)
        return cls(none.view(0, 0), none, none, none)

    @classmethod
    def of(
        cls,
        vectors: Float[Tensor, "N E"],
        expected: Float[Tensor, " N"],
        observed: Float[Tensor, " N"],
        noise: Float[Tensor, " N"],
    ) -> "StatementMemory":
        """Remember past statements.

        Args:
            vectors: vector of each statement.
            expected: effect that the reader expects.
            observed: effect that the statement had.
            noise: variance of the observation.
        """
        parts = (exactly(vectors), exactly(expected), exactly(observed - expected))
        memory = cls(*parts, exactly(noise).clamp(min=1e-6))
        if not len(memory):
            return memory
        tried = [Sizes(*sizes) for sizes in product(SIZES, SIZES, SIZES, LENGTHS)]
        best = max(tried, key=memory._likelihood)
        return cls(memory.vectors, memory.expected, memory.residual, memory.noise, best)

    def __len__(self) -> int:
        return len(self.residual)

    def correct(self, vectors: Float[Tensor, "K E"], expected: Float[Tensor, " K"]) -> Correction:
        """Return what past effects add to expected ones.

        Args:
            vectors: vector of each new statement.
            expected: effect that the reader expects.
        """
        vectors, expected = exactly(vectors), exactly(expected)
        if not len(self):
            none = torch.zeros_like(expected)
            return Correction(none, none, none)
        cross = self._covariance(self.sizes, vectors, expected)
        root = self._root(self.sizes)
        half = torch.linalg.solve_triangular(root, cross.T, upper=False)
        rest = torch.linalg.solve_triangular(root, self.residual[:, None], upper=False)
        own = self.sizes.common**2 + self.sizes.similar**2 + (self.sizes.trust * expected) ** 2
        known = half.square().sum(0).clamp(max=own)
        return Correction((half.T @ rest)[:, 0], own - known, known / own.clamp(min=1e-12))

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for ``from_state``."""
        tensors = {
            name: getattr(self, name) for name in ("vectors", "expected", "residual", "noise")
        }
        return {"sizes": list(self.sizes), **tensors}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "StatementMemory":
        """Make a memory from its ``state``.

        Raises:
            DataError: if its values do not fit together.
        """
        names = ("vectors", "expected", "residual", "noise")
        parts = [torch.as_tensor(state[name]) for name in names]
        vectors, expected, residual, noise = parts
        sizes = Sizes(*(float(size) for size in state["sizes"]))
        fits = (
            vectors.ndim == 2
            and all(part.shape == (len(vectors),) for part in parts[1:])
            and all(part.dtype == torch.float64 for part in parts)
            and all(bool(part.isfinite().all()) for part in parts)
            and bool((noise > 0).all())
            and all(0 <= size <= max(SIZES) for size in sizes[:3])
            and sizes.length > 0
        )
        if not fits:
            raise DataError("The saved past statements do not fit together.")
        return cls(vectors, expected, residual, noise, sizes)

    def _covariance(
        self, sizes: Sizes, vectors: Float[Tensor, "K E"], expected: Float[Tensor, " K"]
    ) -> Float[Tensor, "K N"]:
        """Return the covariance of the effects of new statements with those of past ones."""
        cosine = normalize(vectors, dim=1) @ normalize(self.vectors, dim=1).T
        similar = torch.exp2((cosine - 1).clamp(max=0) / sizes.length)
        trust = sizes.trust**2 * expected[:, None] * self.expected
        return trust + sizes.common**2 + sizes.similar**2 * similar

    def _root(self, sizes: Sizes) -> Float[Tensor, "N N"]:
        """Return the Cholesky factor of the covariance of the observed effects."""
        own = self._covariance(sizes, self.vectors, self.expected)
        return torch.linalg.cholesky(own + torch.diag(self.noise))

    def _likelihood(self, sizes: Sizes) -> float:
        """Return the log marginal likelihood of the past effects, less the price of the parts."""
        root = self._root(sizes)
        half = torch.linalg.solve_triangular(root, self.residual[:, None], upper=False)
        price = PRICE * sum(size > 0 for size in sizes[:3])
        return float(-0.5 * half.square().sum() - root.diagonal().log().sum()) - price
