"""The interface of a decoder: hidden states in, values out."""

from abc import ABC, abstractmethod
from typing import ClassVar

from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.distribution import Distribution
from tslm.core.types import Tokens
from tslm.uncertainty.distributions.base import DistributionFamily
from tslm.uncertainty.distributions.point import POINT


class Decoder(nn.Module, ABC):
    """Map from hidden states to M values, the last of them ``step`` steps after the context.

    Every decoder is built with ``width``, ``layout``, ``task`` and ``family``.

    Args:
        family: turns R = ``family.size`` numbers per value into a distribution.

    Attributes:
        families: distribution families that it can have.
        step: steps from the end of the context to the last value.
        caution: number of standard errors subtracted from the shrinkage of a correction, see
            ``Shrinkage``.
        reads_last: True if the last ``step`` values depend on the state of the last token alone.
    """

    families: ClassVar[tuple[type[DistributionFamily], ...]] = (DistributionFamily,)
    step: int
    caution: float = 0.0
    reads_last: bool = False

    def __init__(self, family: DistributionFamily = POINT) -> None:
        super().__init__()
        self.family = family

    @property
    @abstractmethod
    def head(self) -> nn.Linear:
        """Last linear map of the decoder."""

    def start_at_zero(self) -> None:
        """Set the weights of the last map to zero, so that an untrained decoder returns zeros."""
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @abstractmethod
    def forward(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Float[Tensor, "S MR"]:
        """Map hidden states to M values with R numbers each, in normalised units.

        The R numbers of a value are adjacent.

        Args:
            hidden: hidden states of the tokens.
            tokens: the tokens themselves; most decoders do not use them.
        """

    def distribution(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Distribution:
        """Return ``[S, M]`` distributions of the values, in normalised units."""
        numbers = self(hidden, tokens)
        return self.family(rearrange(numbers, "S (M R) -> S M R", R=self.family.size))

    @abstractmethod
    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        """Return True for values that come from an attended token; only these are trained."""
