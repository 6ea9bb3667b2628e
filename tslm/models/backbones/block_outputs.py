"""Hidden states after some blocks of a transformer, from one forward pass.

A transformer that is cut after k blocks returns the output of block k, after the map that follows
the last block (in most architectures a norm). Here hooks record the outputs of some blocks, stop
the pass after the last of them, and that map is applied to each.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from threading import get_ident
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.models.backbones.build import Body, blocks_of
from tslm.models.backbones.freezing import norms
from tslm.models.backbones.key_value_cache import StopForward


def states_after(
    body: Body, depths: Sequence[int], last: nn.Module, read: Callable[[], Any]
) -> Float[Tensor, "S N W"]:
    """Return the hidden states after several numbers of blocks, joined along the width.

    They equal those of transformers that are cut after so many blocks.

    Args:
        body: a transformer.
        depths: numbers of blocks, in ascending order.
        last: the map after the last block, see ``map_after_blocks``.
        read: runs the transformer on its input.
    """
    blocks = blocks_of(body)
    with _recorded([blocks[depth - 1] for depth in depths]) as states:
        try:
            read()
        except StopForward:
            if len(states) < len(depths):  # a cache of keys and values stopped the pass before
                raise
    return torch.cat([last(state) for state in states], -1)


@torch.no_grad()
def map_after_blocks(body: Body, embeds: Float[Tensor, "S N D"], name: str) -> nn.Module:
    """Find by trial the map between the last block and the output: a norm, or none.

    Args:
        body: a transformer.
        embeds: tokens for the trial.
        name: name of the backbone, for messages.

    Raises:
        ConfigError: if the output is neither that of the last block nor a norm of it.
    """
    blocks = blocks_of(body)
    found: list[Tensor] = []
    inside = set(blocks.modules())
    with _recorded([blocks[-1]], found.append):
        output = body(inputs_embeds=embeds.to(body.device, body.dtype)).last_hidden_state
    others: list[nn.Module] = [norm for norm in norms(body) if norm not in inside]
    for one in (*others, nn.Identity()):
        with suppress(RuntimeError):  # a norm of another width
            if torch.equal(one(found[0]), output):
                return one
    raise ConfigError(
        f"n_layers=auto cannot read the backbone {name!r} after each block: its output is not a "
        "norm of its last block. Set a number of blocks, such as n_layers=2."
    )


@contextmanager
def _recorded(
    blocks: Sequence[nn.Module], keep: Callable[[Tensor], None] | None = None
) -> Iterator[list[Tensor]]:
    """Record the outputs of blocks in passes of this thread, in the context.

    Args:
        blocks: blocks, first to last.
        keep: called with each output. None collects them, and stops the pass after the last block.
    """
    states: list[Tensor] = []
    owner = get_ident()  # other threads may use the same transformer

    def record(number: int, module: nn.Module, args: Any, output: Any) -> None:
        if get_ident() != owner:
            return
        state = output if isinstance(output, Tensor) else output[0]
        if keep is not None:
            keep(state)
            return
        states.append(state)
        if number == len(blocks) - 1:
            raise StopForward

    handles = [
        block.register_forward_hook(partial(record, number)) for number, block in enumerate(blocks)
    ]
    try:
        yield states
    finally:
        for handle in handles:
            handle.remove()
