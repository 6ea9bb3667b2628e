"""The interface of a decoder: hidden states in, values out."""

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.types import Outlook


class Decoder(nn.Module, ABC):
    """Promises M values that end ``step`` steps after the context.

    Every decoder is made with ``width``, ``layout`` and ``task``. ``caution`` is how sure
    validation must be of a correction of a base, see ``share_kept``.
    """

    step: int
    caution: float = 0.0

    @property
    @abstractmethod
    def head(self) -> nn.Linear:
        """Its last map."""

    def start_at_zero(self) -> None:
        """Give zeros until it has been trained."""
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    @abstractmethod
    def forward(
        self, hidden: Float[Tensor, "S N D"], outlook: Outlook | None = None
    ) -> Float[Tensor, "S M"]:
        """Turn the hidden states of a context's tokens into normalised values.

        Args:
            hidden: of the tokens.
            outlook: what an adapter of codes says beside them; most decoders do not ask.
        """

    @abstractmethod
    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        """Which of the M values come from a token that says something; only they are trained."""
