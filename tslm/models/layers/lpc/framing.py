"""Frames of series: their level, and an autoregressive model of the deviations from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly
from tslm.core.messages import at_least, check_choice
from tslm.models.layers.lpc.burg import Autoregression, burg
from tslm.models.layers.lpc.linear_prediction import (
    autocorrelation,
    band_autocorrelation,
    levinson,
    warped_autocorrelation,
    warped_burg,
)

METHODS = ("burg", "autocorrelation", "selective")
_ROUNDING = 1e-24  # of the mean square: a variance below it is rounding in float64


class Frames(NamedTuple):
    """Measured values of frames.

    Args:
        level: mean of the observed values; NaN without any.
        model: autoregressive model of the deviations from the level.
        flat: True for constant frames, which have no model.
        missing: True for frames of which more than half is missing.
    """

    level: Float[Tensor, " S"]
    model: Autoregression
    flat: Bool[Tensor, " S"]
    missing: Bool[Tensor, " S"]

    @property
    def coded(self) -> Bool[Tensor, " S"]:
        """True for frames whose model can be coded."""
        return ~(self.flat | self.missing)

    @classmethod
    def concatenate(cls, parts: "Sequence[Frames]") -> "Frames":
        """Join the frames of several batches, one after the other."""
        models = zip(*(part.model for part in parts), strict=True)
        rest = zip(*((part.level, part.flat, part.missing) for part in parts), strict=True)
        level, flat, missing = (torch.cat(tensors) for tensors in rest)
        return cls(level, Autoregression(*map(torch.cat, models)), flat, missing)


@dataclass(frozen=True)
class Estimator:
    """Estimator of the autoregressive model of a frame.

    Args:
        order: number of coefficients, p; frames shorter than 4 p have fewer, filled with zeros.
        method: ``burg``; ``autocorrelation``, Levinson's solution for the biased autocorrelation;
            or ``selective``, which uses the frequencies up to ``band`` only, so that it does not
            depend on the sampling rate.
        warp: coefficient of the frequency scale, in (-1, 1), see
            ``tslm.models.layers.lpc.linear_prediction``; 0 is the ordinary scale.
        band: highest frequency of ``selective``, in cycles per unit of time.
        center: True if the level is subtracted first; the published method does not subtract it.

    Raises:
        ConfigError: if a setting is impossible.
    """

    order: int
    method: str = "burg"
    warp: float = 0.0
    band: float | None = None
    center: bool = True

    def __post_init__(self) -> None:
        check_choice("method", self.method, METHODS)
        at_least(1, order=self.order)
        if not -1 < self.warp < 1:
            raise ConfigError(f"warp {self.warp} must be between -1 and 1.")
        if self.method == "selective" and (self.band is None or self.warp):
            raise ConfigError(
                "method='selective' needs a band and warp=0. Set band, or choose another method."
            )

    def measure(self, frames: Float[Tensor, "S L"], rate: float = 1.0) -> Frames:
        """Measure frames.

        Args:
            frames: values, oldest first; NaN where missing.
            rate: samples per unit of time.
        """
        frames = exactly(frames)
        observed = ~torch.isnan(frames)
        level = frames.nanmean(1)
        rest = frames - level[:, None]
        variance = rest.square().nanmean(1)
        missing = 2 * observed.sum(1) < frames.shape[1]
        flat = ~missing & (variance <= _ROUNDING * frames.square().nanmean(1))
        moving = rest if self.center else frames
        model = self.fit(torch.where((flat | missing)[:, None], 0.0, moving), rate)
        return Frames(level, model, flat, missing)

    def fit(self, x: Float[Tensor, "S L"], rate: float = 1.0) -> Autoregression:
        """Fit one model per row; the mean is not subtracted.

        Args:
            x: series; NaN where missing.
            rate: samples per unit of time.
        """
        length = x.shape[1]
        order = max(min(self.order, length // 4), min(1, length - 1))
        if self.method == "burg":
            model = self._burg(x, order)
        elif self.method == "autocorrelation":
            model = levinson(self._correlations(x, order))
        else:
            assert self.band is not None
            full = autocorrelation(x, length - 1)
            model = levinson(band_autocorrelation(full, order, rate, self.band))
        return _padded(model, self.order)

    def _burg(self, x: Float[Tensor, "S L"], order: int) -> Autoregression:
        """Fit by Burg's recursion; warped models of rows with gaps are fitted by Levinson's."""
        if not self.warp:
            return burg(x, order)
        gaps = torch.isnan(x).any(1)
        model = warped_burg(torch.nan_to_num(x), order, self.warp)
        if gaps.any():
            others = levinson(self._correlations(x[gaps], order))
            for ours, theirs in zip(model, others, strict=True):
                ours[gaps] = theirs
        return model

    def _correlations(self, x: Float[Tensor, "S L"], order: int) -> Float[Tensor, "S lags"]:
        """Compute the autocorrelation up to the order, on the warped scale if there is one."""
        if not self.warp:
            return autocorrelation(x, order)
        return warped_autocorrelation(autocorrelation(x, x.shape[1] - 1), order, self.warp)


def _padded(model: Autoregression, order: int) -> Autoregression:
    """Fill models with zeros up to a larger order."""
    zeros = (0, order - model.coefficients.shape[1])
    coefficients, reflection = (
        torch.nn.functional.pad(part, zeros) for part in (model.coefficients, model.reflection)
    )
    return Autoregression(coefficients, model.power, reflection)
