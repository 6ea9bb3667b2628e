"""The whole method: scale, adapter, backbone, decoder, and a distribution in the window's units."""

from collections.abc import Iterable, Sequence

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.distribution import Distribution
from tslm.core.errors import ConfigError
from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch, Context, Prediction, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.backbones.base import Backbone
from tslm.models.decoders.base import Decoder
from tslm.models.layers.scale import Scale
from tslm.models.related_series import Multivariate, check_multivariate, read_together
from tslm.models.rollouts.base import RolledModel, Rollout
from tslm.uncertainty.distributions.point import PointFamily, Points


class ForecastModel(RolledModel):
    """Forecaster of an adapter, a frozen backbone and a decoder.

    Args:
        adapter: turns normalised windows into tokens.
        backbone: turns tokens into hidden states.
        decoder: turns hidden states into values or distributions.
        rollout: method for horizons longer than one pass.
        multivariate: ``independent`` reads each series alone. ``tokens`` reads the tokens of all
            series of a window in one sequence, see ``read_together``.

    Raises:
        ConfigError: if the adapter needs a causal backbone and this one is not, or the backbone or
            the roll-out cannot read all series together.
    """

    def __init__(
        self,
        *,
        adapter: Adapter,
        backbone: Backbone,
        decoder: Decoder,
        rollout: Rollout,
        multivariate: Multivariate = "independent",
    ) -> None:
        super().__init__()
        if adapter.needs_causal and not backbone.causal:
            raise ConfigError(
                f"{type(adapter).__name__} reads a series from left to right, and "
                f"{backbone.identity.name} attends in both directions. Choose a decoder model, "
                "such as backbone=smollm2-135m."
            )
        check_multivariate(multivariate, backbone, rollout)
        self.multivariate = multivariate == "tokens"
        self.adapter, self.backbone, self.decoder = adapter, backbone, decoder
        self.base: Forecaster | None = None
        self.use(rollout)
        self.reads_time = adapter.reads_time
        self.patch_len = adapter.layout.patch_len
        if adapter.layout.grows and self.n_tokens > 2 and not self.multivariate:
            shown = -(-2 * self.n_tokens // 3)  # published: two of three tokens
            self.example_length = shown * self.patch_len

    def use(self, rollout: Rollout) -> None:
        """Forecast and train with a roll-out from now on."""
        self.rollout = rollout
        self.step = rollout.segments * self.decoder.step
        points = isinstance(self.decoder.family, PointFamily)
        self.distribution_horizon = 0 if points else self.step

    @property
    def n_tokens(self) -> int:
        """Number of tokens per window and channel."""
        return self.adapter.layout.n_tokens

    def forward(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        text: Sequence[str] | None = None,
        *,
        last: bool = False,
        segments: int = 1,
    ) -> Prediction:
        """Forecast the steps after each context in one pass.

        Args:
            past: contexts, in their own units; NaN where missing.
            time: time of each step of the contexts, and of the start of all but the last of the
                segments after them.
            text: text of each series, for adapters that read text.
            last: True returns only the values after the context; False all M values of the decoder.
            segments: segments after the context, at most those of the roll-out.
        """
        tokens, scale = self.tokens_of(past, time, text, segments=segments)
        if last and self.decoder.reads_last and not self.multivariate:
            hidden = self.backbone.last_states(tokens, segments)
        else:
            hidden = self.read(tokens, past)[:, tokens.n_prompt :]
        return self.decoded(hidden, tokens, scale, past, time, last=last, segments=segments)

    def tokens_of(
        self,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        text: Sequence[str] | None = None,
        *,
        segments: int = 1,
    ) -> tuple[Tokens, Scale]:
        """Return the tokens of one pass, and the level and spread by which values were normalised.

        The arguments are those of ``forward``.
        """
        scale = self.adapter.scale(past)
        context, size = past.shape[1], self.decoder.step
        tokens = self.adapter(Context.fold(scale.apply(past), time[:, :context], text))
        starts = time[:, context : context + (segments - 1) * size : size]
        assert starts.shape[1] == segments - 1, "the times of later segments are missing"
        starts = repeat(starts, "B K -> (B C) K", C=past.shape[2])
        return self.rollout.append(tokens, self.adapter, starts), scale

    def decoded(
        self,
        hidden: Float[Tensor, "S N D"],
        tokens: Tokens,
        scale: Scale,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        *,
        last: bool = False,
        segments: int = 1,
    ) -> Prediction:
        """Decode the hidden states of the tokens, in the units of the windows.

        Args:
            hidden: hidden states of the tokens, without those of a prompt.
            tokens: the tokens.
            scale: level and spread of the windows.
            past: contexts, as in ``forward``.
            time: as in ``forward``.
            last: as in ``forward``.
            segments: as in ``forward``.
        """
        normalised = self.decoder.distribution(hidden, tokens)
        distribution, level = self.in_units(
            normalised, scale, past, time, last=last, segments=segments
        )

        covered = self.decoder.covered(tokens.mask[:, tokens.n_prompt :])
        covered = rearrange(covered, "(B C) M -> B M C", B=len(past))
        covered = covered[:, -distribution.point.shape[1] :]
        own = None if isinstance(distribution, Points) else distribution
        return Prediction(distribution.point, covered, tokens.aux_loss, own, level)

    def read(self, tokens: Tokens, past: Float[Tensor, "B L C"]) -> Float[Tensor, "S N D"]:
        """Return the hidden states of the tokens of each series, or of all series together."""
        if not self.multivariate:
            return self.backbone(tokens)
        return read_together(self.backbone, tokens, ~torch.isnan(past).all(1))

    def in_units(
        self,
        normalised: Distribution,
        scale: Scale,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        *,
        last: bool,
        segments: int = 1,
    ) -> tuple[Distribution, Float[Tensor, "B K C"]]:
        """Return distributions in the units of the windows, and the level they were added to.

        Args:
            normalised: distributions of the decoder, ``[S, M]``, in normalised units.
            scale: level and spread of the windows.
            past: the windows; the last ``segments`` segments of the M values follow them.
            time: time of each step of the windows.
            last: True returns only the values of these segments.
            segments: segments after the windows.
        """
        size = self.decoder.step
        found = normalised.rearranged("(B C) M -> B M C", B=len(past))
        if last:
            found = found.each(lambda part: part[:, -segments * size :])
        steps = found.point.shape[1]
        known = scale.preceding(steps, size, segments)
        level = self.level(known, past, time, steps, segments)
        return found.moved(torch.ones_like(found.point) * known.spread, level), level

    def level(
        self,
        scale: Scale,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        steps: int,
        segments: int,
    ) -> Float[Tensor, "B K C"]:
        """Return the level of each window, to which the values of the decoder are added."""
        return scale.loc

    def shrunk(self, distribution: Distribution, level: Float[Tensor, "B K C"]) -> Distribution:
        """Return the distributions from which quantiles and sample paths are computed.

        Args:
            distribution: distributions in the units of the windows.
            level: level to which the values of the decoder were added.
        """
        return distribution

    def next_segment(
        self,
        hidden: Float[Tensor, "S 1 D"],
        tokens: Tokens,
        scale: Scale,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        levels: Float[Tensor, "B P C"] | None,
    ) -> Float[Tensor, "B P C"]:
        normalised = self.decoder.distribution(hidden, tokens)
        distribution, level = self.in_units(normalised, scale, past, time, last=True)
        if levels is None:
            return distribution.point
        return self.shrunk(distribution, level).at(levels)

    def trained(self, batch: Batch) -> Prediction:
        return self(batch.past, batch.time, batch.text, segments=self.rollout.segments)

    def ahead(
        self, batch: Batch, levels: Float[Tensor, "B P C"] | None = None, *, segments: int = 1
    ) -> Float[Tensor, "B P C"]:
        prediction = self(batch.past, batch.time, batch.text, last=True, segments=segments)
        if levels is None:
            return prediction.values
        assert prediction.distribution is not None, "points have no quantiles"
        return self.shrunk(prediction.distribution, prediction.level).at(levels)

    def roll(
        self, batch: Batch, horizon: int, levels: Float[Tensor, "B H2 C"] | None = None
    ) -> Float[Tensor, "B H2 C"]:
        steps = batch.past.shape[1] + horizon
        self.prepare(batch.time[:, : steps : self.patch_len].flatten())
        return self.rollout.roll(self, batch, horizon, levels)

    @torch.no_grad()
    def distribution(self, batch: Batch, horizon: int) -> Distribution:
        assert horizon <= self.distribution_horizon
        past, _, time, text, *_ = self.here(batch)
        segments = -(-horizon // self.decoder.step)
        prediction = self(past, time, text, last=True, segments=segments)
        assert prediction.distribution is not None, "points have no distribution"
        found = self.shrunk(prediction.distribution, prediction.level)
        return found.each(lambda part: part[:, :horizon].to(batch.past.device))

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        self.adapter.prepare(time)

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        self.adapter.learn(train)
