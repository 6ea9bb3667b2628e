"""Roll-out that reads the window once, and then one new token per forecast segment."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.types import Batch, Context, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.backbones.base import Backbone
from tslm.models.layers.scale import Scale

# hidden states, their tokens, scale, window, its time, quantile levels -> the next segment
Decode = Callable[[Tensor, Tokens, Scale, Tensor, Tensor, Tensor | None], Float[Tensor, "B P C"]]


def cached_rollout(
    adapter: Adapter,
    backbone: Backbone,
    decode: Decode,
    batch: Batch,
    horizon: int,
    levels: Float[Tensor, "B H2 C"] | None = None,
) -> Float[Tensor, "B H2 C"]:
    """Forecast segment by segment with the cached keys and values of the backbone.

    Args:
        adapter: turns a segment of ``adapter.layout.patch_len`` steps into a token.
        backbone: reads the window, and then one token at a time.
        decode: turns the last hidden state into the next segment, in the units of the window.
        batch: contexts, with the times of the horizon.
        horizon: steps to forecast.
        levels: quantile level of each value, in (0, 1); None forecasts points.

    Returns:
        Whole segments that cover the horizon, H2 >= ``horizon``.
    """
    past, _, time, text, *_ = batch
    context, step = past.shape[1], adapter.layout.patch_len
    scale = adapter.scale(past)
    tokens = adapter(Context.fold(scale.apply(past), time[:, :context], text))
    hidden, state = backbone.start(tokens)
    scale, series = scale.last, past
    for start in range(context, context + horizon, step):
        drawn = None if levels is None else levels[:, start - context : start - context + step]
        window = series[:, -context:]
        segment = decode(hidden[:, -1:], tokens, scale, window, time, drawn)
        series = torch.cat([series, segment], 1)
        if start + step < context + horizon:
            tokens = adapter(Context.fold(scale.apply(segment), time[:, start : start + step]))
            hidden, state = backbone.extend(state, tokens)
    return series[:, context:]
