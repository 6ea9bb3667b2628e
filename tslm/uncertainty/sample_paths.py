"""Paths that are coherent over the horizon: how the steps of validation errors went together.

A path reads the law of each step at the share at which one validation window, with all its steps,
lay among the others (the Schaake shuffle; Clark et al., Journal of Hydrometeorology 5, 2004): so
each step has its law, and steps move together as errors do.
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

WALKS = 200  # that stand for errors where none were seen


@dataclass(frozen=True)
class Template:
    """Ranks, from 1 on, of each validation window among all of them, step by step."""

    ranks: Int[Tensor, "N H"]

    @classmethod
    def of(cls, errors: Float[Tensor, "N H"]) -> "Template":
        """Rank errors; where two are alike the earlier window is the lower one."""
        order = errors.argsort(dim=0, stable=True)
        ranks = torch.empty_like(order)
        numbers = torch.arange(1, len(errors) + 1)[:, None].expand_as(order)
        return cls(ranks.scatter_(0, order, numbers).to(torch.int16))

    @classmethod
    def of_walks(cls, steps: int) -> "Template":
        """Steps that go together as those of random walks do, where no errors were seen."""
        dice = np.random.default_rng(0)
        return cls.of(torch.from_numpy(dice.normal(size=(WALKS, steps)).cumsum(1)))

    def __len__(self) -> int:
        return len(self.ranks)

    def shares(
        self, seed: int, keys: Sequence[Any], count: int, steps: int, block: int | None = None
    ) -> Float[ndarray, "n S T"]:
        """Where in the law of each step a path lies, within (0, 1).

        The draws of a series depend on the seed and its key alone. Windows are drawn without
        replacement as far as there are, and inside a rank all shares are alike. Steps beyond the
        template, or beyond ``block``, are drawn anew.

        Args:
            seed: of all draws.
            keys: what each series is called.
            count: paths of each, n.
            steps: of a path, T.
            block: steps that move together, all of the template if None.
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
    """A key as four numbers, the same in every process."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return [int(part) for part in np.frombuffer(digest, np.uint32)]
