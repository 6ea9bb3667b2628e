"""Forecasts of linear filters, which LiPCoT hands to the decoder beside its tokens."""

from dataclasses import dataclass, field
from typing import NamedTuple

from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.types import Layout, Tokens


class FilterForecasts(NamedTuple):
    """Forecasts of normalised series by their own linear filter and by those of K codes.

    A filter of order p continues a residual linearly in its last p values. Code k expects
    ``state @ responses[k]``, and ``level + (state - level) @ responses[k]`` where the residual
    moves to a new level.

    Args:
        season: the seasonal profile, continued.
        state: the last p values of the residual, oldest first.
        own: the residual that the filter of the series itself expects.
        settle: the same for a residual that has been 1 throughout.
        pulse: its impulse response, from the step of the pulse on: H steps, and as many more as
            the longest gap has.
        responses: response of each code to each value of the state.
        pulses: the impulse response of each code.
        evidence: log weight of the own filter (0) and of each code, from the context.
        power: mean squared error in the context of the own filter and of each code.
        habit: log weight by the codes that followed in training; 0 but for controls.
        gap: missing steps at the end of the context.
    """

    season: Float[Tensor, "S H"]
    state: Float[Tensor, "S p"]
    own: Float[Tensor, "S H"]
    settle: Float[Tensor, "S H"]
    pulse: Float[Tensor, "S T"]
    responses: Float[Tensor, "K p H"]
    pulses: Float[Tensor, "K T"]
    evidence: Float[Tensor, "S K1"]
    power: Float[Tensor, "S K1"]
    habit: Float[Tensor, "S K1"]
    gap: Int[Tensor, " S"]


@dataclass(frozen=True)
class CodedTokens(Tokens):
    """Tokens of codes, and the forecasts of their filters.

    Args:
        forecasts: for a decoder that mixes them.
    """

    forecasts: FilterForecasts = field(kw_only=True)


@dataclass(frozen=True)
class CodedLayout(Layout):
    """The layout of an adapter that gives ``CodedTokens``.

    Args:
        n_codes: codes, K, each of them a filter.
    """

    n_codes: int = field(kw_only=True)
