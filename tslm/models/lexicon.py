"""A backbone's words, without the backbone: what an adapter may know of the language model."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor


class Lexicon(ABC):
    """The word table, the tokenizer, and a reader of sentences."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Size of one token vector, D."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Names the reader (model, depth, precision): equal keys read a sentence alike."""

    @property
    @abstractmethod
    def tokenizer(self) -> Any:
        """The tokenizer, of the transformers library.

        Raises:
            BackboneError: if the model has none.
        """

    @abstractmethod
    def tokenize(self, sentences: Sequence[str], pool: str = "last_text") -> list[list[int]]:
        """Token ids of sentences, after a beginning-of-sequence token where the model wants one.

        Args:
            sentences: what to cut into words.
            pool: see ``read``.

        Raises:
            BackboneError: if the model has no tokenizer.
        """

    @property
    @abstractmethod
    def words(self) -> Float[Tensor, "V D"]:
        """The frozen input embedding of every word, on the device of the body."""

    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n D"]:
        """The frozen input embedding of words by their ids, on the device of these."""
        words = self.words
        return words[ids.to(words.device)].to(ids.device)

    @abstractmethod
    def read(self, sentences: Sequence[str], pool: str = "last_text") -> Float[Tensor, "n D"]:
        """Read sentences with the frozen model: its last hidden state, after the final norm.

        Args:
            sentences: what to read; shared beginnings are read once.
            pool: ``last_text``, the state at the last word, or ``eos``, at an end-of-sequence
                token appended to it.

        Raises:
            BackboneError: if the model has no tokenizer.
        """
