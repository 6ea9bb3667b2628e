"""Prototypes: a few vectors in the space of a language model's word embeddings.

Jin et al., "Time-LLM", ICLR 2024 (text prototypes), and Pan et al., "S2IP-LLM", ICML 2024 (semantic
anchors): both map the word embeddings E (V x D) by a trained K x V matrix. E is frozen, so the
product has rank D at most: a K x D matrix times a basis of its row space makes the same vectors.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly
from tslm.core.messages import at_least, check_choice
from tslm.models.lexicon import Lexicon

WORDS = (
    "up down rise fall increase decrease grow shrink high low peak valley top bottom sudden slow "
    "steady flat constant stable smooth rough noise random regular period cycle season trend level "
    "shift jump drop spike burst wave repeat return begin end early late long short fast weak "
    "strong small large day night week month year morning evening summer winter hour time"
)


class Prototypes(nn.Module, ABC):
    """Prototype vectors in the space of word embeddings; ``forward`` returns all, [K, D].

    Attributes:
        count: number of prototypes, K.
    """

    count: int

    @abstractmethod
    def forward(self) -> Float[Tensor, "K D"]:
        """Return the vectors, in the units of the word embeddings."""


class SpectralPrototypes(Prototypes):
    """Trained map of an orthogonal basis of the word embeddings: K x D weights.

    The basis vectors are principal directions of E, strongest first, scaled so that weights of
    about 1 make vectors as large as a published prototype at its start. The basis is saved with
    the weights: the sign of a principal direction is arbitrary, and may differ with the precision
    or on another machine.

    Args:
        lexicon: word embeddings.
        count: number of prototypes, K.
    """

    def __init__(self, lexicon: Lexicon, count: int) -> None:
        super().__init__()
        self.count = count
        basis = spectral_basis(lexicon.words.cpu())
        self.basis: Float[Tensor, "D D"]
        self.register_buffer("basis", basis)
        self.weight = nn.Parameter(torch.randn(count, len(basis)))

    def forward(self) -> Float[Tensor, "K D"]:
        return self.weight @ self.basis


class VocabularyPrototypes(Prototypes):
    """Trained map of all word embeddings, as published: K x V weights and K biases.

    Args:
        lexicon: word embeddings.
        count: number of prototypes, K.
    """

    def __init__(self, lexicon: Lexicon, count: int) -> None:
        super().__init__()
        self.lexicon, self.count = lexicon, count
        self.map = nn.Linear(len(lexicon.words), count)

    def forward(self) -> Float[Tensor, "K D"]:
        return self.map(self.lexicon.words.T.to(self.map.weight)).T


class WordPrototypes(Prototypes):
    """Embeddings of the words of a list, not trained; a word of several tokens is their mean.

    Args:
        lexicon: word embeddings and tokenizer.
        words: the list.

    Raises:
        ConfigError: if the list is empty.
    """

    def __init__(self, lexicon: Lexicon, words: Sequence[str]) -> None:
        super().__init__()
        if not words:
            raise ConfigError("The list of words for prototypes is empty. Give at least one word.")
        self.words, self.count = tuple(words), len(words)
        ids = lexicon.tokenizer([f" {word}" for word in words], add_special_tokens=False)
        vectors = [lexicon.embed(torch.tensor(one)).mean(0) for one in ids["input_ids"]]
        self.vectors: Float[Tensor, "K D"]
        self.register_buffer("vectors", torch.stack(vectors), persistent=False)

    def forward(self) -> Float[Tensor, "K D"]:
        return self.vectors


class RandomPrototypes(Prototypes):
    """Random vectors, not trained, as a control without word embeddings.

    Args:
        width: size of a vector, D.
        count: number of vectors, K.
        kind: ``uniform`` in [-5, 5], ``normal`` with standard deviation 5, or ``zero``; all
            as published.
    """

    def __init__(self, width: int, count: int, kind: str) -> None:
        super().__init__()
        self.count = count
        drawn = {
            "uniform": lambda: torch.rand(count, width) * 10 - 5,
            "normal": lambda: torch.randn(count, width) * 5,
            "zero": lambda: torch.zeros(count, width),
        }
        self.vectors: Float[Tensor, "K D"]
        self.register_buffer("vectors", drawn[kind]())

    def forward(self) -> Float[Tensor, "K D"]:
        return self.vectors


RANDOM = ("uniform", "normal", "zero")
KINDS = ("spectral", "vocabulary", "words", *RANDOM)


def make_prototypes(
    kind: str, lexicon: Lexicon, count: int, words: Sequence[str] | None = None
) -> Prototypes:
    """Make prototypes of a kind.

    Args:
        kind: one of ``KINDS``.
        lexicon: word embeddings and tokenizer.
        count: number of prototypes; ignored for ``words``.
        words: list for ``words``; None is a list about change and time.

    Raises:
        ConfigError: if the kind is unknown, or ``count`` is below 1.
    """
    check_choice("prototypes", kind, KINDS)
    at_least(1, n_prototypes=count)
    if kind == "spectral":
        return SpectralPrototypes(lexicon, count)
    if kind == "vocabulary":
        return VocabularyPrototypes(lexicon, count)
    if kind == "words":
        return WordPrototypes(lexicon, WORDS.split() if words is None else words)
    return RandomPrototypes(lexicon.width, count, kind)


@torch.no_grad()
def spectral_basis(words: Float[Tensor, "V D"]) -> Float[Tensor, "D D"]:
    """Compute orthogonal rows that span the same vectors as the rows of a table of words.

    Row i is a principal direction of the (uncentred) words, times the singular value, over
    ``sqrt(3 V)``: the standard deviation, in that direction, of the table times a row of uniform
    weights in ``[-1/sqrt(V), 1/sqrt(V)]``, with which a published prototype begins.
    """
    gram = exactly(words.T @ words)
    strength, directions = torch.linalg.eigh(gram)
    scaled = directions.T.flip(0) * strength.flip(0).clamp(min=0).sqrt()[:, None]
    return (scaled / sqrt(3 * len(words))).to(words.dtype)
