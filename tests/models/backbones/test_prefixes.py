"""Words before the tokens: remembered where they can be, and the same as reading all at once."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tslm.core.config.estimator_settings import configure
from tslm.core.types import Prompt, Tokens
from tslm.models.assembly import body_of
from tslm.models.backbones.base import Backbone
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.backbones.loading import load

WIDTH = 32
ARCHITECTURES = ["llama", "gpt2", "opt", "gemma3_text", "bert"]
Checkpoint = Callable[[str], str]


def tokens(prompt: Prompt | None, n: int = 5, padded: int = 0, width: int = WIDTH) -> Tokens:
    dice = torch.Generator().manual_seed(0)
    embeds = torch.randn(3, n, width, generator=dice, requires_grad=True)
    mask = torch.ones(3, n, dtype=torch.bool)
    mask[2, :padded] = False
    return Tokens(embeds, mask, prompt=prompt)


def prompt(shared: int = 6, own: int = 4, ragged: bool = True) -> Prompt:
    dice = torch.Generator().manual_seed(1)
    mask = torch.ones(3, own, dtype=torch.bool)
    if ragged:
        mask[0, :2] = False
        mask[2, :1] = False
    return Prompt(
        torch.randint(0, 256, (shared,), generator=dice),
        torch.randint(0, 256, (3, own), generator=dice),
        mask,
    )


def naive(backbone: Backbone, read: Tokens) -> Tensor:
    assert read.prompt is not None
    return Backbone.after_prompt(backbone, read, read.prompt)


@pytest.mark.parametrize("padded", [0, 2])
@pytest.mark.parametrize("ragged", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_caching_gives_the_states_and_gradients_of_one_pass(
    architecture: str, ragged: bool, padded: int, checkpoint: Checkpoint
) -> None:
    backbone = load(checkpoint(architecture))
    found, grads = [], []
    for read_all in (lambda t: backbone(t), lambda t: naive(backbone, t)):
        read = tokens(prompt(ragged=ragged), padded=padded)
        hidden = read_all(read)
        weights = torch.linspace(-1, 1, hidden.numel()).reshape(hidden.shape)
        (hidden * weights * read.mask[..., None]).sum().backward()
        found.append(hidden.detach() * read.mask[..., None])
        grads.append(read.embeds.grad)
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_hidden_states_of_a_series_do_not_depend_on_others(
    architecture: str, checkpoint: Checkpoint
) -> None:
    backbone = load(checkpoint(architecture))
    words = prompt()
    together = backbone(tokens(words))
    for row in range(3):
        skip = int((~words.mask[row]).sum())
        alone = Prompt(
            words.shared, words.own[row : row + 1, skip:], words.mask[row : row + 1, skip:]
        )
        read = Tokens(tokens(None).embeds[row : row + 1], torch.ones(1, 5, dtype=torch.bool))
        hidden = backbone(Tokens(read.embeds, read.mask, prompt=alone))
        torch.testing.assert_close(hidden[0], together[row], rtol=1e-4, atol=1e-5)


def test_a_shared_prefix_is_read_once(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = load(checkpoint("llama"))
    read: list[int] = []
    plain = HuggingFaceBackbone.read_on
    monkeypatch.setattr(
        HuggingFaceBackbone,
        "read_on",
        lambda self, embeds, state: (
            read.append(embeds.shape[0] * embeds.shape[1]) or plain(self, embeds, state)
        ),
    )
    words = prompt(ragged=False)
    other = words._replace(shared=words.shared.flip(0))
    for _ in range(3):
        backbone(tokens(other))  # only the latest prompt is cached
    read.clear()
    for _ in range(3):
        backbone(tokens(words))
    assert read == [6, *[3 * 4, 3 * 5] * 3]


def test_the_last_block_is_not_computed_in_full_for_a_prefix(checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint("llama"))
    words = prompt(ragged=False)
    backbone(tokens(words))  # what is shared is read here
    seen: list[int] = []
    hooks = [
        block.mlp.register_forward_hook(lambda *_, number=number: seen.append(number))
        for number, block in enumerate(backbone.body.layers)
    ]
    backbone(tokens(words))
    for hook in hooks:
        hook.remove()
    assert seen == [0, 1, 2, 0, 1, 2, 3]


def test_no_graph_is_stored_for_a_prefix(checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint("llama"))
    saved: dict[str, int] = {}
    for name, read_all in (("ours", backbone), ("naive", lambda t: naive(backbone, t))):
        sizes: list[int] = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t, sizes=sizes: sizes.append(t.numel()) or t, lambda t: t
        ):
            read_all(tokens(prompt(shared=40, own=8, ragged=False)))
        saved[name] = sum(sizes)
    assert saved["ours"] < 0.5 * saved["naive"]


@pytest.mark.parametrize(("shared", "own"), [(0, 4), (6, 0), (0, 0)])
def test_either_part_may_be_empty(shared: int, own: int, checkpoint: Checkpoint) -> None:
    backbone = load(checkpoint("llama"))
    read = tokens(prompt(shared, own, ragged=False))
    torch.testing.assert_close(backbone(read), naive(backbone, read), rtol=1e-5, atol=1e-5)


def test_text_changes_the_shared_prefix_and_later_tokens_do_not() -> None:
    backbone = load("tiny")
    read = tokens(prompt(), width=48)
    hidden = backbone(read)
    other = prompt()._replace(shared=prompt().shared.flip(0))
    assert not torch.allclose(backbone(Tokens(read.embeds, read.mask, prompt=other)), hidden)
    later = read.embeds.detach().clone()
    later[:, 3:] += 1
    changed = backbone(Tokens(later, read.mask, prompt=read.prompt))
    torch.testing.assert_close(changed[:, :3], hidden[:, :3])


@pytest.mark.parametrize("freeze", ["norms", "lora", "full"])
def test_a_backbone_in_training_caches_nothing(freeze: str) -> None:
    parts: dict[str, Any] = {"adapter": "autotimes", "freeze": freeze}
    backbone = body_of(configure(parts, {"backbone": "tiny"}))
    read = tokens(prompt(), width=48)
    before = backbone(read).detach()
    for weight in backbone.parameters():
        if weight.requires_grad:
            weight.data.add_(0.1)
    after = backbone(read)
    assert not torch.allclose(after, before)
    torch.testing.assert_close(after, naive(backbone, read))


@pytest.mark.parametrize("kind", ["none", "linear", "mlp", "attention", "gru", "block", "random"])
def test_controls_with_attention_read_the_prompt_and_others_do_not(kind: str) -> None:
    backbone = body_of(configure({"adapter": "autotimes"}, {"backbone": f"{kind}:tiny"})).eval()
    read = tokens(prompt(), width=48)
    hidden = backbone(read)
    assert hidden.shape == read.embeds.shape
    alone = backbone(tokens(None, width=48))
    assert torch.allclose(hidden, alone) == (kind in ("none", "linear", "mlp"))
