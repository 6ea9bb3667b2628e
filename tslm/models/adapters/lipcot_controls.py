"""Controls of LiPCoT: codes that carry less information, to test if the backbone uses them.

``random`` replaces the learnt filters, ``permuted`` the embeddings of codes, ``shuffled`` the order
of frames, and ``bag`` each frame by the mean of all. ``unigram`` and ``bigram`` keep all codes from
the backbone; filters are weighted by how often their code followed a context in training.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import pad

from tslm.models.layers.lpc.codebook import SPECIAL

CODES = ("learnt", "random", "permuted", "shuffled", "bag", "unigram", "bigram")
NGRAMS = CODES[-2:]


def shuffle_frames(rows: Shaped[Tensor, "S N *D"], n_frames: int) -> Shaped[Tensor, "S N *D"]:
    """Put frames in another order, the same one for all series.

    Args:
        rows: tokens, or their mask; each frame has the same number of tokens.
        n_frames: frames of a series.
    """
    order = torch.randperm(n_frames, generator=torch.Generator().manual_seed(0))
    frames = rows.unflatten(1, (n_frames, -1))[:, order.to(rows.device)]
    return frames.flatten(1, 2)


def mean_of_frames(
    embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"]
) -> Float[Tensor, "S N D"]:
    """Replace each token by the mean of the unmasked ones."""
    weights = mask[:, :, None] / mask.sum(1).clamp(min=1)[:, None, None]
    return (weights * embeds).sum(1, keepdim=True).expand_as(embeds)


def ngram_weights(
    pairs: Iterable[tuple[Int[Tensor, " S"], Int[Tensor, " S"]]], n_codes: int, *, unigram: bool
) -> Float[Tensor, "codes own_and_codes"]:
    """Count which code follows which, and return log frequencies times the number of codes.

    One is added to each count. The first column, that of the series' own filter, is 0.

    Args:
        pairs: codes of contexts, and of what follows them; reserved codes are not counted.
        n_codes: filters of the codebook.
        unigram: True if the code of the context is ignored.
    """
    counts = torch.ones(n_codes, n_codes)
    for before, after in pairs:
        seen = (before >= SPECIAL) & (after >= SPECIAL)
        place = (before[seen].cpu() - SPECIAL, after[seen].cpu() - SPECIAL)
        counts.index_put_(place, counts.new_ones(int(seen.sum())), accumulate=True)
    if unigram:
        counts = counts.sum(0, keepdim=True).expand(n_codes, -1)
    return pad((counts * n_codes / counts.sum(1, keepdim=True)).log(), (1, 0))
