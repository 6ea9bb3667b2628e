"""Read many sentences with a frozen body, shared beginnings once.

Sentences such as timestamps begin alike. Those of one token count (so nothing is padded) are
sorted into a tree of prefixes; the tree is cut at a few depths into stages, and every stage reads
each distinct prefix once, from the keys and values its parent left.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from threading import get_ident
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import DynamicCache

from tslm.models.backbones.build import Body, blocks_of

CHUNK = 3072  # tokens read at once: large enough for fast matrix products, small in memory
STAGE_COST = 64  # what one more stage costs, in token passes
CACHED_COST = 0.02  # what one remembered token costs a row that reads on from it

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """How sentences are read, in token passes: one token through all blocks is one pass.

    Args:
        token_passes: how many are needed.
        plain: how many reading every sentence alone would take.
    """

    token_passes: int
    plain: int


@dataclass(frozen=True)
class _Tree:
    """Sorted distinct sentences of one token count.

    Args:
        ids: the sentences, a row each.
        differs: where each row first differs from the row above; -1 for the first row.
        cuts: where the stages end; the last is the token count.
    """

    ids: Ids
    differs: Ids
    cuts: tuple[int, ...]

    @classmethod
    def grow(cls, ids: Ids, causal: bool) -> "_Tree":
        changed = ids[1:] != ids[:-1]
        differs = np.concatenate([[-1], changed.argmax(1)]).astype(np.int64)
        length = ids.shape[1]
        return cls(ids, differs, _cuts(differs, length) if causal else (length,))

    def nodes(self, depth: int, rows: range) -> Ids:
        """The first row of every distinct prefix of a length, among contiguous rows."""
        starts = np.flatnonzero(self.differs[rows.start : rows.stop] < depth) + rows.start
        return starts.astype(np.int64)

    @property
    def token_passes(self) -> int:
        depths = zip((0, *self.cuts), self.cuts, strict=False)
        return sum((end - start) * int((self.differs < end).sum()) for start, end in depths)


def plan(ids: Sequence[Sequence[int]], causal: bool = True) -> Plan:
    """Count the token passes of reading sentences given as token ids."""
    passes = sum(_Tree.grow(rows, causal).token_passes for rows, _ in _buckets(ids))
    return Plan(passes, sum(map(len, ids)))


@torch.no_grad()
def read_ids(
    body: Body, ids: Sequence[Sequence[int]], width: int, causal: bool
) -> Float[Tensor, "n D"]:
    """The last hidden state of each sentence, after the final norm.

    Args:
        body: a transformers body without a head, in evaluation mode.
        ids: the sentences as token ids, none of them empty.
        width: size of a hidden state.
        causal: whether a token reads only those before it, so that beginnings can be shared.
    """
    weight = next(body.parameters())
    states = torch.empty(len(ids), width, device=weight.device)
    for rows, sentences in _buckets(ids):
        tree = _Tree.grow(rows, causal)
        for first, hidden in _descend(body, tree, weight.device):
            reads = (sentences[0] >= first) & (sentences[0] < first + len(hidden))
            where = torch.from_numpy(sentences[1][reads]).to(weight.device)
            which = torch.from_numpy(sentences[0][reads] - first).to(weight.device)
            states[where] = hidden[which].to(states.dtype)
    return states


def _buckets(ids: Sequence[Sequence[int]]) -> Iterator[tuple[Ids, tuple[Ids, Ids]]]:
    """Per token count: distinct sentences in sorted order, and (row, position in ``ids``)."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for position, sentence in enumerate(ids):
        by_length[len(sentence)].append(position)
    for positions in by_length.values():
        table = np.array([ids[position] for position in positions], dtype=np.int64)
        rows, which = np.unique(table, axis=0, return_inverse=True)
        yield rows, (which.reshape(-1), np.array(positions, dtype=np.int64))


