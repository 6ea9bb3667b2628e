"""Ridge regression of the future on the context, both minus a level, in closed form.

Hoerl & Kennard, "Ridge regression", Technometrics 12, 1970. The weights W [L, H] minimise
``|F' - X' W|^2 + lam |W|^2``, with X' and F' the contexts and futures minus their level. One
symmetric eigenvalue problem of size L solves it for all penalties lam.
"""

from abc import abstractmethod
from collections.abc import Iterable, Sequence

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.float64 import exactly
from tslm.core.types import Batch, Task
from tslm.models.baselines.direct import DirectNetwork
from tslm.models.layers.seasonal import last_observed, profile, repeat_season

PENALTIES = (50.0, 500.0, 5_000.0, 50_000.0)  # lam for UNIT windows, scaled to others; by hand
UNIT = 14_000  # training windows that PENALTIES are for; chosen by hand
DEFAULT = 5_000.0  # lam without validation data; chosen by hand


class Ridge(DirectNetwork):
    """Ridge regression from the context minus its level to the future minus its level.

    Before ``learn`` its forecast is the level.

    Args:
        task: gives L, H and the season.
        penalties: values of lam that validation chooses from, for 14,000 training windows; they
            are scaled by the number of windows.

    Attributes:
        weight: the map, [L, H].
    """

    def __init__(self, *, task: Task, penalties: Sequence[float] = PENALTIES) -> None:
        super().__init__(task)
        self.penalties = tuple(penalties)
        self.weight: Float[Tensor, "L H"]
        self.register_buffer("weight", torch.zeros(task.context_length, task.horizon))

    @abstractmethod
    def levels(
        self, rows: Float[Tensor, "S L"]
    ) -> tuple[Float[Tensor, "S one_or_L"], Float[Tensor, "S one_or_H"]]:
        """Return the level of each step of the context and of the horizon, in units of ``rows``."""

    def extend(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]
    ) -> Float[Tensor, "B H C"]:
        rows = rearrange(past, "B L C -> (B C) L")
        before, after = self.levels(rows)
        ahead = torch.nan_to_num(rows - before) @ self.weight + torch.nan_to_num(after)
        return rearrange(ahead, "(B C) H -> B H C", B=len(past))

    @torch.no_grad()
    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        size, steps = self.weight.shape
        gram = exactly(self.weight.new_zeros(size, size))
        cross = gram.new_zeros(size, steps)
        windows = 0
        for batch in train:
            rest, target = self._pair(batch)
            gram += exactly(rest.T @ rest)
            cross += exactly(rest.T @ target)
            windows += len(rest)
        values, vectors = torch.linalg.eigh(gram)
        rotated = vectors.T @ cross
        solutions = {
            penalty: vectors @ (rotated / (values.clamp(min=0) + penalty * windows / UNIT)[:, None])
            for penalty in self.penalties
        }
        best = self._best(solutions, val) if windows else None
        if best is not None:
            self.weight.copy_(best)

    def _best(
        self, solutions: dict[float, Float[Tensor, "L H"]], val: Iterable[Batch]
    ) -> Float[Tensor, "L H"]:
        """Return the solution with the smallest squared error on validation windows."""
        errors = dict.fromkeys(solutions, 0.0)
        for batch in val:
            rest, target = self._pair(batch)
            for penalty, weight in solutions.items():
                gap = (rest @ weight.to(rest))[:, : target.shape[1]] - target
                errors[penalty] += float(exactly(gap).square().sum())
        if not any(errors.values()):
            return min(solutions.items(), key=lambda item: abs(item[0] - DEFAULT))[1]
        return solutions[min(errors, key=lambda penalty: errors[penalty])]

    def _pair(self, batch: Batch) -> tuple[Float[Tensor, "S L"], Float[Tensor, "S F"]]:
        """Subtract the level from contexts and futures; leave out windows with a missing target.

        Futures may be shorter or longer than H; steps beyond H are ignored.
        """
        rows = rearrange(batch.past, "B L C -> (B C) L")
        future = rearrange(batch.future[:, : self.step], "B H C -> (B C) H")
        before, after = self.levels(rows)
        target = future - after[:, : future.shape[1]]
        whole = ~target.isnan().any(1)
        return torch.nan_to_num(rows - before)[whole], target[whole]


class RidgeNLinear(Ridge):
    """Ridge regression with the last observed value as level."""

    def levels(
        self, rows: Float[Tensor, "S L"]
    ) -> tuple[Float[Tensor, "S 1"], Float[Tensor, "S 1"]]:
        last = last_observed(rows)
        return last, last


class RidgeProfile(Ridge):
    """Ridge regression with the seasonal profile of the context as level."""

    def levels(
        self, rows: Float[Tensor, "S L"]
    ) -> tuple[Float[Tensor, "S L"], Float[Tensor, "S H"]]:
        shape = profile(rows, self.task.season_length)
        before = repeat_season(shape.flip(1), rows.shape[1]).flip(1)
        return before, repeat_season(shape, self.task.horizon)
