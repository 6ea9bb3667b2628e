"""Sentences become vectors, and a head turns vectors into effects."""

import logging
from pathlib import Path

import pytest
import torch

from tslm.core.errors import BackboneError, DataError
from tslm.models.backbones.loading import load
from tslm.models.text.effect import Phase
from tslm.models.text.effect_head import COURSES, EffectHead, courses
from tslm.models.text.head_file import SHIPPED, StoredHead, read_head, write_head
from tslm.models.text.head_training import Targets, fit_doubt, train_head
from tslm.models.text.language_model_reader import LanguageModelReader
from tslm.models.text.sentence_reader import SentenceReader

UP = [f"Sales will double because of event {number}." for number in range(20)]
SAME = [f"Event {number} is far away." for number in range(20)]
PHASE = Phase.within(torch.tensor([4.0]), 6)


@pytest.fixture
def sentences() -> SentenceReader:
    return SentenceReader(load("tiny"), on_disk=False)


def targets(count: int) -> Targets:
    factors = torch.tensor([2.0, 1.0]).log().repeat_interleave(count)
    zeros = torch.zeros(2 * count)
    return Targets(factors, zeros, zeros, zeros.long())


def trained(sentences: SentenceReader, seed: int = 0) -> EffectHead:
    texts = UP + SAME
    return train_head(sentences.read(texts), texts, targets(20), seed=seed, steps=100)


@torch.no_grad()
def test_an_untrained_head_has_no_effect_but_that_of_numbers(sentences: SentenceReader) -> None:
    said = EffectHead(sentences.width)(sentences.read(SAME), SAME)
    assert float(said.log_factor.abs().max()) == 0.0
    assert float(said.shift.abs().max()) == 0.0


def test_a_trained_head_gives_the_stated_factor_within_the_span_and_none_after_it(
    sentences: SentenceReader,
) -> None:
    reader = LanguageModelReader(sentences, trained(sentences))
    effect = reader.effects(UP[:1], PHASE)
    assert effect.log_factor[0, :4].exp().tolist() == pytest.approx([2] * 4, abs=0.2)
    assert effect.log_factor[0, 4:].tolist() == [0, 0]
    assert effect.replaced[0, 4:].tolist() == [0, 0]
    assert float(reader.effects(SAME[:1], PHASE).log_factor.abs().max()) < 0.1


def test_a_sentence_without_words_has_no_effect(sentences: SentenceReader) -> None:
    effect = LanguageModelReader(sentences, trained(sentences)).effects([" "], PHASE)
    assert all(float(part.abs().max()) == 0 for part in effect)


def test_the_same_seed_gives_the_same_head(sentences: SentenceReader) -> None:
    one, two = trained(sentences).state_dict(), trained(sentences).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_doubt_is_the_error_on_other_wordings(sentences: SentenceReader) -> None:
    head = trained(sentences)
    wrong = targets(20)._replace(log_factor=targets(20).log_factor + 0.5)
    fit_doubt(head, sentences.read(UP + SAME), UP + SAME, wrong)
    assert head(sentences.read(UP[:1]), UP[:1]).doubt.tolist()[0] == pytest.approx(0.5, abs=0.15)


def test_a_course_is_highest_where_its_name_says() -> None:
    heights = courses(Phase.within(torch.tensor([11.0]), 13))[0]
    assert heights[11:].abs().max() == 0
    highest = dict(zip(COURSES, heights.argmax(0).tolist(), strict=True))
    assert highest == {"flat": 0, "ramp": 10, "first": 0, "middle": 5, "last": 10}


def test_ten_thousand_predictions_read_each_sentence_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TSLM_CACHE", str(tmp_path))
    reader = LanguageModelReader(SentenceReader(load("tiny")), EffectHead(96))
    texts = [f"statement {number}" for number in range(500)]
    caplog.set_level(logging.INFO)
    for start in range(0, 10_000, 1000):
        reader.effects([texts[at % 500] for at in range(start, start + 1000)], PHASE)
    assert reader.sentences.readings == 500
    again = SentenceReader(load("tiny"))
    torch.testing.assert_close(again.read(texts), reader.vectors(texts), rtol=0, atol=0)
    assert again.readings == 0


def test_a_head_is_written_with_the_identity_of_its_reader(
    tmp_path: Path, sentences: SentenceReader
) -> None:
    head, body = trained(sentences), load("tiny").identity
    path = tmp_path / "head.safetensors"
    write_head(StoredHead(head, "tiny", body.fingerprint, 2, "{sentence}"), path)
    stored = read_head(path)
    stored.check(body)
    vectors = sentences.read(UP)
    said, known = stored.head(vectors, UP), head(vectors, UP)
    torch.testing.assert_close(said.log_factor, known.log_factor, rtol=0.01, atol=0.01)
    other = StoredHead(head, "tiny", "other", 2, "{sentence}")
    with pytest.raises(BackboneError, match="was trained with tiny of fingerprint other"):
        other.check(body)


def test_a_file_that_is_no_head_is_refused(tmp_path: Path) -> None:
    (tmp_path / "head.safetensors").write_bytes(b"no")
    with pytest.raises(DataError, match="is not an effect head"):
        read_head(tmp_path / "head.safetensors")


def test_the_shipped_head_is_small_and_names_its_backbone() -> None:
    stored = read_head(SHIPPED)
    assert stored.backbone == "smollm2-135m"
    assert SHIPPED.stat().st_size < 500_000
