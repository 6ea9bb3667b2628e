"""The interface of rules that fit a recursion to the last rows of each series.

A recursion carries its state through gaps without an update. Missing values at the end count as
further steps of the horizon.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.messages import whole_number
from tslm.core.types import Facts, Sizes, Task
from tslm.models.baselines.classical.base import NormalRule, Predictive
from tslm.models.layers.seasonal import steps_since_observed

ROWS = 500  # last rows that are fitted by default; chosen by hand
SEASONS = 20  # seasons that a rule with many seasons reads; chosen on ETT, see docs/mix.md


class Smoothing(NormalRule):
    """Recursion that is fitted to each series on its own.

    Args:
        task: gives the steps of a season, m.
        rows: last rows of the context that are used; at least 1.

    Raises:
        ConfigError: if the season or ``rows`` is below 1.
    """

    about_zero = True
    calibration_windows = 64  # few, because each needs a fit; chosen by hand
    seasons = 0  # seasons that are read at least, where they are more than ``rows``

    def __init__(self, *, task: Task, rows: int = ROWS) -> None:
        super().__init__(task=task)
        self.rows = max(whole_number("rows", rows), self.seasons * self.season_length)

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Suggest a context of at least ``seasons`` seasons."""
        sizes = super().suggest(facts, context_length, options)
        seasons = cls.seasons * facts.season_length
        return Sizes(context_length or max(sizes.context_length, seasons))

    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        return self.predictive(rows, horizon).mean

    def predictive(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        rows = rows[:, -self.rows :]
        gap = steps_since_observed(rows)
        step = torch.arange(rows.shape[1], device=rows.device) - gap
        ended = torch.where(step < 0, torch.nan, rows.gather(1, step.clamp(min=0)))
        found = self.smooth(_without_padding(ended), horizon + int(gap.max()))
        ahead = gap + torch.arange(horizon, device=rows.device)
        return Predictive(found.mean.gather(1, ahead), found.deviation.gather(1, ahead))

    @abstractmethod
    def smooth(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        """Fit the recursion to each row, and forecast H steps.

        Args:
            rows: series in float64 whose last value is observed, unless none is; NaN where
                missing, and on the left where a row is short. They are all positive only if the
                natural zero of the series is known and below them.
            horizon: steps, H.
        """


def _without_padding(rows: Float[Tensor, "S L"]) -> Float[Tensor, "S K"]:
    """Return rows without the first steps that are missing in all of them; at least one step.

    A recursion takes time for each step, also for those before a series begins.
    """
    seen = (~rows.isnan()).any(0)
    return rows[:, int(seen.long().argmax()) :]
