"""Lagged effects: the part of the next steps that is explained by covariates of past rows.

The effect is linear in means of the last 1, 2, 4, 8 ... rows of each past covariate. Over the
horizon it is piecewise linear in the logarithm of the step, with knots at the steps 1, 2, 4, 8 ...
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.calendar import Ints

Floats = npt.NDArray[np.float64]


class LaggedEffect(NamedTuple):
    """Effect of past covariates on the steps after each row of a panel.

    Attributes:
        amplitude: standardised effect at the knots 1, 2, 4, 8 ... up to ``horizon``, for each row;
            linear in the logarithm of the step between knots, constant beyond the last one.
        horizon: forecast steps of the fit.
    """

    amplitude: Float[Tensor, "T knots"]
    horizon: int

    @classmethod
    def joined(cls, parts: Sequence["LaggedEffect"]) -> "LaggedEffect":
        """Return the effect on the rows of several panels of one model."""
        return cls(torch.cat([each.amplitude for each in parts]), parts[0].horizon)

    @staticmethod
    def knot_weights(horizon: int, steps: int) -> Floats:
        """Return the weight of each knot in each step, as an array [steps, knots]."""
        last = np.log2(horizon)
        place = np.log2(np.arange(1, steps + 1)).clip(max=last)[:, None]
        return np.asarray((1 - np.abs(place - np.arange(np.ceil(last) + 1))).clip(0))

    @classmethod
    def n_knots(cls, horizon: int) -> int:
        """Return the number of knots of a horizon of at least 1."""
        return cls.knot_weights(horizon, 1).shape[1]

    def is_valid(self, rows: int) -> bool:
        """Return True if there is a finite amplitude for each of ``rows`` rows and each knot."""
        knots = self.n_knots(self.horizon) if self.horizon > 0 else 0
        return self.amplitude.shape == (rows, knots) and bool(self.amplitude.isfinite().all())

    def scale(self, factor: float) -> "LaggedEffect":
        """Return the effect multiplied by a factor."""
        return self._replace(amplitude=self.amplitude * factor)

    def take(self, rows: Int[Tensor, " N"]) -> "LaggedEffect":
        """Return the effect of some rows only."""
        return self._replace(amplitude=self.amplitude[rows])

    def predict(self, rows: Int[Tensor, " N"], steps: int) -> Float[Tensor, "N H"]:
        """Return the effect on the ``steps`` steps after each of some rows, standardised."""
        weights = torch.from_numpy(self.knot_weights(self.horizon, steps)).to(self.amplitude)
        return self.amplitude[rows] @ weights.T

    def subtract(
        self, values: npt.NDArray[Any], last: Int[Tensor, " N"], context_length: int
    ) -> npt.NDArray[Any]:
        """Remove the effect from the targets of windows.

        Args:
            values: windows of ``context_length`` rows of context and then the targets.
            last: the last row of each context, as a row of the panel.
            context_length: rows of context, L.
        """
        past, future = np.split(values, [context_length], axis=1)
        effect = self.predict(last, future.shape[1]).numpy()
        return np.concatenate([past, future - effect], 1)


def lag_summaries(past: Floats, offsets: Ints, reach: int) -> Floats:
    """Summarise the last rows of past covariates at each row.

    Args:
        past: encoded past covariates, one row per row of the panel.
        offsets: row at which each series starts, and the end of the last one.
        reach: rows of the longest summary.

    Returns:
        For each row the means of the last 1, 2, 4, 8 ... rows, minus the mean of the last ``reach``
        rows.
    """
    if not past.shape[1]:
        return past
    whole = _running_mean(past, offsets, reach)
    sizes = [2**k for k in range(max(int(np.log2(reach)), 1))]
    return np.concatenate([_running_mean(past, offsets, n) - whole for n in sizes], 1)


def _running_mean(values: Floats, offsets: Ints, length: int) -> Floats:
    """Return the mean of each row and the rows before it in its series, ``length`` in all."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(0)])
    rows = np.arange(len(values))
    first = np.maximum(rows + 1 - length, offsets[:-1].repeat(np.diff(offsets)))
    return (sums[rows + 1] - sums[first]) / (rows + 1 - first)[:, None]