def _cuts(differs: Ids, length: int) -> tuple[int, ...]:
    """Where to end the stages, by dynamic programming over the depth of the tree."""
    distinct = [int((differs < depth).sum()) for depth in range(length + 1)]
    best, previous = [0.0] + [float("inf")] * length, [0] * (length + 1)
    for end in range(1, length + 1):
        for start in range(end):
            passes = distinct[end] * (end - start + CACHED_COST * start)
            if (cost := best[start] + passes + STAGE_COST) < best[end]:
                best[end], previous[end] = cost, start
    cuts = [length]
    while previous[cuts[0]]:
        cuts.insert(0, previous[cuts[0]])
    return tuple(cuts)


def _descend(
    body: Body, tree: _Tree, device: torch.device
) -> Iterator[tuple[int, Float[Tensor, "n D"]]]:
    """Read a tree depth first, so that few caches live at once.

    Yields:
        The first row of a chunk of contiguous rows, and the last hidden states of the chunk.
    """
    return _read_below(body, tree, 0, range(len(tree.ids)), None, np.zeros(1, np.int64), device)


def _read_below(
    body: Body,
    tree: _Tree,
    stage: int,
    rows: range,
    cache: DynamicCache | None,
    parents: Ids,
    device: torch.device,
) -> Iterator[tuple[int, Float[Tensor, "n D"]]]:
    """Read one stage of contiguous rows in chunks, and below each chunk the stages after it.

    ``parents`` are the first rows of the prefixes that ``cache`` remembers, in order.
    """
    start, end = (0, *tree.cuts)[stage], tree.cuts[stage]
    last = end == tree.cuts[-1]
    nodes = tree.nodes(end, rows)
    size = max(1, CHUNK // (end - start))
    for at in range(0, len(nodes), size):
        chunk = nodes[at : at + size]
        stop = int(nodes[at + size]) if at + size < len(nodes) else rows.stop
        above = np.searchsorted(parents, chunk, side="right") - 1
        grown = None if last and cache is None else _select(cache, above, device)
        tokens = torch.from_numpy(tree.ids[chunk, start:end]).to(device)
        hidden = _pass(body, tokens, grown, last=last)
        if last:
            yield int(chunk[0]), hidden
        else:
            yield from _read_below(
                body, tree, stage + 1, range(int(chunk[0]), stop), grown, chunk, device
            )


def _select(cache: DynamicCache | None, rows: Ids, device: torch.device) -> DynamicCache:
    """A new cache with some rows of an old one."""
    chosen = DynamicCache()
    if cache is not None:
        index = torch.from_numpy(rows).to(device)
        for number, (keys, values, *_) in enumerate(cache):
            chosen.update(keys.index_select(0, index), values.index_select(0, index), number)
    return chosen


def _pass(
    body: Body, tokens: Int[Tensor, "n T"], cache: DynamicCache | None, *, last: bool
) -> Float[Tensor, "n D"]:
    """Read tokens on from a cache, which grows; the hidden state of the last one."""
    extra = {} if cache is None else {"past_key_values": cache, "use_cache": True}
    with _last_token_only(body, tokens.shape[1]) if last else nullcontext():
        return body(input_ids=tokens, **extra).last_hidden_state[:, -1]


@contextmanager
def _last_token_only(body: Body, length: int) -> Iterator[None]:
    """In the last block, feed forward the last token alone: no other state is wanted.

    That one output is repeated for all tokens, which is right for the last.
    """
    mlp = dict(blocks_of(body)[-1].named_children()).get("mlp")
    if mlp is None:  # an architecture that names it otherwise: nothing is skipped
        yield
        return
    owner = get_ident()

    def narrow(module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return (args[0][:, -1:], *args[1:]) if args and get_ident() == owner else None

    def widen(module: nn.Module, args: tuple[Any, ...], out: Any) -> Any:
        return out.repeat(1, length, 1) if get_ident() == owner else None

    handles = (mlp.register_forward_pre_hook(narrow), mlp.register_forward_hook(widen))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
