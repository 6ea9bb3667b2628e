"""Far past of a context at lower resolutions: a segment of averaged steps is a token.

As frames further back are compressed in Gu et al., "Long-context autoregressive video modeling with
next-frame prediction" (FAR), 2025. https://arxiv.org/abs/2503.19325
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.core.messages import at_least, whole_number
from tslm.core.types import Context
from tslm.models.layers.patching import patch


class Part(NamedTuple):
    """Tokens of the far past.

    Attributes:
        embeds: one vector per segment, the oldest first.
        observed: 1 for averages of at least one known value, else 0.
    """

    embeds: Float[Tensor, "S N D"]
    observed: Float[Tensor, "S N P"]


class FarPast(nn.Module):
    """Segments of averaged steps, the coarsest first, with an embedding for each resolution.

    Args:
        factors: steps that are averaged, in ascending order, such as 4 and 16.
        tokens: segments of each resolution.
        patch_len: averages of a segment, P.
        width: size of the tokens, D.

    Raises:
        ConfigError: if a factor is below 2, or they do not ascend.

    Attributes:
        steps: steps of all segments together.
        n_tokens: number of all segments.
    """

    def __init__(self, factors: Sequence[int], tokens: int, patch_len: int, width: int) -> None:
        super().__init__()
        at_least(1, far_tokens=tokens)
        self.factors = [whole_number("far_past", factor) for factor in factors]
        if self.factors != sorted({*self.factors}) or self.factors[0] < 2:
            raise ConfigError(
                f"far_past={self.factors} must be numbers of steps to average, from 2 on and in "
                "ascending order, such as [4, 16]."
            )
        self.patch_len, self.tokens = patch_len, tokens
        self.n_tokens = tokens * len(self.factors)
        self.steps = tokens * patch_len * sum(self.factors)
        self.embeds = nn.ModuleList(nn.Linear(patch_len, width) for _ in self.factors)

    def forward(self, context: Context) -> Part:
        """Turn the oldest ``steps`` steps of normalised windows into tokens."""
        embeds, observed, stop = [], [], self.steps
        for factor, embed in zip(self.factors, self.embeds, strict=True):
            start = stop - self.tokens * self.patch_len * factor
            values, known = _averaged(
                context.values[:, start:stop], context.observed[:, start:stop], factor
            )
            embeds.append(embed(patch(values, self.patch_len)))
            observed.append(patch(known, self.patch_len))
            stop = start
        return Part(torch.cat(embeds[::-1], 1), torch.cat(observed[::-1], 1))


def _averaged(
    values: Float[Tensor, "S L"], observed: Bool[Tensor, "S L"], factor: int
) -> tuple[Float[Tensor, "S K"], Float[Tensor, "S K"]]:
    """Average the known values of groups of steps; return 1 for groups with one, else 0."""
    groups = rearrange(values, "S (K f) -> S K f", f=factor)
    known = rearrange(observed.to(values), "S (K f) -> S K f", f=factor)
    count = reduce(known, "S K f -> S K", "sum")
    return (groups * known).sum(2) / count.clamp(min=1), count.clamp(max=1)
