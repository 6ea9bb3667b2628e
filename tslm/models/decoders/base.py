"""The interface of a decoder: hidden states in, values out."""

from abc import ABC, abstractmethod

from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.distribution import Distribution
from tslm.core.types import Tokens
from tslm.uncertainty.distributions.base import DistributionFamily
from tslm.uncertainty.distributions.point import POINT


class Decoder(nn.Module, ABC):
    """Promises M values that end ``step`` steps after the context.

    Every decoder is made with ``width``, ``layout``, ``task`` and ``family``. ``caution`` is
    the number of standard errors subtracted from the shrinkage of a correction, see ``Shrinkage``.

    Args:
        law: what becomes of the numbers it gives for each value, of which there are ``law.size``.
    """

    step: int
    caution: float = 0.0

    def __init__(self, family: DistributionFamily = POINT) -> None:
        super().__init__()
        self.family = family

    @property
    @abstractmethod
    def head(self) -> nn.Linear:
        """Its last map."""

    def start_at_zero(self) -> None:
        """Give zeros until it has been trained."""
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @abstractmethod
    def forward(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Float[Tensor, "S MR"]:
        """Turn the hidden states of a context's tokens into normalised values.

        Where the law takes R numbers a value, those of a value lie side by side.

        Args:
            hidden: of the tokens.
            tokens: what the backbone has read; most decoders ignore them.
        """

    def distribution(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Distribution:
        """Return ``[S, M]`` distributions of the values, in normalised units."""
        numbers = self(hidden, tokens)
        return self.family(rearrange(numbers, "S (M R) -> S M R", R=self.family.size))

    @abstractmethod
    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        """Return which of the M values come from an observed token; only they are trained."""
