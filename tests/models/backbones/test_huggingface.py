"""Frozen backbones: truncated, unaffected by padding, equal in one pass and rolled out."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel
from transformers.activations import NewGELUActivation
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from tests.architectures import ARCHITECTURES, DECODERS
from tests.models.backbones.conftest import random_tokens
from tslm.core.errors import BackboneError, ConfigError
from tslm.core.types import Tokens
from tslm.models.backbones.build import blocks_of
from tslm.models.backbones.frozen_norm import FrozenRMSNorm
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.backbones.loading import load

Checkpoint = Callable[[str], str]
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_first_blocks_equal_those_of_the_whole_model(
    architecture: str, checkpoint: Checkpoint
) -> None:
    whole = AutoModel.from_pretrained(checkpoint(architecture)).eval()
    ids = torch.arange(10).reshape(2, 5)
    short = load(checkpoint(architecture), n_layers=3)
    kept: list[torch.Tensor] = []
    blocks = next(m for m in whole.modules() if isinstance(m, torch.nn.ModuleList))
    blocks[2].register_forward_hook(lambda _m, _a, out: kept.append(_first(out)))
    with torch.no_grad():
        whole(input_ids=ids)
        body = short.body.decoder if architecture == "opt" else short.body
        norm = {"llama": "norm", "gemma3_text": "norm", "gpt2": "ln_f", "opt": "final_layer_norm"}
        expected = kept[0]
        if architecture in norm:
            expected = body.get_submodule(norm[architecture])(expected)
        hidden = short.body(input_ids=ids).last_hidden_state
    torch.testing.assert_close(hidden, expected, **CLOSE)
    assert short.identity.n_layers == 3


def _first(out: object) -> torch.Tensor:
    return out[0] if isinstance(out, tuple) else out  # type: ignore[return-value]


@pytest.mark.parametrize("n_layers", [0, -1, 5])
def test_more_blocks_than_there_are_is_an_error(n_layers: int, checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigError, match=rf"n_layers is {n_layers}, but .* has 4 blocks"):
        load(checkpoint("llama"), n_layers=n_layers)


def test_a_depth_as_text_is_an_error(checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigError, match="None or 'all'"):
        load(checkpoint("llama"), n_layers="most")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_masked_tokens_are_inert_wherever_they_are(
    architecture: str, checkpoint: Checkpoint
) -> None:
    backbone = load(checkpoint(architecture))
    plain = random_tokens(4, 12, backbone.width)
    mask = plain.mask.clone()
    mask[0, :5] = False  # left
    mask[1, 4:7] = False  # middle
    mask[2, 9:] = False  # right; the last series is whole
    noisy = plain.embeds.masked_fill(~mask.unsqueeze(-1), torch.nan)
    hidden = backbone(Tokens(noisy, mask))
    for series in range(4):
        alone = plain.embeds[series][mask[series]].unsqueeze(0)
        expected = backbone(Tokens(alone, torch.ones(alone.shape[:2], dtype=torch.bool)))
        torch.testing.assert_close(hidden[series][mask[series]], expected[0], **CLOSE)
    assert not hidden[~mask].any()


def test_a_series_of_nothing_but_padding_stays_finite(checkpoint: Checkpoint) -> None:
    for architecture in ARCHITECTURES:
        backbone = load(checkpoint(architecture))
        tokens = random_tokens(2, 4, backbone.width)
        mask = tokens.mask.clone()
        mask[0] = False
        assert backbone(Tokens(tokens.embeds, mask)).isfinite().all()


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("architecture", DECODERS)
def test_a_cached_roll_equals_one_pass(
    architecture: str, padded: bool, checkpoint: Checkpoint
) -> None:
    backbone = load(checkpoint(architecture))
    tokens = random_tokens(3, 14, backbone.width)
    mask = tokens.mask.clone()
    if padded:
        mask[0, :3] = False
        mask[1, 2:5] = False
    whole = backbone(Tokens(tokens.embeds, mask))
    first, state = backbone.start(Tokens(tokens.embeds[:, :8], mask[:, :8]))
    hidden = [first]
    for at, to in [(8, 9), (9, 12), (12, 14)]:
        more, state = backbone.extend(state, Tokens(tokens.embeds[:, at:to], mask[:, at:to]))
        hidden.append(more)
    torch.testing.assert_close(torch.cat(hidden, 1), whole, **CLOSE)


def test_a_frozen_backbone_passes_gradients_and_has_none(checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint("gpt2"))
    before = {name: weight.clone() for name, weight in backbone.state_dict().items()}
    tokens = random_tokens(2, 4, backbone.width)
    tokens.embeds.requires_grad_()
    backbone.train()
    backbone(tokens).square().sum().backward()
    assert tokens.embeds.grad is not None
    assert tokens.embeds.grad.abs().sum() > 0
    assert all(weight.grad is None for weight in backbone.parameters())
    assert all(torch.equal(before[name], weight) for name, weight in backbone.state_dict().items())


def test_a_backbone_stays_in_evaluation_mode(checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint("gpt2"))
    torch.nn.Sequential(backbone).train()
    assert not any(module.training for module in backbone.modules())
    tokens = random_tokens(2, 4, backbone.width)
    assert torch.equal(backbone(tokens), backbone(tokens))


def test_a_backbone_is_loaded_once_and_shared(checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint("llama"), n_layers=2)
    assert load(checkpoint("llama"), n_layers=2) is backbone
    assert load(checkpoint("llama"), n_layers=1) is not backbone
    assert load(checkpoint("llama"), n_layers=2, dtype=torch.bfloat16) is not backbone


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_causality_is_found_by_trial(architecture: str, checkpoint: Checkpoint) -> None:
    assert load(checkpoint(architecture)).causal is (architecture != "bert")


def test_an_encoder_cannot_be_rolled(checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint("bert"))
    with pytest.raises(BackboneError, match="reads in both directions"):
        backbone.start(random_tokens(1, 4, backbone.width))


@pytest.mark.parametrize("architecture", ["gpt2", "opt", "bert"])
def test_learnt_positions_run_out_with_an_error(architecture: str, checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint(architecture))
    backbone(random_tokens(1, 64, backbone.width))
    with pytest.raises(BackboneError, match=r"has 64 positions, but the input has 65 tokens"):
        backbone(random_tokens(1, 65, backbone.width))
    if backbone.causal:
        _, state = backbone.start(random_tokens(1, 64, backbone.width))
        with pytest.raises(BackboneError, match="65 tokens"):
            backbone.extend(state, random_tokens(1, 1, backbone.width))


def test_precision_changes_only_around_the_backbone(checkpoint: Checkpoint) -> None:
    exact, rough = load(checkpoint("llama")), load(checkpoint("llama"), dtype=torch.bfloat16)
    tokens = random_tokens(2, 6, exact.width)
    assert rough.dtype == torch.bfloat16
    assert rough(tokens).dtype == torch.float32
    torch.testing.assert_close(rough(tokens), exact(tokens), rtol=0.1, atol=0.1)
    assert rough.lexicon.key != exact.lexicon.key


def test_tiny_is_the_same_every_time_and_does_not_change_the_random_state() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    tiny = load("tiny", n_layers=1)
    assert torch.equal(torch.rand(3), expected)
    assert tiny.identity.fingerprint == load("tiny").identity.fingerprint
    deep = dict(load("tiny", n_layers="all").body.named_parameters())
    assert all(torch.equal(weight, deep[name]) for name, weight in tiny.body.named_parameters())


def test_missing_weights_are_never_made_up(checkpoint: Checkpoint, tmp_path: Path) -> None:
    weights = load_file(Path(checkpoint("llama")) / "model.safetensors")
    del weights["layers.0.mlp.up_proj.weight"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    config = Path(checkpoint("llama")) / "config.json"
    (tmp_path / "config.json").write_text(config.read_text())
    with pytest.raises(BackboneError, match=r"lacks 1 tensor .*layers\.0\.mlp\.up_proj"):
        load(str(tmp_path))


def test_the_interface_is_complete(checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint("llama"))
    assert isinstance(backbone, HuggingFaceBackbone)
    assert backbone.width == backbone.lexicon.width == backbone.lexicon.words.shape[1]


def test_the_activation_of_gpt2_is_one_operation(checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint("gpt2"))
    plain = AutoModel.from_pretrained(checkpoint("gpt2"), dtype=torch.float32).eval()
    assert not any(isinstance(part, NewGELUActivation) for part in backbone.body.modules())
    read = random_tokens(2, 5, backbone.width)
    with torch.no_grad():
        expected = plain(inputs_embeds=read.embeds).last_hidden_state
    torch.testing.assert_close(backbone(read), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("architecture", DECODERS)
def test_the_last_states_need_no_last_block_of_other_tokens(
    architecture: str, count: int, checkpoint: Checkpoint
) -> None:
    """Of these the last block gives keys and values only, if there are many tokens."""
    backbone = load(checkpoint(architecture))
    many = random_tokens(200, 9, backbone.width)
    few = Tokens(many.embeds[:3], many.mask[:3])
    padded = Tokens(many.embeds, many.mask & (torch.arange(9) > 0))
    read: list[int] = []
    last = blocks_of(backbone.body)[-1]
    handle = last.register_forward_hook(lambda _m, _a, out: read.append(_first(out).shape[1]))
    with torch.no_grad():
        for tokens in (many, few, padded):
            found = backbone.last_states(tokens, count)
            torch.testing.assert_close(found, backbone(tokens)[:, -count:], rtol=1e-4, atol=1e-4)
    handle.remove()
    assert read == [count, 9, 9, 9, 9, 9]


def test_the_norm_of_a_frozen_llama_is_that_of_transformers(checkpoint: Checkpoint) -> None:
    """Its output is equal to the bit, and its gradient up to rounding."""
    body = load(checkpoint("llama")).body
    ours = next(module for module in body.modules() if isinstance(module, FrozenRMSNorm))
    theirs = LlamaRMSNorm(32)
    scale = torch.linspace(0.5, 2, 32)
    gradients = []
    for norm in (ours, theirs):
        with torch.no_grad():
            norm.weight.copy_(scale)
        values = random_tokens(3, 4, 32).embeds.requires_grad_(True)
        found = norm(values)
        (found * torch.arange(32)).sum().backward()
        gradients.append((found, values.grad))
    assert torch.equal(gradients[0][0], gradients[1][0])
    torch.testing.assert_close(gradients[0][1], gradients[1][1], rtol=1e-5, atol=1e-5)
