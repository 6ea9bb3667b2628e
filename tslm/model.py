"""The whole method: normalise, lay out as tokens, read, decode, undo."""

from typing import Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from tslm.adapters.base import Adapter
from tslm.backbones.base import Backbone
from tslm.decoders.base import Decoder
from tslm.errors import ConfigError
from tslm.networks.base import Network
from tslm.types import Context, Prediction

Rollout = Literal["cached", "sliding"]


class ForecastModel(Network):
    """An adapter, a frozen body and a decoder.

    Args:
        adapter: series to tokens.
        backbone: tokens to hidden states.
        decoder: hidden states to values.
        rollout: how to go beyond what the decoder gives at once. ``cached`` normalises once,
            keeps the body's keys and values and reads one new token per segment, so the context
            grows; ``sliding`` drops the oldest step for each new one and reads everything again,
            as published.

    Raises:
        ConfigError: if the adapter needs a causal body and this one is not, or the roll-out is
            unknown.
    """

    def __init__(
        self,
        *,
        adapter: Adapter,
        backbone: Backbone,
        decoder: Decoder,
        rollout: Rollout = "sliding",
    ) -> None:
        super().__init__()
        if rollout not in get_args(Rollout):
            raise ConfigError(f"rollout {rollout!r} is unknown. Choose cached or sliding.")
        if adapter.needs_causal and not backbone.causal:
            raise ConfigError(
                f"{type(adapter).__name__} predicts token by token, and "
                f"{backbone.identity.name} attends in both directions. Choose a decoder model, "
                "such as backbone=smollm2-135m."
            )
        self.adapter, self.backbone, self.decoder = adapter, backbone, decoder
        self.rollout, self.step = rollout, decoder.step
        self.patch_len = adapter.layout.patch_len

    def forward(self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]) -> Prediction:
        scale = self.adapter.scale(past)
        tokens = self.adapter(Context.fold(scale.apply(past), time))
        hidden = self.backbone(tokens)[:, tokens.n_prompt :]
        values = self._unfold(self.decoder(hidden), len(past))
        covered = self._unfold(self.decoder.covered(tokens.mask[:, tokens.n_prompt :]), len(past))
        return Prediction(scale.undo(values), covered, tokens.aux_loss)

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        self.adapter.prepare(time)

    def roll(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B T"], horizon: int
    ) -> Float[Tensor, "B H2 C"]:
        grows = self.rollout == "cached" and self.adapter.layout.grows
        return (self._grow if grows else super().roll)(past, time, horizon)

    def _grow(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B T"], horizon: int
    ) -> Float[Tensor, "B H2 C"]:
        """Read the window once, then one token for each segment forecast."""
        context, step, windows = past.shape[1], self.decoder.step, len(past)
        scale = self.adapter.scale(past)
        tokens = self.adapter(Context.fold(scale.apply(past), time[:, :context]))
        hidden, state = self.backbone.start(tokens)
        ahead: list[Tensor] = []
        for start in range(context, context + horizon, step):
            values = self._unfold(self.decoder(hidden[:, -1:]), windows)
            ahead.append(values)
            if start + step < context + horizon:
                tokens = self.adapter(Context.fold(values, time[:, start : start + step]))
                hidden, state = self.backbone.extend(state, tokens)
        return scale.undo_after(torch.cat(ahead, 1))

    @staticmethod
    def _unfold(values: Shaped[Tensor, "S M"], windows: int) -> Shaped[Tensor, "B M C"]:
        return rearrange(values, "(B C) M -> B M C", B=windows)
