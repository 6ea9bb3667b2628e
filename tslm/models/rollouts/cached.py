"""Roll-out that reads the window once, and then one new token per forecast segment."""

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.types import Batch, Context
from tslm.models.rollouts.base import RolledModel, Rollout


class CachedRollout(Rollout):
    """Roll-out with the cached keys and values of the backbone: the context grows.

    Each new token is normalised by the level and spread of the last ``n_tokens`` segments, as in a
    sliding window; earlier tokens stay as they were read. A model whose adapter cannot append a
    token slides instead.
    """

    def roll(
        self,
        model: RolledModel,
        batch: Batch,
        horizon: int,
        levels: Float[Tensor, "B H2 C"] | None = None,
    ) -> Float[Tensor, "B H2 C"]:
        adapter, backbone = model.adapter, model.backbone
        if not adapter.layout.grows:
            return model.slide(batch, horizon, levels)
        past, _, time, text, *_ = batch
        context, step = past.shape[1], adapter.layout.patch_len
        measured = adapter.layout.n_tokens * step  # a shorter series is measured as a whole
        scale = adapter.scale(past)
        tokens = adapter(Context.fold(scale.apply(past), time[:, :context], text))
        hidden, state = backbone.start(tokens)
        scale, series = scale.last, past
        for start in range(context, context + horizon, step):
            drawn = None if levels is None else levels[:, start - context : start - context + step]
            window = series[:, -context:]
            segment = model.next_segment(hidden[:, -1:], tokens, scale, window, time, drawn)
            series = torch.cat([series, segment], 1)
            if start + step < context + horizon:
                scale = adapter.scale(series[:, -measured:]).last
                tokens = adapter(Context.fold(scale.apply(segment), time[:, start : start + step]))
                hidden, state = backbone.extend(state, tokens)
        return series[:, context:]
