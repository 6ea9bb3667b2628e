"""The interface of classical rules, which forecast each context from its own values.

All of them take contexts [B, L, C] and return forecasts [B, H, C] in the units of the context.
They compute in float64 and return the dtype of the context. NaN means missing; on the left it
means a shorter context. A context without any value is continued by zeros. Forecasts are
equivariant: the forecast of ``a * x + b`` is ``a * forecast(x) + b``. Rules with multiplicative
parts are an exception: they use these parts only where the natural zero of a series is known, and
follow a shift only if the zero is shifted too.
"""

from abc import abstractmethod
from collections.abc import Iterator
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from tslm.core.distribution import LEAST, Distribution
from tslm.core.float64 import exactly, home
from tslm.core.forecaster import Forecaster
from tslm.core.messages import whole_number
from tslm.core.types import Batch, Task
from tslm.uncertainty.distributions.mixture import Mixture
from tslm.uncertainty.past_changes import spread_of_changes

# Rows and values of one chunk of windows, chosen by hand. A recursion takes a step for all rows
# at once, and each step has a fixed cost: that of some 1,000 values on a CPU, that of a launch on
# an accelerator. So a chunk has many rows. On a CPU it has at most so many values that the arrays
# of all its steps fit into memory, and so few rows that PyTorch uses one thread for a step.
_ROWS_CPU = 512
_VALUES_CPU = (2**15 - 1, 2**20)  # of more rows than these, and at most
_VALUES_ACCELERATOR = 2**22


class Predictive(NamedTuple):
    """Mean and standard deviation of the next H steps of series.

    Args:
        mean: point forecasts; NaN or 0 for a series without a value.
        deviation: standard deviations of the forecast errors; NaN where a series has too few
            values to estimate them.
    """

    mean: Float[Tensor, "S H"]
    deviation: Float[Tensor, "S H"]


class Classical(Forecaster):
    """Forecasting rule for single series, with a distribution of each step of any horizon.

    Args:
        task: gives the steps of a season, m.

    Raises:
        ConfigError: if the season is below 1.

    Attributes:
        about_zero: True if the rule has multiplicative parts. Its rows are then the distances from
            the natural zero of the series, or, where that is unknown, from their mean.
    """

    about_zero: bool = False
    any_horizon = True
    distribution_horizon = 2**31

    def __init__(self, *, task: Task) -> None:
        super().__init__()
        self.season_length = whole_number("season_length", task.season_length)

    def forecast(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        past, found = batch.past, []
        for rows, origin in self.chunks(batch, horizon):
            found.append((self.extend(rows, horizon) + origin).to(past))
        return rearrange(torch.nan_to_num(torch.cat(found)), "(B C) H -> B H C", B=len(past))

    def chunks(
        self, batch: Batch, horizon: int
    ) -> Iterator[tuple[Float[Tensor, "S L"], Float[Tensor, "S 1"]]]:
        """Yield rows in float64, a chunk at a time, and the origin they are counted from."""
        chunks = chunks_of(batch.past, horizon)
        zeros = [None] * len(chunks)
        if self.about_zero and batch.zero is not None:
            zeros = batch.zero.reshape(-1, 1).split(len(chunks[0]))
        for chunk, zero in zip(chunks, zeros, strict=True):
            rows = exactly(chunk)
            if zero is not None:
                origin = zero.to(rows)
            elif self.about_zero:
                origin = rows.nanmean(1, keepdim=True)
            else:
                origin = torch.zeros_like(rows[:, :1])
            yield rows - origin, origin

    @abstractmethod
    def extend(self, rows: Float[Tensor, "S L"], horizon: int) -> Float[Tensor, "S H"]:
        """Continue each row by H steps, in its own units; a row without a value gives NaN or 0.

        Args:
            rows: series in float64, oldest value first; NaN where missing.
            horizon: steps, H.
        """


class NormalRule(Classical):
    """Classical rule with a normal distribution of each step."""

    def distribution(self, batch: Batch, horizon: int) -> Distribution:
        """Return normal distributions, ``[B, H, C]``.

        Where a rule cannot estimate its errors, the spread is that of the past changes of the
        series, see ``tslm.uncertainty.past_changes``. It is ``LEAST`` for constant series.
        """
        past, found = batch.past, []
        for rows, origin in self.chunks(batch, horizon):
            mean, deviation = self.predictive(rows, horizon)
            if deviation.isnan().any():
                wide = spread_without_errors(rows, self.season_length, horizon)
                deviation = torch.where(deviation.isnan(), wide, deviation)
            found.append(torch.stack([mean + origin, deviation]))
        values = torch.nan_to_num(torch.cat(found, 1)).to(past)
        mean, deviation = rearrange(values, "k (B C) H -> k B H C 1", B=len(past))
        return Mixture(torch.ones_like(mean), mean, deviation.clamp(min=LEAST))

    def predictive(self, rows: Float[Tensor, "S L"], horizon: int) -> Predictive:
        """Return the mean (that of ``extend``) and the standard deviation of each step.

        A rule that does not define this leaves the deviation to the past changes of the series.

        Args:
            rows: series in float64, oldest value first; NaN where missing.
            horizon: steps, H.
        """
        mean = self.extend(rows, horizon)
        return Predictive(mean, torch.full_like(mean, torch.nan))


def chunks_of(past: Float[Tensor, "B L C"], horizon: int) -> tuple[Float[Tensor, "S L"], ...]:
    """Split windows into chunks of rows, whose size suits the device."""
    rows = rearrange(past, "B L C -> (B C) L")
    length = max(1, rows.shape[1] + horizon)
    if home(past.device).type != "cpu":
        return rows.split(max(1, _VALUES_ACCELERATOR // length))
    few, most = (values // length for values in _VALUES_CPU)
    return rows.split(max(1, few, min(_ROWS_CPU, most)))


def spread_without_errors(
    rows: Float[Tensor, "S L"], season_length: int, horizon: int
) -> Float[Tensor, "S H"]:
    """Return the standard deviation of each step from the past changes of a series.

    It is widened by ``1 + 1 / n`` for n changes, chosen by hand, because few changes estimate the
    spread badly. A series with fewer than two values has spread 2 after one step.
    """
    scale, count = spread_of_changes(rows[:, :, None], season_length, horizon)
    return (scale * (1 + 1 / count).to(scale))[:, :, 0]


def error_spread(errors: Float[Tensor, "S N"], lost: int | Tensor) -> Float[Tensor, "S 1"]:
    """Return the standard deviation of errors about 0; NaN without degrees of freedom.

    Args:
        errors: NaN where there is none.
        lost: degrees of freedom that the fitted parameters have used up; one number, or one a row.
    """
    free = (~errors.isnan()).sum(1, keepdim=True) - lost
    variance = errors.square().nansum(1, keepdim=True) / free.clamp(min=1)
    return torch.where(free > 0, variance.sqrt(), torch.nan)
