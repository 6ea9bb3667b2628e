"""Reader of statements without a head: past statements alone say which effect a sentence has."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.models.text.effect import Effect, Phase
from tslm.models.text.sentence_reader import SentenceReader
from tslm.models.text.statement_reader import StatementReader


class VectorReader(StatementReader):
    """Reader that expects no effect of any sentence.

    Args:
        sentences: reader of the sentences.
    """

    def __init__(self, sentences: SentenceReader) -> None:
        self.sentences = sentences
        self.identity = sentences.key

    def vectors(self, sentences: Sequence[str]) -> Float[Tensor, "K E"]:
        return self.sentences.read(sentences)

    def effects(self, sentences: Sequence[str], phase: Phase) -> Effect:
        return Effect.none(*phase.position.shape)

    def doubt(self, sentences: Sequence[str]) -> Float[Tensor, " K"]:
        return torch.zeros(len(sentences))
