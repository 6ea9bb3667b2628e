"""Readers in place of the language model in an ablation of statements."""

import torch

from tslm.estimators.statements.rules_reader import RulesReader
from tslm.evaluation.ablation.control_readers import ControlReader, control_readers
from tslm.evaluation.statements.generator import generate
from tslm.evaluation.statements.readers import trained, vectors_of
from tslm.models.backbones.loading import load
from tslm.models.text.effect import Phase
from tslm.models.text.effect_head import EffectHead
from tslm.models.text.language_model_reader import LanguageModelReader
from tslm.models.text.sentence_reader import SentenceReader
from tslm.models.text.vector_reader import VectorReader


def test_a_reader_with_a_head_has_four_rivals_and_another_one_has_rules():
    sentences = SentenceReader(load("tiny"), on_disk=False)
    assert [name for name, _ in control_readers(RulesReader())] == []
    assert [name for name, _ in control_readers(VectorReader(sentences))] == ["rules"]
    rivals = control_readers(LanguageModelReader(sentences, EffectHead(sentences.width)))
    assert next(rivals)[0] == "rules"


def test_a_control_reads_effects_by_a_head_of_its_own():
    train, val = generate(300, "train"), generate(60, "val")
    vectors = vectors_of("tfidf", None, [one.text for one in train])
    reader = ControlReader("tfidf", vectors, trained(vectors, train, val, seed=0))
    known = next(one for one in train if one.kind == "replacement")
    phase = Phase.within(torch.tensor([3.0]), 3)
    assert reader.effects([known.text], phase).replaced.min() > 0.5
    assert reader.effects([" "], phase).log_factor.abs().max() < 0.2
    assert reader.doubt([known.text]).shape == (1,)
    assert reader.vectors([known.text]).shape[0] == 1
