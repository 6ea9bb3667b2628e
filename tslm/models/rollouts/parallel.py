"""Roll-out of several segments in one pass, by learnt tokens for the segments in between.

Gerontopoulos et al., "Multi-Token Prediction Needs Registers", 2025; Chen et al., "Hardware-Aware
Parallel Prompt Decoding for Memory-Efficient Acceleration of LLM Inference", 2024; Cohen et al.,
"Toto: Time Series Optimized Transformer for Observability", 2024 (several patches per pass).
"""

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.core.messages import at_least
from tslm.core.types import Batch, Layout, Task, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.rollouts.base import RolledModel, Rollout

SPREAD = 0.02  # standard deviation of new vectors; that of word embeddings of most language models


class ParallelRollout(Rollout):
    """Roll-out of up to K segments per pass; longer horizons are rolled out K at a time.

    Tokens of the unknown segments stand behind the context: a learnt vector each, to which the
    adapter adds what it knows of their time. The last token of the context forecasts the first
    segment, and token j the segment j + 1. A causal backbone does not see later tokens, so a
    forecast is the same however many segments follow, and training on K segments trains every
    smaller number too. With one segment this is the sliding roll-out.

    Args:
        width: size of a token vector, D.
        layout: number and length of the tokens of the adapter.
        task: gives the horizon.
        segments: most segments of a pass, K; None takes as many as cover the horizon.

    Raises:
        ConfigError: if the adapter cannot append tokens, or ``segments`` is below 1.
    """

    def __init__(
        self, *, width: int, layout: Layout, task: Task, segments: int | None = None
    ) -> None:
        super().__init__(width=width, layout=layout, task=task)
        if not layout.grows:
            raise ConfigError(
                "rollout=parallel puts tokens of later segments behind the context, and this "
                "adapter forecasts the whole horizon in one pass. Set rollout=sliding, or "
                "adapter=autotimes."
            )
        self.segments = self.segments_of(task.horizon, layout.patch_len, segments=segments)
        at_least(1, segments=self.segments)
        self.future = None
        if self.segments > 1:
            self.future = nn.Parameter(SPREAD * torch.randn(self.segments - 1, width))

    @classmethod
    def segments_of(cls, horizon: int, patch_len: int, **options: Any) -> int:
        segments = options.get("segments")
        return -(-horizon // patch_len) if segments is None else int(segments)

    def append(self, tokens: Tokens, adapter: Adapter, time: Int[Tensor, "S K"]) -> Tokens:
        count = time.shape[1]
        if not count:
            return tokens
        assert self.future is not None, "a pass has more segments than the roll-out"
        vectors = self.future[:count].to(tokens.embeds)
        unknown = adapter.unknown(vectors.expand(len(time), -1, -1), time)
        mask = tokens.mask[:, -1:].expand(-1, count)  # masked if the whole context is
        return replace(
            tokens,
            embeds=torch.cat([tokens.embeds, unknown], 1),
            mask=torch.cat([tokens.mask, mask], 1),
        )

    def roll(
        self,
        model: RolledModel,
        batch: Batch,
        horizon: int,
        levels: Float[Tensor, "B H2 C"] | None = None,
    ) -> Float[Tensor, "B H2 C"]:
        context, size = batch.past.shape[1], model.decoder.step
        series, start = batch.past, 0
        while start < horizon:
            segments = min(self.segments, -(-(horizon - start) // size))
            stop = start + segments * size
            window = batch._replace(past=series[:, start:], time=batch.time[:, start:])
            drawn = None if levels is None else levels[:, start:stop]
            series = torch.cat([series, model.ahead(window, drawn, segments=segments)], 1)
            start = stop
        return series[:, context:]
