"""A few vectors in the space of a language model's words, learnt or chosen.

Jin et al., "Time-LLM", ICLR 2024 (text prototypes), and Pan et al., "S2IP-LLM", ICML 2024 (semantic
anchors): both map the word table E (V x D) by a trained V' x V matrix. E is frozen, so that map
times E has rank D at most: a V' x D matrix on a basis of E's columns spans the same vectors.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly
from tslm.models.lexicon import Lexicon

WORDS = (
    "up down rise fall increase decrease grow shrink high low peak valley top bottom sudden slow "
    "steady flat constant stable smooth rough noise random regular period cycle season trend level "
    "shift jump drop spike burst wave repeat return begin end early late long short fast weak "
    "strong small large day night week month year morning evening summer winter hour time"
)


class Prototypes(nn.Module, ABC):
    """Vectors like those of words; ``forward`` gives all of them, and remembers nothing."""

    count: int  # of them

    @abstractmethod
    def forward(self) -> Float[Tensor, "K D"]:
        """The vectors, in the units of the word table."""


class SpectralPrototypes(Prototypes):
    """A trained map of an orthogonal basis of the word table: V' x D weights.

    The basis is that of E's columns, in order of their strength, with the size a published
    prototype begins with; so weights of about 1 make vectors of about that size. It is saved with
    the weights that stand on it: directions have no sign of their own, and those found for another
    precision or on another machine may point the other way.

    Args:
        lexicon: the words.
        count: prototypes, V'.
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
    """The published map over the whole vocabulary: V' x V weights, and one bias each.

    Args:
        lexicon: the words.
        count: prototypes, V'.
    """

    def __init__(self, lexicon: Lexicon, count: int) -> None:
        super().__init__()
        self.lexicon, self.count = lexicon, count
        self.map = nn.Linear(len(lexicon.words), count)

    def forward(self) -> Float[Tensor, "K D"]:
        return self.map(self.lexicon.words.T.to(self.map.weight)).T


class WordPrototypes(Prototypes):
    """The words of a list as they are: nothing is trained. A word of several tokens is their mean.

    Args:
        lexicon: the words.
        words: which.
    """

    def __init__(self, lexicon: Lexicon, words: Sequence[str]) -> None:
        super().__init__()
        if not words:
            raise ConfigError("The list of words for prototypes is empty. Name some.")
        self.words, self.count = tuple(words), len(words)
        ids = lexicon.tokenizer([f" {word}" for word in words], add_special_tokens=False)
        vectors = [lexicon.embed(torch.tensor(one)).mean(0) for one in ids["input_ids"]]
        self.vectors: Float[Tensor, "K D"]
        self.register_buffer("vectors", torch.stack(vectors), persistent=False)

    def forward(self) -> Float[Tensor, "K D"]:
        return self.vectors


class RandomPrototypes(Prototypes):
    """A control: vectors that know no word, and are not trained.

    Args:
        width: of a vector, D.
        count: how many.
        kind: ``uniform`` in [-5, 5], ``normal`` with deviation 5, or ``zero``, as published.
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
        lexicon: the words.
        count: how many; of ``words``, as many as there are.
        words: for ``words``; None is a list about change and time.

    Raises:
        ConfigError: if the kind is unknown, or there is to be none.
    """
    if kind not in KINDS:
        raise ConfigError(f"prototypes={kind!r} is unknown. Choose one of {', '.join(KINDS)}.")
    if count < 1:
        raise ConfigError(f"{count} prototypes: there must be at least one.")
    if kind == "spectral":
        return SpectralPrototypes(lexicon, count)
    if kind == "vocabulary":
        return VocabularyPrototypes(lexicon, count)
    if kind == "words":
        return WordPrototypes(lexicon, WORDS.split() if words is None else words)
    return RandomPrototypes(lexicon.width, count, kind)


@torch.no_grad()
def spectral_basis(words: Float[Tensor, "V D"]) -> Float[Tensor, "D D"]:
    """Orthogonal rows that span the same vectors as the rows of a word table.

    Row i is a principal direction of the (uncentred) words, times their strength in it, over
    ``sqrt(3 V)``: what a row of uniform weights in ``[-1/sqrt(V), 1/sqrt(V)]`` makes of the table.
    """
    gram = exactly(words.T @ words)
    strength, directions = torch.linalg.eigh(gram)
    scaled = directions.T.flip(0) * strength.flip(0).clamp(min=0).sqrt()[:, None]
    return (scaled / sqrt(3 * len(words))).to(words.dtype)
