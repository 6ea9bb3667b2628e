"""Effect of a statement on a forecast: a factor, a shift, a spread and a replacement."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Phase(NamedTuple):
    """Place of T steps in the spans of K statements.

    Args:
        position: place in the span, from 0 (first step) to 1 (last step); 0 if it has one step.
        length: steps of the span.
        after: steps since the span ended; 0 within the span.
    """

    position: Float[Tensor, "K T"]
    length: Float[Tensor, " K"]
    after: Float[Tensor, "K T"]

    @classmethod
    def within(cls, length: Float[Tensor, " K"], steps: int) -> "Phase":
        """Return the phase of the first T steps of spans; steps beyond a span are after it."""
        number = torch.arange(steps, dtype=length.dtype).expand(len(length), -1)
        last = (length[:, None] - 1).clamp(min=1)
        return cls(
            (number / last).clamp(max=1), length, (number - length[:, None] + 1).clamp(min=0)
        )


class Effect(NamedTuple):
    """Effect on forecast values, one for each value of a tensor.

    Args:
        log_factor: logarithm of the factor that multiplies the value.
        shift: number that is added, in units of the standard deviation of the series.
        log_spread: logarithm of the factor that multiplies the width of the distribution.
        replaced: share of the value, from 0 to 1, that is replaced by 0 ("closed", "offline").
    """

    log_factor: Float[Tensor, "..."]
    shift: Float[Tensor, "..."]
    log_spread: Float[Tensor, "..."]
    replaced: Float[Tensor, "..."]

    @classmethod
    def none(cls, *shape: int) -> "Effect":
        """Return no effect on a tensor of this shape."""
        return cls(*torch.zeros(4, *shape, dtype=torch.float64).unbind())

    def beside(self, other: "Effect") -> "Effect":
        """Return the effect of two statements together: factors multiply, shifts add."""
        kept = (1 - self.replaced) * (1 - other.replaced)
        return Effect(
            self.log_factor + other.log_factor,
            self.shift + other.shift,
            self.log_spread + other.log_spread,
            1 - kept,
        )

    def take(self, *index: Any) -> "Effect":
        """Return the effects at an index of the tensors."""
        return Effect(*(part[index] for part in self))

    def where(self, mask: Bool[Tensor, "..."]) -> "Effect":
        """Return the effect where the mask is True, and none elsewhere."""
        return Effect(*(torch.where(mask, part, 0) for part in self))

    def apply(
        self, values: Float[Tensor, "n ..."], sigma: Float[Tensor, "..."]
    ) -> Float[Tensor, "n ..."]:
        """Apply the effect to a point forecast, and to quantiles and samples about it.

        The map from each distribution to the new one is affine and increasing, so quantiles stay
        quantiles.

        Args:
            values: the point forecast, and then n - 1 quantiles or samples.
            sigma: standard deviation of the series, broadcast against one forecast.
        """
        kept, factor = 1 - self.replaced, self.log_factor.exp()
        point = kept * (factor * values[0] + self.shift * sigma)
        width = kept * factor * self.log_spread.exp()
        return point + width * (values - values[0])

    def remove(
        self, values: Float[Tensor, "..."], sigma: Float[Tensor, "..."]
    ) -> Float[Tensor, "..."]:
        """Return observed values without the effect; NaN where most of the value is replaced."""
        plain = (values - self.shift * sigma) / self.log_factor.exp()
        return torch.where(self.replaced > 0.5, torch.nan, plain)


def widening(
    values: Float[Tensor, "n ..."], scores: Float[Tensor, " n"], doubt: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Return the factor by which distributions must be wider to include the doubt of an effect.

    The variance of the forecast and that of the effect add up.

    Args:
        values: point forecast, quantiles and samples.
        scores: normal score of each quantile; NaN for samples. The first is that of the point.
        doubt: standard deviation of the effect, in the units of the values.
    """
    gap, sampled = values[1:] - values[0], scores[1:].isnan()
    score = scores[1:][~sampled].view(-1, *[1] * doubt.ndim)
    if (total := score.square().sum()) > 0:
        deviation = (gap[~sampled] * score).sum(0) / total
    elif sampled.any():
        deviation = gap[sampled].square().mean(0).sqrt()
    else:
        return torch.ones_like(doubt)
    return (1 + (doubt / deviation.abs().clamp(min=1e-12)).square()).sqrt()
