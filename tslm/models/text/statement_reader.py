"""The interface of readers of statements: sentences in, vectors and expected effects out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from tslm.models.text.effect import Effect, Phase


class StatementReader(ABC):
    """Reader of statements.

    Attributes:
        identity: text that is equal for readers that read a sentence in the same way.
    """

    identity: str

    @abstractmethod
    def vectors(self, sentences: Sequence[str]) -> Float[Tensor, "K E"]:
        """Return a vector for each sentence; sentences of the same meaning have similar ones."""

    @abstractmethod
    def effects(self, sentences: Sequence[str], phase: Phase) -> Effect:
        """Return the expected effect of each sentence, ``[K, T]``, in the phases of its span."""

    @abstractmethod
    def doubt(self, sentences: Sequence[str]) -> Float[Tensor, " K"]:
        """Return the standard deviation of the error of ``log_factor``, on unseen wordings."""
