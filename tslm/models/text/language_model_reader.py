"""Reader of statements by the frozen language model and a pretrained effect head."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.models.text.effect import Effect, Phase
from tslm.models.text.effect_head import EffectHead
from tslm.models.text.sentence_reader import SentenceReader
from tslm.models.text.statement_reader import StatementReader


class LanguageModelReader(StatementReader):
    """Statements read by a language model; the head turns each into an effect.

    Args:
        sentences: reader of the sentences, with the frozen backbone at its depth.
        head: head that was trained on vectors of this reader.
    """

    def __init__(self, sentences: SentenceReader, head: EffectHead) -> None:
        self.sentences, self.head = sentences, head.eval()
        self.identity = sentences.key

    def vectors(self, sentences: Sequence[str]) -> Float[Tensor, "K E"]:
        return self.sentences.read(sentences)

    @torch.no_grad()
    def effects(self, sentences: Sequence[str], phase: Phase) -> Effect:
        return self.head.effect(self.vectors(sentences), sentences, phase)

    @torch.no_grad()
    def doubt(self, sentences: Sequence[str]) -> Float[Tensor, " K"]:
        return self.head(self.vectors(sentences), sentences).doubt
