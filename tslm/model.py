"""The whole method: normalise, lay out as tokens, read, decode, undo."""

import warnings
from collections.abc import Iterable
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
from tslm.nn.anchors import anchors
from tslm.nn.gate import share_kept
from tslm.nn.scale import Scale
from tslm.types import Batch, Context, Forecaster, Prediction

Rollout = Literal["cached", "sliding"]


class ForecastModel(Network):
    """An adapter, a frozen body and a decoder.

    Args:
        adapter: series to tokens.
        backbone: tokens to hidden states.
        decoder: hidden states to values.
        base: what the model corrects: its values are added to what the base forecasts instead of to
            the level of the window, and begin at zero. It reads values, not times.
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
        base: Forecaster | None = None,
        rollout: Rollout = "sliding",
    ) -> None:
        super().__init__()
        if rollout not in get_args(Rollout):
            raise ConfigError(f"rollout {rollout!r} is unknown. Choose cached or sliding.")
        if adapter.needs_causal and not backbone.causal:
            raise ConfigError(
                f"{type(adapter).__name__} reads a series from left to right, and "
                f"{backbone.identity.name} attends in both directions. Choose a decoder model, "
                "such as backbone=smollm2-135m."
            )
        self.adapter, self.backbone, self.decoder = adapter, backbone, decoder
        self.rollout, self.step = rollout, decoder.step
        self.patch_len = adapter.layout.patch_len
        self.base = base
        if base is not None:
            decoder.start_at_zero()
            self.gate: Float[Tensor, ""]  # how much of the correction is kept
            self.register_buffer("gate", torch.ones(()))

    @property
    def n_tokens(self) -> int:
        """Tokens the body reads of one window and channel, all at once."""
        return self.adapter.layout.n_tokens

    def forward(self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]) -> Prediction:
        scale = self.adapter.scale(past)
        values, covered, aux_loss = self._read(past, time, scale)
        level = self._levels(past, time, scale, values.shape[1])
        return Prediction(scale.stretch(values) + level, covered, aux_loss)

    def ahead(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]
    ) -> Float[Tensor, "B P C"]:
        scale = self.adapter.scale(past)
        values = self._read(past, time, scale).values[:, -self.step :]
        return scale.stretch(values) + self._levels(past, time, scale, self.step)

    def _read(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"], scale: Scale
    ) -> Prediction:
        """One pass, in the units of the body."""
        tokens = self.adapter(Context.fold(scale.apply(past), time))
        hidden = self.backbone(tokens)[:, tokens.n_prompt :]
        values = self._unfold(self.decoder(hidden, tokens.outlook), len(past))
        covered = self._unfold(self.decoder.covered(tokens.mask[:, tokens.n_prompt :]), len(past))
        return Prediction(values, covered, tokens.aux_loss)

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        self.adapter.prepare(time)

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        self.adapter.learn(train)
        if self.base is not None:
            self.base.learn(train, val)

    @torch.no_grad()
    def calibrate(self, val: Iterable[Batch]) -> None:
        """Fit the gate: the share of the correction, in [0, 1], that validation asks for.

        It minimises the squared error of ``base + gate * correction``, less the caution of the
        decoder; without validation windows all of the correction is kept. Says so if none is.
        """
        if self.base is None:
            return
        self.gate.fill_(1)
        asked, given = [], []
        for batch in val:
            horizon = batch.future.shape[1]
            base = self.base.forecast(batch.past, batch.time, horizon)
            rest = (batch.future - base).double()
            correction = (self.forecast(batch.past, batch.time, horizon) - base).double()
            correction = torch.where(torch.isnan(rest), 0, correction)
            asked.append((torch.nan_to_num(rest) * correction).sum((1, 2)))
            given.append(correction.square().sum((1, 2)))
        if asked:
            share = share_kept(torch.cat(asked), torch.cat(given), self.decoder.caution)
            self.gate.fill_(share)
            if not share:
                warnings.warn(
                    f"On {sum(map(len, asked))} validation windows no correction of "
                    f"{type(self.base).__name__} is sure to help: forecasts are its own.",
                    UserWarning,
                    stacklevel=2,
                )

    @property
    def kept(self) -> float | None:
        return None if self.base is None else float(self.gate)

    def roll(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B T"], horizon: int
    ) -> Float[Tensor, "B H2 C"]:
        grows = self.rollout == "cached" and self.adapter.layout.grows
        ahead = (self._grow if grows else super().roll)(past, time, horizon)
        if self.base is None:
            return ahead
        base = self.base.forecast(past, time, ahead.shape[1])
        return base + self.gate * (ahead - base)

    def _grow(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B T"], horizon: int
    ) -> Float[Tensor, "B H2 C"]:
        """Read the window once, then one token for each segment forecast."""
        context, step, windows = past.shape[1], self.step, len(past)
        scale = self.adapter.scale(past)
        tokens = self.adapter(Context.fold(scale.apply(past), time[:, :context]))
        hidden, state = self.backbone.start(tokens)
        scale, series = scale.last, past
        for start in range(context, context + horizon, step):
            level = self._levels(series[:, -context:], time, scale, step)
            values = self._unfold(self.decoder(hidden[:, -1:]), windows)
            segment = scale.stretch(values) + level
            series = torch.cat([series, segment], 1)
            if start + step < context + horizon:
                when = time[:, start : start + step]
                tokens = self.adapter(Context.fold(scale.apply(segment), when))
                hidden, state = self.backbone.extend(state, tokens)
        return series[:, context:]

    def _levels(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B T"], scale: Scale, steps: int
    ) -> Float[Tensor, "B J C"]:
        """What the model's M values are added to; broadcast against them."""
        if self.base is None:
            return scale.level(steps)
        return anchors(self.base, past, time, self.step, steps)

    @staticmethod
    def _unfold(values: Shaped[Tensor, "S M"], windows: int) -> Shaped[Tensor, "B M C"]:
        return rearrange(values, "(B C) M -> B M C", B=windows)
