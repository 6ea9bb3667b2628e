"""The whole method: normalise, lay out as tokens, read, decode, undo."""

from collections.abc import Iterable, Sequence
from copy import copy
from typing import Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.core.errors import ConfigError, warn
from tslm.core.messages import check_choice, counted
from tslm.core.shrinkage import Shrinkage
from tslm.core.types import Batch, Context, Forecaster, Prediction, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.backbones.base import Backbone
from tslm.models.decoders.base import Decoder
from tslm.models.layers.base_forecast import anchors
from tslm.models.layers.scale import Scale
from tslm.models.network import Network
from tslm.uncertainty.distributions.point import PointFamily, Points

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
        check_choice("rollout", rollout, get_args(Rollout))
        if adapter.needs_causal and not backbone.causal:
            raise ConfigError(
                f"{type(adapter).__name__} reads a series from left to right, and "
                f"{backbone.identity.name} attends in both directions. Choose a decoder model, "
                "such as backbone=smollm2-135m."
            )
        self.adapter, self.backbone, self.decoder = adapter, backbone, decoder
        self.rollout, self.step = rollout, decoder.step
        self.patch_len = adapter.layout.patch_len
        self.distribution_horizon = 0 if isinstance(decoder.family, PointFamily) else decoder.step
        self.base = base
        self.about: Sequence[str] | None = None
        if adapter.layout.grows and base is None and self.n_tokens > 2:
            self.example_length = (
                -(-2 * self.n_tokens // 3) * self.patch_len
            )  # published: two of three
        if base is not None:
            decoder.start_at_zero()
            self.gate: Float[Tensor, ""]  # the shrinkage; saved models know it by this name
            self.register_buffer("gate", torch.ones(()))

    @property
    def n_tokens(self) -> int:
        """Tokens the body reads of one window and channel, all at once."""
        return self.adapter.layout.n_tokens

    def told(self, about: Sequence[str] | None) -> "ForecastModel":
        if about is None or not self.adapter.reads_text:
            return self
        told = copy(self)  # with the same parts
        told.about = about
        return told

    def forward(self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]) -> Prediction:
        scale = self.adapter.scale(past)
        tokens, distribution = self._read(past, time, scale)
        covered = self.decoder.covered(tokens.mask[:, tokens.n_prompt :])
        covered = rearrange(covered, "(B C) M -> B M C", B=len(past))
        distribution, _ = self._placed(distribution, past, time, scale)
        said = None if isinstance(distribution, Points) else distribution
        return Prediction(distribution.point, covered, tokens.aux_loss, said)

    def ahead(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B L"],
        shares: Float[Tensor, "B P C"] | None = None,
    ) -> Float[Tensor, "B P C"]:
        distribution, level = self._ahead(past, time)
        return distribution.point if shares is None else self._gated(distribution, level).at(shares)

    @torch.no_grad()
    def distribution(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B T"], horizon: int
    ) -> Distribution:
        assert horizon <= self.distribution_horizon
        home, here = past.device, next(self.decoder.parameters()).device
        distribution = self._gated(*self._ahead(past.to(here), time[:, : past.shape[1]].to(here)))
        return distribution.each(lambda part: part[:, :horizon].to(home))

    def _ahead(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"]
    ) -> tuple[Distribution, Float[Tensor, "B J C"]]:
        """What may come in the ``step`` steps that follow, and the level it is about."""
        scale = self.adapter.scale(past)
        distribution = self._read(past, time, scale)[1].each(lambda part: part[:, -self.step :])
        return self._placed(distribution, past, time, scale)

    def _gated(self, distribution: Distribution, level: Float[Tensor, "B J C"]) -> Distribution:
        """The law about the base and the share kept of its correction; it is as wide as before."""
        if self.base is None:
            return distribution
        shift = (self.gate - 1) * (distribution.point - level)
        return distribution.moved(torch.ones_like(shift), shift)

    def _read(
        self, past: Float[Tensor, "B L C"], time: Int[Tensor, "B L"], scale: Scale
    ) -> tuple[Tokens, Distribution]:
        """One pass: what was read, and ``[B, M, C]`` distributions in the units of the body."""
        tokens = self.adapter(Context.fold(scale.apply(past), time, self.about))
        hidden = self.backbone(tokens)[:, tokens.n_prompt :]
        return tokens, self._unfold(self.decoder.distribution(hidden, tokens.outlook), len(past))

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        self.adapter.prepare(time)

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        self.adapter.learn(train)
        if self.base is not None:
            self.base.learn(train, val)

    @torch.no_grad()
    def calibrate(self, val: Iterable[Batch]) -> None:
        """Estimate the shrinkage of the correction, see ``Shrinkage``; 1 without any window.

        Warns if it is 0, so that forecasts are those of the base.

        Args:
            val: windows with the steps that follow them; may be empty.
        """
        if self.base is None:
            return
        self.gate.fill_(1)
        shrinkage = Shrinkage()
        for batch in val:
            horizon = batch.future.shape[1]
            base = self.base.forecast(batch.past, batch.time, horizon)
            rest = (batch.future - base).double()
            ahead = self.told(batch.about).forecast(batch.past, batch.time, horizon)
            shrinkage.add(rest, (ahead - base).double())
        self.gate.fill_(shrinkage.factor(self.decoder.caution))
        if not self.gate:
            warn(
                f"On {counted(len(shrinkage), 'validation window')} the trained correction did not "
                f"improve on {type(self.base).__name__}, so forecasts are those of the base. Train "
                "longer, or leave out base."
            )

    @property
    def shrinkage(self) -> float | None:
        return None if self.base is None else float(self.gate)

    def roll(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        horizon: int,
        shares: Float[Tensor, "B H2 C"] | None = None,
    ) -> Float[Tensor, "B H2 C"]:
        grows = self.rollout == "cached" and self.adapter.layout.grows
        ahead = (self._grow if grows else super().roll)(past, time, horizon, shares)
        if self.base is None or shares is not None:  # what is drawn has passed the gate
            return ahead
        base = self.base.forecast(past, time, ahead.shape[1])
        return base + self.gate * (ahead - base)

    def _grow(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        horizon: int,
        shares: Float[Tensor, "B H2 C"] | None = None,
    ) -> Float[Tensor, "B H2 C"]:
        """Read the window once, then one token for each segment forecast."""
        context, step, windows = past.shape[1], self.step, len(past)
        scale = self.adapter.scale(past)
        tokens = self.adapter(Context.fold(scale.apply(past), time[:, :context], self.about))
        hidden, state = self.backbone.start(tokens)
        scale, series = scale.last, past
        for start in range(context, context + horizon, step):
            distribution = self._unfold(self.decoder.distribution(hidden[:, -1:]), windows)
            distribution, level = self._placed(distribution, series[:, -context:], time, scale)
            segment = distribution.point
            if shares is not None:
                part = shares[:, start - context : start - context + step]
                segment = self._gated(distribution, level).at(part)
            series = torch.cat([series, segment], 1)
            if start + step < context + horizon:
                when = time[:, start : start + step]
                tokens = self.adapter(Context.fold(scale.apply(segment), when))
                hidden, state = self.backbone.extend(state, tokens)
        return series[:, context:]

    def _placed(
        self,
        distribution: Distribution,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        scale: Scale,
    ) -> tuple[Distribution, Float[Tensor, "B J C"]]:
        """The law of M values in the units of the window, and the level they were added to."""
        steps = distribution.point.shape[1]
        known = scale.preceding(steps, self.step)
        level = known.loc
        if self.base is not None:
            level = anchors(self.base, past, time, self.step, steps)
        return distribution.moved(torch.ones_like(distribution.point) * known.spread, level), level

    @staticmethod
    def _unfold(distribution: Distribution, windows: int) -> Distribution:
        return distribution.rearranged("(B C) M -> B M C", B=windows)
