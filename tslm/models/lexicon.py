"""Lexicon: the part of a language model that adapters may use, without its blocks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.errors import ConfigError


class Lexicon(ABC):
    """Word embeddings, tokenizer, and hidden states of sentences."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Return the size of one token vector, D."""

    @property
    @abstractmethod
    def key(self) -> str:
        """Return model, depth and precision in one text; equal keys give equal states."""

    @property
    @abstractmethod
    def tokenizer(self) -> Any:
        """Tokenizer of the transformers library.

        Raises:
            BackboneError: if the model has none.
        """

    @abstractmethod
    def tokenize(self, sentences: Sequence[str], pool: str = "last_text") -> list[list[int]]:
        """Tokenize sentences, after a beginning-of-sequence token if the model uses one.

        Args:
            sentences: text.
            pool: see ``read``.

        Raises:
            BackboneError: if the model has no tokenizer.
        """

    @property
    @abstractmethod
    def words(self) -> Float[Tensor, "V D"]:
        """Frozen input embeddings of all words, on the device of the language model."""

    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n D"]:
        """Look up the frozen input embeddings of token ids, on the device of the ids."""
        words = self.words
        return words[ids.to(words.device)].to(ids.device)

    @abstractmethod
    def read(
        self, sentences: Sequence[str], pool: str = "last_text"
    ) -> Float[Tensor, "sentences D"]:
        """Read sentences with the frozen model; return one hidden state each, after the final norm.

        Args:
            sentences: text; shared beginnings are read only once.
            pool: ``last_text``, the state of the last token, or ``eos``, the state of an
                end-of-sequence token that is appended.

        Raises:
            BackboneError: if the model has no tokenizer.
        """


class SwitchedLexicon(Lexicon):
    """Lexicon of a backbone whose depth is not chosen yet: words, but no states of sentences.

    Args:
        lexicon: lexicon of a backbone with the same words.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._settled = False

    def switch(self, lexicon: Lexicon) -> None:
        """Take the lexicon of the backbone of the chosen depth."""
        self._lexicon, self._settled = lexicon, True

    @property
    def width(self) -> int:
        return self._lexicon.width

    @property
    def key(self) -> str:
        return self._lexicon.key

    @property
    def tokenizer(self) -> Any:
        return self._lexicon.tokenizer

    def tokenize(self, sentences: Sequence[str], pool: str = "last_text") -> list[list[int]]:
        return self._lexicon.tokenize(sentences, pool)

    @property
    def words(self) -> Float[Tensor, "V D"]:
        return self._lexicon.words

    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n D"]:
        return self._lexicon.embed(ids)

    def read(
        self, sentences: Sequence[str], pool: str = "last_text"
    ) -> Float[Tensor, "sentences D"]:
        """Read sentences after the choice.

        Raises:
            ConfigError: before the choice, as the states depend on the depth.
        """
        if not self._settled:
            raise ConfigError(
                "n_layers=auto chooses the depth after training, but this adapter reads sentences "
                "at one depth before (such as adapter.timestamps=text). Set a number of blocks, "
                "such as n_layers=2, or adapter.timestamps=none."
            )
        return self._lexicon.read(sentences, pool)
