"""Reading sentences: shared beginnings once, and the same vectors as one by one."""

from collections.abc import Callable

import pandas as pd
import pytest
import torch

from tests.architectures import ARCHITECTURES
from tslm.core.errors import BackboneError, ConfigError
from tslm.models.backbones import build
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.backbones.loading import load
from tslm.models.backbones.prefix_reading import plan

Checkpoint = Callable[[str], str]


def timestamps(n: int, hours: int = 95) -> list[str]:
    starts = pd.date_range("2016-07-01", periods=n, freq="h")
    ends = starts + pd.Timedelta(hours=hours)
    return [f"From {a} to {b}" for a, b in zip(starts, ends, strict=True)]


def one_by_one(backbone: HuggingFaceBackbone, ids: list[list[int]]) -> torch.Tensor:
    with torch.no_grad():
        states = [backbone.body(torch.tensor([i])).last_hidden_state[0, -1] for i in ids]
    return torch.stack(states)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_reading_together_equals_reading_one_by_one(
    architecture: str, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tslm.models.backbones.prefix_reading.CHUNK", 96
    )  # many chunks, also for a few rows
    monkeypatch.setattr("tslm.models.backbones.prefix_reading.STAGE_COST", 2)
    backbone = load(checkpoint(architecture))
    sentences = ["a", "Series 12", *timestamps(26), "ab", "a"]
    ids = backbone.lexicon.tokenize(sentences)
    states = backbone.lexicon.read(sentences)
    torch.testing.assert_close(states, one_by_one(backbone, ids), rtol=1e-4, atol=1e-4)
    if backbone.causal:
        assert backbone.lexicon.plan(ids).token_passes < 0.8 * backbone.lexicon.plan(ids).plain


def test_a_state_depends_neither_on_order_nor_on_neighbours() -> None:
    lexicon = load("tiny").lexicon
    sentences = timestamps(50)
    states = lexicon.read(sentences)
    torch.testing.assert_close(lexicon.read(sentences[::-1]).flip(0), states, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(lexicon.read(sentences[7:9]), states[7:9], rtol=1e-4, atol=1e-4)


def test_equal_sentences_are_read_once() -> None:
    lexicon = load("tiny").lexicon
    ids = lexicon.tokenize(["same words"] * 20)
    assert lexicon.plan(ids).token_passes == len("same words")
    assert lexicon.plan(ids).plain == 20 * len("same words")
    states = lexicon.read(["same words"] * 20)
    assert torch.equal(states, states[:1].expand(20, -1))


def test_timestamps_take_two_thirds_of_the_token_passes() -> None:
    """Bytes split dates as SmolLM2 does: a token per digit."""
    tokenizer = build.byte_tokenizer()
    sentences = [f"This is Time Series {sentence}" for sentence in timestamps(2000)]
    reads = plan(tokenizer(sentences)["input_ids"])
    assert reads.plain >= 1.6 * reads.token_passes


def test_an_encoder_has_no_shared_prefixes(checkpoint: Checkpoint) -> None:
    lexicon = load(checkpoint("bert")).lexicon
    reads = lexicon.plan(lexicon.tokenize(timestamps(10)))
    assert reads.token_passes == reads.plain


def test_reading_does_not_change_the_shared_backbone(checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint("llama"))
    backbone.lexicon.read(timestamps(5))
    assert not any(module._forward_pre_hooks for module in backbone.body.modules())


def test_nothing_to_read_is_no_vectors() -> None:
    assert load("tiny").lexicon.read([]).shape == (0, 48)


def test_pooling_at_the_end_of_sequence_appends_that_token() -> None:
    lexicon = load("tiny").lexicon
    assert lexicon.tokenize(["ab"], "eos") == [[*lexicon.tokenize(["ab"])[0], 257]]
    assert not torch.equal(lexicon.read(["ab"], "eos"), lexicon.read(["ab"]))


def test_a_beginning_token_is_added_where_the_tokenizer_adds_it() -> None:
    from tokenizers.processors import TemplateProcessing

    backbone = load("tiny")
    lexicon = backbone.lexicon
    text = lexicon.tokenize(["ab"])[0]
    tokenizer = build.byte_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<bos> $A <eos>", special_tokens=[("<bos>", 256), ("<eos>", 257)]
    )
    framed = type(lexicon)(lexicon.body, backbone.identity, True, lambda: tokenizer)
    assert framed.tokenize(["ab"]) == [[256, *text]]
    assert framed.tokenize(["ab"], "eos") == [[256, *text, 257]]


def test_wrong_pools_and_empty_sentences_are_errors() -> None:
    lexicon = load("tiny").lexicon
    with pytest.raises(ConfigError, match="Choose one of last_text, eos"):
        lexicon.read(["a"], "mean")
    with pytest.raises(BackboneError, match="empty sentence"):
        lexicon.read(["a", ""])


def test_word_vectors_are_the_input_of_the_backbone(checkpoint: Checkpoint) -> None:
    for architecture in ("llama", "gemma3_text"):
        backbone = load(checkpoint(architecture))
        ids = torch.tensor([[3, 1, 4]])
        with torch.no_grad():
            by_words = backbone.body(inputs_embeds=backbone.lexicon.words[ids])
            by_ids = backbone.body(input_ids=ids)
        torch.testing.assert_close(by_words.last_hidden_state, by_ids.last_hidden_state)


def test_the_key_names_model_depth_and_precision(checkpoint: Checkpoint) -> None:
    variants = [load("tiny"), load("tiny", 1), load("tiny", dtype=torch.bfloat16)]
    variants.append(load(checkpoint("llama")))
    assert len({backbone.lexicon.key for backbone in variants}) == len(variants)
