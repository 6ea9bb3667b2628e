"""Hidden states after several numbers of blocks, from one pass."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModel

from tests.architectures import ARCHITECTURES
from tests.models.backbones.test_architectures import PARALLEL, RECURRENT, saved
from tslm.core.errors import ConfigError
from tslm.core.types import Prompt, Tokens
from tslm.models.backbones import build
from tslm.models.backbones.block_outputs import map_after_blocks
from tslm.models.backbones.loading import load, number_of_blocks
from tslm.models.backbones.probing import trial_tokens


def tokens(padded: bool = True) -> Tokens:
    embeds = torch.randn(3, 7, 32, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(3, 7, dtype=torch.bool)
    mask[1, :2] = not padded
    return Tokens(embeds, mask)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_states_of_a_depth_are_those_of_the_cut_backbone(
    architecture: str, checkpoint: Callable[[str], str], cache: Path
) -> None:
    name = checkpoint(architecture)
    whole = load(name, "all")
    together = whole.at_depths(1, 2, 4)(tokens())
    for depth, states in zip((1, 2, 4), together.chunk(3, -1), strict=True):
        assert torch.equal(states, load(name, depth)(tokens()))
        assert torch.equal(states, whole.at_depths(depth)(tokens()))


@pytest.mark.parametrize("kind", [*PARALLEL, *RECURRENT])
def test_unusual_blocks_have_the_states_of_the_cut_backbone_too(
    kind: str, cache: Path, tmp_path: Path
) -> None:
    config = AutoConfig.for_model(kind, **(PARALLEL | RECURRENT)[kind])
    name = saved(AutoModel.from_config(config), tmp_path / kind)
    together = load(name, "all").at_depths(1, 2, 3)(tokens())
    for depth, states in zip((1, 2, 3), together.chunk(3, -1), strict=True):
        torch.testing.assert_close(states, load(name, depth)(tokens()), rtol=0, atol=1e-6)


def test_a_shallower_view_reads_on_and_after_prompts_as_the_cut_backbone(
    checkpoint: Callable[[str], str], cache: Path
) -> None:
    name = checkpoint("llama")
    view, cut = load(name, "all").at_depths(2), load(name, 2)
    assert view.identity == cut.identity
    first = Tokens(tokens().embeds[:, :4], tokens().mask[:, :4])
    rest = Tokens(tokens().embeds[:, 4:], tokens().mask[:, 4:])
    for one in (view, cut):
        _, state = one.start(first)
        found, _ = one.extend(state, rest)
        if one is view:
            ours = found
    assert torch.equal(ours, found)
    many = Tokens(torch.randn(400, 7, 32), torch.ones(400, 7, dtype=torch.bool))
    torch.testing.assert_close(view.last_states(many, 2), cut(many)[:, -2:], rtol=0, atol=1e-5)
    own = torch.randint(3, 200, (3, 4), generator=torch.Generator().manual_seed(1))
    prompt = Prompt(torch.tensor([5, 6, 7]), own, torch.ones(3, 4, dtype=torch.bool))
    asked = Tokens(tokens(padded=False).embeds, tokens(padded=False).mask, prompt=prompt)
    assert torch.equal(view(asked), cut(asked))
    assert torch.equal(load(name, "all").at_depths(1, 2)(asked).chunk(2, -1)[1], cut(asked))


def test_a_pass_of_another_thread_is_not_stopped(
    checkpoint: Callable[[str], str], cache: Path
) -> None:
    whole = load(checkpoint("llama"), "all")
    alone, view, found = whole(tokens()), whole.at_depths(2), []

    def stop(module: torch.nn.Module, args: object) -> None:
        if threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=lambda: found.append(whole(tokens())))
            other.start()
            other.join()

    handle = build.blocks_of(whole.body)[0].register_forward_pre_hook(stop)
    view(tokens())
    handle.remove()
    assert len(found) == 1
    assert all(torch.equal(one, alone) for one in found)


def test_blocks_are_counted_without_weights(checkpoint: Callable[[str], str], cache: Path) -> None:
    assert number_of_blocks(checkpoint("gpt2")) == 4
    assert number_of_blocks("tiny") == 2


def test_a_backbone_with_another_map_after_its_blocks_is_refused(
    checkpoint: Callable[[str], str], cache: Path
) -> None:
    folder = Path(checkpoint("llama"))
    body = build.load_body(folder, build.read_config(folder), "odd").requires_grad_(False)
    body.norm = torch.nn.Sequential(body.norm, torch.nn.Linear(32, 32))
    with pytest.raises(ConfigError, match="n_layers=auto cannot read the backbone 'odd'"):
        map_after_blocks(body, trial_tokens(body), "odd")
