"""Filter decoder: a mixture of linear predictors, weighted by the language model.

Anjum, "LiPCoT", arXiv 2408.07292, represents frames by codes, each of which is a linear filter. The
paper does not forecast. Here each filter continues the series, and the forecast is differentiable
in the weights and the level that the decoder computes.
"""

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.distribution import Distribution
from tslm.core.errors import ConfigError
from tslm.core.types import Layout, Task, Tokens
from tslm.models.decoders.base import Decoder
from tslm.models.decoders.filter_mixture import FilterMixture
from tslm.models.layers.lpc.filter_forecasts import CodedLayout, CodedTokens, FilterForecasts
from tslm.uncertainty.distributions.base import DistributionFamily
from tslm.uncertainty.distributions.mixture import MixtureFamily
from tslm.uncertainty.distributions.point import POINT, PointFamily


class FilterDecoder(Decoder):
    """Weighted mean of the forecasts of K filters, and of a filter fitted to the context.

    The weights are ``softmax(evidence + habit + logits)``. The last hidden state gives the logits
    and the level; both are zero before training, so then the context alone decides. With a base
    forecast the decoder returns the difference between the trained and the untrained forecast.

    Args:
        width: size of the hidden states, D.
        layout: gives the number of filters K.
        task: gives the horizon H.
        family: a point (the weighted mean), or a mixture (of the filters).
        dropout: dropout rate before the map.
        caution: number of standard errors subtracted from the shrinkage of a correction, see
            ``Shrinkage``.

    Raises:
        ConfigError: if the adapter has no filters, the family is neither a point nor a mixture,
            or ``caution`` is negative.
    """

    families = (PointFamily, MixtureFamily)

    def __init__(
        self,
        *,
        width: int,
        layout: Layout,
        task: Task,
        family: DistributionFamily = POINT,
        dropout: float = 0.0,
        caution: float = 1.0,
    ) -> None:
        super().__init__(family)
        if caution < 0:
            raise ConfigError(f"caution={caution} must not be negative.")
        self.caution = caution
        if not isinstance(layout, CodedLayout):
            raise ConfigError(
                "decoder=filters needs an adapter with filters, and this one has none. Use "
                "adapter=lipcot, or decoder=flatten."
            )
        if not isinstance(family, self.families):
            raise ConfigError(
                "decoder=filters forecasts a mixture or a point, no other distribution. Use "
                "decoder=mixture, or another layout: decoder=flatten distribution=..."
            )
        self.step, self.n_codes = task.horizon, layout.n_codes
        self.corrects = False
        self.dropout = nn.Dropout(dropout)
        self.project = nn.Linear(width, layout.n_codes + 2)  # own filter, codes, level
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    @property
    def head(self) -> nn.Linear:
        return self.project

    def start_at_zero(self) -> None:
        super().start_at_zero()
        self.corrects = True

    def forward(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Float[Tensor, "S M"]:
        forecasts = _forecasts(tokens)
        weights, level = self._read(hidden, forecasts)
        ahead = self._mean(weights, level, forecasts)
        if not self.corrects:
            return forecasts.season + ahead
        untrained = forecasts.evidence.softmax(1)
        return ahead - self._mean(untrained, torch.zeros_like(level), forecasts)

    def distribution(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Distribution:
        if isinstance(self.family, PointFamily):
            return super().distribution(hidden, tokens)
        found = self.mixture(hidden, _forecasts(tokens)).marginals
        if not self.corrects:
            return found
        shift = self(hidden, tokens) - found.point  # keeps the forecast equal to forward
        return found.moved(torch.ones_like(shift), shift)

    def mixture(self, hidden: Float[Tensor, "S N D"], forecasts: FilterForecasts) -> FilterMixture:
        """Return the joint distribution of the horizon, in normalised units."""
        weights, level = self._read(hidden, forecasts)
        moving = (forecasts.state - level[:, None]) @ rearrange(
            forecasts.responses, "K p H -> p (K H)"
        )
        codes = rearrange(moving, "S (K H) -> S K H", K=self.n_codes)
        own = forecasts.own - level[:, None] * forecasts.settle
        means = torch.cat([own[:, None], codes], 1) + level[:, None, None]
        pulses = repeat(forecasts.pulses, "K T -> S K T", S=len(level))
        return FilterMixture(
            weights,
            means + forecasts.season[:, None],
            torch.cat([forecasts.pulse[:, None], pulses], 1),
            forecasts.power,
            forecasts.gap,
        )

    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        return repeat(torch.any(mask, 1), "S -> S H", H=self.step)

    def _read(
        self, hidden: Float[Tensor, "S N D"], forecasts: FilterForecasts
    ) -> tuple[Float[Tensor, "S K1"], Float[Tensor, " S"]]:
        """Return the weight of each filter, and the level of the forecast."""
        raw = self.project(self.dropout(hidden[:, -1]))
        weights = (forecasts.evidence + forecasts.habit + raw[:, :-1]).softmax(1)
        return weights, raw[:, -1]

    def _mean(
        self, weights: Float[Tensor, "S K1"], level: Float[Tensor, " S"], forecasts: FilterForecasts
    ) -> Float[Tensor, "S H"]:
        """Return ``level + sum_k w_k (state - level) M_k``, as one product of matrices."""
        moving = forecasts.state - level[:, None]
        weighed = rearrange(weights[:, 1:, None] * moving[:, None], "S K p -> S (K p)")
        codes = weighed @ rearrange(forecasts.responses, "K p H -> (K p) H")
        own = forecasts.own - level[:, None] * forecasts.settle
        return level[:, None] + codes + weights[:, :1] * own


def _forecasts(tokens: Tokens) -> FilterForecasts:
    assert isinstance(tokens, CodedTokens), "an adapter with a CodedLayout gives CodedTokens"
    return tokens.forecasts
