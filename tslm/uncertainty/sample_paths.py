"""Coherent sample paths by the Schaake shuffle.

A path takes the ranks of one validation window among the others, step by step, as its quantile
levels. Each step then keeps its distribution, and steps depend on each other as validation errors
do.

Source: Clark et al., "The Schaake Shuffle", Journal of Hydrometeorology 5, 2004.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

WALKS = 200  # random walks that replace errors where there are none


@dataclass(frozen=True)
class Template:
    """Ranks of validation windows among each other, step by step.

    Args:
        ranks: from 1 to N.
    """

    ranks: Int[Tensor, "N H"]

    @classmethod
    def of(cls, errors: Float[Tensor, "N H"]) -> "Template":
        """Rank errors; of two equal errors the earlier window has the lower rank."""
        order = errors.argsort(dim=0, stable=True)
        ranks = torch.empty_like(order)
        numbers = torch.arange(1, len(errors) + 1)[:, None].expand_as(order)
        return cls(ranks.scatter_(0, order, numbers).to(torch.int16))

    @classmethod
    def of_walks(cls, steps: int) -> "Template":
        """Rank random walks, where there are no errors."""
        dice = np.random.default_rng(0)
        return cls.of(torch.from_numpy(dice.normal(size=(WALKS, steps)).cumsum(1)))

    def __len__(self) -> int:
        return len(self.ranks)

    def levels(
        self, seed: int, keys: Sequence[Any], count: int, steps: int, block: int | None = None
    ) -> Float[ndarray, "n S T"]:
        """Draw the quantile level of each step of each path, in (0, 1).

        The draws of a series depend on the seed and its key only. Windows are drawn without
        replacement until all are used. Within a rank the level is uniform. Steps beyond the
        template, or beyond ``block``, are drawn from another window.

        Args:
            seed: seed of the draws.
            keys: an identifier of each series.
            count: paths of each series, n.
            steps: steps of a path, T.
            block: steps that are drawn from one window; all steps of the template if None.
        """
        width = min(block or self.ranks.shape[1], self.ranks.shape[1])
        ranks = self.ranks[:, :width].numpy().astype(np.float64)
        found = np.empty((count, len(keys), steps))
        for number, key in enumerate(keys):
            dice = np.random.default_rng([seed, *_digits(key)])
            parts = []
            for _ in range(-(-steps // width)):
                rounds = [dice.permutation(len(ranks)) for _ in range(-(-count // len(ranks)))]
                rows = ranks[np.concatenate(rounds)[:count]]
                parts.append((rows - dice.random(rows.shape)) / len(ranks))
            found[:, number] = np.concatenate(parts, 1)[:, :steps]
        return found.clip(1e-6, 1 - 1e-6)


def _digits(key: Any) -> list[int]:
    """Return a key as four numbers, the same in every process."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return [int(part) for part in np.frombuffer(digest, np.uint32)]
