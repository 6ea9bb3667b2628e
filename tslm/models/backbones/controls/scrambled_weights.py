"""Controls with the architecture of the language model and other weights.

They measure the contribution of pretraining. Each has the same ``freeze`` as the pretrained model.
Those that change the blocks keep the pretrained word embeddings, and those that change the word
embeddings keep the pretrained blocks.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Generator, Tensor, nn

from tslm.core.hashing import sha256_bytes
from tslm.models.backbones.base import Identity
from tslm.models.backbones.build import Body, blocks_of
from tslm.models.backbones.controls.reference import CPU, Reference
from tslm.models.backbones.freezing import Freeze, norms
from tslm.models.backbones.huggingface import HuggingFaceBackbone


def random(*, reference: Reference, seed: int, freeze: Freeze, name: str) -> HuggingFaceBackbone:
    """Initialise all blocks at random, in the usual way of the architecture."""
    return _backbone(reference.fresh(seed).cpu(), reference, freeze, name)


def random_matched(
    *, reference: Reference, seed: int, freeze: Freeze, name: str
) -> HuggingFaceBackbone:
    """Draw normal weights with the mean and deviation of each pretrained tensor; keep norms."""

    def draw(weight: Tensor, dice: Generator) -> Tensor:
        noise = torch.randn(weight.shape, generator=dice)
        return noise * weight.float().std() + weight.float().mean()

    return _backbone(_redrawn(reference.copy(), seed, draw), reference, freeze, name)


def scrambled(*, reference: Reference, seed: int, freeze: Freeze, name: str) -> HuggingFaceBackbone:
    """Shuffle the entries of each pretrained tensor; keep norms."""

    def draw(weight: Tensor, dice: Generator) -> Tensor:
        order = torch.randperm(weight.numel(), generator=dice)
        return weight.flatten()[order].reshape(weight.shape)

    return _backbone(_redrawn(reference.copy(), seed, draw), reference, freeze, name)


def layers_shuffled(
    *, reference: Reference, seed: int, freeze: Freeze, name: str
) -> HuggingFaceBackbone:
    """Shuffle the order of the pretrained blocks; a single one is unchanged."""
    body = reference.copy()
    blocks = blocks_of(body)
    states = [{k: v.clone() for k, v in block.state_dict().items()} for block in blocks]
    for block, source in zip(blocks, _disorder(len(blocks), seed), strict=True):
        block.load_state_dict(states[source])
    return _backbone(body, reference, freeze, name)


def vocab_scrambled(
    *, reference: Reference, seed: int, freeze: Freeze, name: str
) -> HuggingFaceBackbone:
    """Keep the pretrained blocks, and shuffle the rows of the word embeddings."""
    body = reference.copy()
    table = body.get_input_embeddings().weight
    order = torch.randperm(len(table), generator=Generator().manual_seed(seed))
    table.data.copy_(table.data[order])
    return _backbone(body, reference, freeze, name, own_words=True)


def vocab_random(
    *, reference: Reference, seed: int, freeze: Freeze, name: str
) -> HuggingFaceBackbone:
    """Keep the pretrained blocks; draw normal words with each dimension's mean and deviation."""
    body = reference.copy()
    table = body.get_input_embeddings().weight
    noise = torch.randn(table.shape, generator=Generator().manual_seed(seed))
    drawn = noise * table.data.float().std(0) + table.data.float().mean(0)
    table.data.copy_(drawn.to(table.dtype))
    return _backbone(body, reference, freeze, name, own_words=True)


def _redrawn(body: Body, seed: int, draw: Callable[[Tensor, Generator], Tensor]) -> Body:
    """Replace the weights of the blocks by drawn ones, in place."""
    dice = Generator().manual_seed(seed)
    for weight in _inner(body):
        weight.data.copy_(draw(weight.data, dice).to(weight.dtype))
    return body


def _inner(body: Body) -> Iterator[nn.Parameter]:
    """Yield each weight of the blocks except those of norms."""
    apart = {id(weight) for norm in norms(body) for weight in norm.parameters()}
    apart.add(id(body.get_input_embeddings().weight))
    return (weight for weight in body.parameters() if id(weight) not in apart)


def _disorder(size: int, seed: int) -> list[int]:
    """Draw an order of ``size`` items other than the natural one, if there is another."""
    dice = Generator().manual_seed(seed)
    natural = list(range(size))
    order = natural
    while order == natural and size > 1:
        order = torch.randperm(size, generator=dice).tolist()
    return order


def _backbone(
    body: Body, reference: Reference, freeze: Freeze, name: str, own_words: bool = False
) -> HuggingFaceBackbone:
    """Make a backbone of changed weights; their digest is its fingerprint."""
    depth = int(body.config.num_hidden_layers)
    identity = Identity(name, "control", "", _digest(body), depth)
    return HuggingFaceBackbone(
        body.to(reference.device or CPU),
        identity,
        lambda: reference.lexicon.tokenizer,
        lexicon=None if own_words else reference.lexicon,
        freeze=freeze,
    )


def _digest(body: Body) -> str:
    """Compute the SHA-256 of all weights."""
    weights = (tensor.detach().contiguous() for tensor in body.state_dict().values())
    return sha256_bytes(tensor.view(torch.uint8).numpy().data for tensor in weights)
