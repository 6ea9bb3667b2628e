"""Interface of readers of titles, and the one that reads with a language model."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from tslm.core.float64 import exactly
from tslm.models.text.sentence_reader import SentenceReader


class TitleVectors(ABC):
    """Reader of titles of series.

    Attributes:
        identity: text that is equal for readers that read a title in the same way.
        pieces: number of equal pieces of a vector, each of which is compared by itself.
    """

    identity: str
    pieces: int = 1

    @abstractmethod
    def vectors(self, titles: Sequence[str]) -> Float[Tensor, "K E"]:
        """Return a vector for each title; titles of similar meaning have similar ones."""


class LanguageModelTitles(TitleVectors):
    """Titles read by the frozen language model: mean of its states, and the last state.

    Args:
        sentences: reads each distinct title once.
    """

    pieces = 2

    def __init__(self, sentences: SentenceReader) -> None:
        self.sentences = sentences
        self.identity = sentences.key

    def vectors(self, titles: Sequence[str]) -> Float[Tensor, "K E"]:
        return exactly(self.sentences.read(titles))
