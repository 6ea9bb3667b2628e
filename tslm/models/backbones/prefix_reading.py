"""Read many sentences with a frozen language model; shared beginnings are read once.

Sentences such as timestamps share long beginnings. Sentences of equal length in tokens (so that
none is padded) are sorted into a tree of prefixes. The tree is cut at a few depths into stages.
Each stage reads each distinct prefix once, from the cached keys and values of the stage before.
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

# all chosen by hand
CHUNK = 3072  # tokens read at once: enough for fast matrix products, few enough for the memory
STAGE_COST = 64  # cost of a further stage, in token passes
CACHED_COST = 0.02  # cost of a cached token per row that is read after it, in token passes

Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """Cost of reading sentences, in token passes: one token through all blocks is one pass.

    Args:
        token_passes: number of passes with shared beginnings.
        plain: number of passes if every sentence is read alone.
    """

    token_passes: int
    plain: int


@dataclass(frozen=True)
class _Tree:
    """Tree of prefixes: sorted distinct sentences of one length.

    Args:
        ids: token ids, one row per sentence.
        differs: first column at which each row differs from the row above; -1 for the first row.
        cuts: columns at which the stages end; the last is the length.
    """

    ids: Ids
    differs: Ids
    cuts: tuple[int, ...]

    @classmethod
    def grow(cls, ids: Ids, causal: bool) -> "_Tree":
        """Make the tree of sorted distinct sentences; it has one stage if not causal."""
        changed = ids[1:] != ids[:-1]
        differs = np.concatenate([[-1], changed.argmax(1)]).astype(np.int64)
        length = ids.shape[1]
        return cls(ids, differs, _cuts(differs, length) if causal else (length,))

    def nodes(self, depth: int, rows: range) -> Ids:
        """Return the first row of each distinct prefix of ``depth`` tokens among some rows."""
        starts = np.flatnonzero(self.differs[rows.start : rows.stop] < depth) + rows.start
        return starts.astype(np.int64)

    @property
    def token_passes(self) -> int:
        """Count the token passes of reading the tree."""
        depths = zip((0, *self.cuts), self.cuts, strict=False)
        return sum((end - start) * int((self.differs < end).sum()) for start, end in depths)


def plan(ids: Sequence[Sequence[int]], causal: bool = True) -> Plan:
    """Count the token passes of reading sentences given as token ids."""
    passes = sum(_Tree.grow(rows, causal).token_passes for rows, _ in _buckets(ids))
    return Plan(passes, sum(map(len, ids)))


@torch.no_grad()
def read_ids(
    body: Body, ids: Sequence[Sequence[int]], width: int, causal: bool
) -> Float[Tensor, "sentences D"]:
    """Read sentences; return the last hidden state of each, after the final norm.

    Args:
        body: a transformer without a head, in evaluation mode.
        ids: the sentences as token ids, none of them empty.
        width: size of a hidden state, D.
        causal: True if a token attends to no later token, so that beginnings can be shared.
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
    """Group sentences by length: sorted distinct ones, and (row, position in ``ids``) of each."""
    by_length: dict[int, list[int]] = defaultdict(list)
    for position, sentence in enumerate(ids):
        by_length[len(sentence)].append(position)
    for positions in by_length.values():
        table = np.array([ids[position] for position in positions], dtype=np.int64)
        rows, which = np.unique(table, axis=0, return_inverse=True)
        yield rows, (which.reshape(-1), np.array(positions, dtype=np.int64))


def _cuts(differs: Ids, length: int) -> tuple[int, ...]:
    """Choose the ends of the stages by dynamic programming over the depth of the tree."""
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
) -> Iterator[tuple[int, Float[Tensor, "sentences D"]]]:
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
) -> Iterator[tuple[int, Float[Tensor, "sentences D"]]]:
    """Read one stage of contiguous rows in chunks, and after each chunk its further stages.

    ``parents`` are the first rows of the prefixes in ``cache``, in order.
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
    """Copy some rows of a cache to a new one."""
    chosen = DynamicCache()
    if cache is not None:
        index = torch.from_numpy(rows).to(device)
        for number, (keys, values, *_) in enumerate(cache):
            chosen.update(keys.index_select(0, index), values.index_select(0, index), number)
    return chosen


def _pass(
    body: Body, tokens: Int[Tensor, "sentences tokens"], cache: DynamicCache | None, *, last: bool
) -> Float[Tensor, "sentences D"]:
    """Read tokens after those of a cache, which grows; return the last hidden state."""
    extra = {} if cache is None else {"past_key_values": cache, "use_cache": True}
    with _last_token_only(body, tokens.shape[1]) if last else nullcontext():
        return body(input_ids=tokens, **extra).last_hidden_state[:, -1]


@contextmanager
def _last_token_only(body: Body, length: int) -> Iterator[None]:
    """Compute the feed-forward part of the last block for the last token only.

    No other hidden state is used. The output is repeated for all tokens to keep the shape.
    """
    mlp = dict(blocks_of(body)[-1].named_children()).get("mlp")
    if mlp is None:  # another name in this architecture: nothing is skipped
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
