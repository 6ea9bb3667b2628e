"""What is measured of a frame: its level, and a model of how it moves about it."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.float64 import exactly
from tslm.models.layers.lpc.burg import Autoregression, burg
from tslm.models.layers.lpc.linear_prediction import (
    autocorrelation,
    levinson,
    selected,
    warped,
    warped_burg,
)

METHODS = ("burg", "autocorrelation", "selective")
_ROUNDING = 1e-24  # of the mean square: a variance below it is rounding


class Frames(NamedTuple):
    """Measured frames.

    Args:
        level: the mean of what is observed; NaN where nothing is.
        model: of the rest.
        flat: frames that do not move, so that no model says anything of them.
        missing: frames of which more than half is missing.
    """

    level: Float[Tensor, " S"]
    model: Autoregression
    flat: Bool[Tensor, " S"]
    missing: Bool[Tensor, " S"]

    @property
    def coded(self) -> Bool[Tensor, " S"]:
        """Frames whose model says something."""
        return ~(self.flat | self.missing)


@dataclass(frozen=True)
class Estimator:
    """How a model is fitted to a frame.

    Args:
        order: coefficients, p; frames shorter than 4 p have fewer, and zeros beyond.
        method: ``burg``; ``autocorrelation``, which is Levinson's of the biased autocorrelation;
            or ``selective``, which looks at the band up to ``band`` alone, so that it does not
            depend on the sampling rate.
        warp: of the frequency scale, see ``tslm.models.layers.lpc.linear_prediction``; 0 is none.
        band: highest frequency ``selective`` looks at, in cycles per unit of time.
        center: whether the level is taken off first; it is not in the published method.

    Raises:
        ConfigError: if a setting is impossible.
    """

    order: int
    method: str = "burg"
    warp: float = 0.0
    band: float | None = None
    center: bool = True

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(
                f"method {self.method!r} is unknown. Choose one of {', '.join(METHODS)}."
            )
        if self.order < 1:
            raise ConfigError(f"order {self.order} must be at least 1.")
        if not -1 < self.warp < 1:
            raise ConfigError(f"warp {self.warp} must lie between -1 and 1.")
        if self.method == "selective" and (self.band is None or self.warp):
            raise ConfigError("method='selective' needs a band, and warp=0.")

    def measure(self, frames: Float[Tensor, "S L"], rate: float = 1.0) -> Frames:
        """Measure frames.

        Args:
            frames: NaN where missing.
            rate: their samples per unit of time.
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
        """Fit one model a row; the mean is not removed.

        Args:
            x: series; NaN where missing.
            rate: their samples per unit of time.
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
            model = levinson(selected(full, order, rate, self.band))
        return _padded(model, self.order)

    def _burg(self, x: Float[Tensor, "S L"], order: int) -> Autoregression:
        if not self.warp:
            return burg(x, order)
        gaps = torch.isnan(x).any(1)
        model = warped_burg(torch.nan_to_num(x), order, self.warp)
        if gaps.any():
            others = levinson(self._correlations(x[gaps], order))
            for ours, theirs in zip(model, others, strict=True):
                ours[gaps] = theirs
        return model

    def _correlations(self, x: Float[Tensor, "S L"], order: int) -> Float[Tensor, "S q"]:
        if not self.warp:
            return autocorrelation(x, order)
        return warped(autocorrelation(x, x.shape[1] - 1), order, self.warp)


def _padded(model: Autoregression, order: int) -> Autoregression:
    """The same models with zeros up to a larger order."""
    room = (0, order - model.coefficients.shape[1])
    coefficients, reflection = (
        torch.nn.functional.pad(part, room) for part in (model.coefficients, model.reflection)
    )
    return Autoregression(coefficients, model.power, reflection)
