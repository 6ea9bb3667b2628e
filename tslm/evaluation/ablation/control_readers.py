"""Readers of statements in place of the language model, each with a head of its own.

They learn from the same generated statements as the head of the language model.
"""

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.estimators.statements.rules_reader import RulesReader
from tslm.evaluation.statements.generator import Statement, generate
from tslm.evaluation.statements.readers import TFIDF, WORDS, Vectors, trained, vectors_of
from tslm.models.text.effect import Effect, Phase
from tslm.models.text.effect_head import EffectHead
from tslm.models.text.language_model_reader import LanguageModelReader
from tslm.models.text.statement_reader import StatementReader

TRAINING, VALIDATION = 4000, 600  # statements, as for the head that comes with tslm
RANDOM = "random"


class ControlReader(StatementReader):
    """Reader by any sentence vectors and a head that was trained on them.

    Args:
        name: name of the vectors.
        vectors: function from sentences to vectors.
        head: the trained head.
    """

    def __init__(self, name: str, vectors: Vectors, head: EffectHead) -> None:
        self.identity, self._vectors, self.head = name, vectors, head.eval()

    def vectors(self, sentences: Sequence[str]) -> Float[Tensor, "K E"]:
        return self._vectors(sentences)

    @torch.no_grad()
    def effects(self, sentences: Sequence[str], phase: Phase) -> Effect:
        return self.head.effect(self.vectors(sentences), sentences, phase)

    @torch.no_grad()
    def doubt(self, sentences: Sequence[str]) -> Float[Tensor, " K"]:
        return self.head(self.vectors(sentences), sentences).doubt


def control_readers(reader: StatementReader) -> Iterator[tuple[str, StatementReader]]:
    """Yield readers to compare with another one, and their names.

    A reader with a trained head is compared with random weights of the same shape, with averaged
    word vectors and with TF-IDF, each with a head of its own. Every reader is compared with rules.

    Args:
        reader: the reader of the model.
    """
    rules = RulesReader()
    if reader.identity != rules.identity:
        yield rules.identity, rules
    if not isinstance(reader, LanguageModelReader):
        return
    body = reader.sentences.backbone.identity
    train, val = generate(TRAINING, "train"), generate(VALIDATION, "val")
    for name in (f"{RANDOM}:{body.name}", WORDS, TFIDF):
        yield name.partition(":")[0], _trained(name, body.n_layers, train, val)


def _trained(
    name: str, n_layers: int, train: Sequence[Statement], val: Sequence[Statement]
) -> ControlReader:
    """Train a head on the vectors of a control."""
    vectors = vectors_of(name, n_layers, [one.text for one in train])
    return ControlReader(name, vectors, trained(vectors, train, val, seed=0))
