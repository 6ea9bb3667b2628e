"""Backbones of every architecture that transformers can load."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText

from tslm.core.errors import BackboneError
from tslm.core.types import Tokens
from tslm.models.backbones import build
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.backbones.loading import load

COMMON = {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
SMALL = {**COMMON, "intermediate_size": 64, "num_key_value_heads": 2, "head_dim": 8}
SEES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
SEES |= {"num_attention_heads": 2, "image_size": 28, "patch_size": 14}
PARALLEL = {"falcon": COMMON}  # adds up attention and feed-forward in place
EAGER = {
    "gemma2": SMALL,
    "bloom": COMMON,
    "gpt_neo": {
        "vocab_size": 300,
        "hidden_size": 32,
        "num_layers": 4,
        "num_heads": 4,
        "attention_types": [[["global", "local"], 2]],
    },
    "deberta-v2": {**COMMON, "intermediate_size": 64},
}
RECURRENT = {
    "mamba": {"vocab_size": 300, "hidden_size": 32, "num_hidden_layers": 3, "state_size": 4},
}
MROPE = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e4}
MULTIMODAL = {"gemma3": SMALL, "mistral3": SMALL, "qwen2_vl": {**SMALL, "rope_parameters": MROPE}}


def saved(made: Any, folder: Path) -> str:
    made.save_pretrained(folder)
    return str(folder)


def check_reading(body: HuggingFaceBackbone) -> None:
    """Reading on equals reading at once, also after padding; sentences are read for themselves."""
    embeds = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 6, dtype=torch.bool)
    mask[1, :2] = False
    whole = body(Tokens(embeds, mask))
    torch.testing.assert_close(whole[1:, 2:], body(Tokens(embeds[1:, 2:], mask[1:, 2:])))
    if not body.causal:
        return
    first, state = body.start(Tokens(embeds[:, :4], mask[:, :4]))
    rest, _ = body.extend(state, Tokens(embeds[:, 4:], mask[:, 4:]))
    torch.testing.assert_close(torch.cat([first, rest], 1), whole, rtol=1e-4, atol=1e-5)
    ids = [[1, 2, 3], [1, 2, 4]]
    alone = torch.cat([body.lexicon.read_ids([one]) for one in ids])  # type: ignore[attr-defined]
    together = body.lexicon.read_ids(ids)  # type: ignore[attr-defined]
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [*EAGER, *RECURRENT, *PARALLEL])
def test_a_backbone_uses_the_attention_it_supports(kind: str, cache: Path, tmp_path: Path) -> None:
    config = AutoConfig.for_model(kind, **(EAGER | RECURRENT | PARALLEL)[kind])
    body = load(saved(AutoModel.from_config(config), tmp_path / kind), 2)
    assert (body.body.config._attn_implementation == "sdpa") == (kind in PARALLEL)
    assert body.has_kv_cache == (body.causal and kind not in RECURRENT)
    check_reading(body)


@pytest.mark.parametrize("kind", MULTIMODAL)
def test_the_text_model_of_a_multimodal_model_is_used(
    kind: str, cache: Path, tmp_path: Path
) -> None:
    config = AutoConfig.for_model(kind, text_config=MULTIMODAL[kind], vision_config=SEES)
    whole = AutoModelForImageTextToText.from_config(config)
    body = load(saved(whole, tmp_path / kind), 2)
    text = whole.model.language_model
    assert type(body.body) is type(text)
    assert body.identity.n_layers == 2
    for name, weight in body.body.named_parameters():
        assert torch.equal(weight, text.get_parameter(name))
    check_reading(body)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("vit", {"num_hidden_layers": 1, "hidden_size": 16, "intermediate_size": 16}), ("t5", {})],
)
def test_a_model_without_a_text_model_is_refused_in_one_sentence(
    kind: str, options: dict[str, Any], cache: Path, tmp_path: Path
) -> None:
    AutoConfig.for_model(kind, **options).save_pretrained(tmp_path)
    with pytest.raises(
        BackboneError, match=r"^The backbone in \S+ (is a vit|has both an enc).*Choose"
    ):
        build.read_config(tmp_path)
