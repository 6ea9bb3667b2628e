"""The point forecast of a batch of windows, with all that a distribution is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch
from tslm.uncertainty.conformal.error_quantiles import GRID, grid
from tslm.uncertainty.distributions.quantile import at_levels
from tslm.uncertainty.sample_paths import Template

PATHS = 100  # sample paths by which a distribution is carried beyond the forecaster's horizon
WINDOWS = 1024  # windows that are rolled out at once


@dataclass(frozen=True)
class WindowForecast:
    """The point forecast of a batch of windows.

    Args:
        forecaster: the model that made it.
        batch: the windows, with the times of the steps after them.
        point: the point forecast.
        keys: an identifier of each series, window by window and channel by channel.
    """

    forecaster: Forecaster
    batch: Batch
    point: Float[Tensor, "B H C"]
    keys: Sequence[Any]

    @property
    def horizon(self) -> int:
        """Return the number of steps that are forecast."""
        return self.point.shape[1]

    def own_distribution(self, template: Template) -> Distribution:
        """Return the forecaster's own distribution of each value, ``[B, H, C]``.

        Beyond the forecaster's ``distribution_horizon`` it consists of the quantiles of sample
        paths, which the forecaster continues step by step.

        Args:
            template: ranks that make sample paths coherent.
        """
        if self.horizon <= self.forecaster.distribution_horizon:
            return self.forecaster.distribution(self.batch, self.horizon)
        paths = self.rolled_paths(template, PATHS, 0)
        values = torch.quantile(paths, grid().to(paths), 0)
        return at_levels(rearrange(values, "G B H C -> B H C G"), GRID)

    def rolled_paths(
        self, template: Template, count: int, seed: int
    ) -> Float[Tensor, "paths B H C"]:
        """Return sample paths in which each drawn step is fed back to the forecaster.

        Args:
            template: ranks that make sample paths coherent.
            count: paths of each series.
            seed: seed of the draws.
        """
        past, _, time, text, *_ = self.batch
        windows, step = len(past), self.forecaster.step
        whole = -(-self.horizon // step) * step
        time = _longer(time, past.shape[1] + whole)
        levels = self.path_levels(template, count, seed, whole, step)
        parts = []
        for some in levels.to(past).split(max(1, WINDOWS // windows)):
            flat = rearrange(some, "n B H C -> (n B) H C")
            contexts, times = (
                repeat(part, "B ... -> (n B) ...", n=len(some)) for part in (past, time)
            )
            ahead = self.forecaster.paths(Batch.of(contexts, times, text), flat)
            ahead = ahead[:, : self.horizon]
            parts.append(rearrange(ahead, "(n B) H C -> n B H C", B=windows))
        return torch.cat(parts)

    def path_levels(
        self, template: Template, count: int, seed: int, steps: int, block: int | None = None
    ) -> Float[Tensor, "paths B steps C"]:
        """Return the quantile level of each step of each sample path.

        Args:
            template: ranks that make sample paths coherent.
            count: paths of each series.
            seed: seed of the draws.
            steps: steps of a path.
            block: steps that are drawn together; all steps of the template if None.
        """
        drawn = torch.from_numpy(template.levels(seed, self.keys, count, steps, block))
        return rearrange(drawn, "n (B C) H -> n B H C", C=self.batch.past.shape[2])


def _longer(time: Int[Tensor, "B T"], length: int) -> Int[Tensor, "B T2"]:
    """Repeat the last time up to a length; the added steps are cut off and never read."""
    missing = max(0, length - time.shape[1])
    return torch.cat([time, time[:, -1:].expand(-1, missing)], 1)
