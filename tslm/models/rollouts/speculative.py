"""Speculative roll-out: a cheap draft of the whole horizon, checked in few passes.

Leviathan et al., "Fast Inference from Transformers via Speculative Decoding", ICML 2023. Teng et
al., "Accelerating Auto-regressive Text-to-Image Generation with Training-free Speculative Jacobi
Decoding", ICLR 2025: the forecasts of a pass are the draft of the next one.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from tslm.core.errors import ConfigError
from tslm.core.messages import at_least, check_choice
from tslm.core.types import Batch, Context, Layout, Task, Tokens
from tslm.models.layers.scale import Scale
from tslm.models.rollouts.base import RolledModel, Rollout

ROUNDING = 1e-5  # distance that counts as none, in standard deviations: rounding of fp32

Draft = Literal["base", "season"]


class SpeculativeRollout(Rollout):
    """Roll-out in which one pass reads several drafted segments and checks them.

    Token i forecasts segment i + 1, so a pass over drafted segments gives the model's own forecast
    after each. A drafted segment is accepted if all drafts before it are, and it lies within
    ``tau`` of the model's forecast. The forecast always has the model's values; an accepted draft
    was only read in their place. The first rejected segment, and all after it, are read again in
    the next pass, with the forecasts of this pass as drafts.

    Sample paths are drawn at given quantile levels, so a path is a function of its levels. With
    ``tau=0`` the path is the one of the cached roll-out up to rounding, and so the law of paths is
    unchanged.

    A model whose adapter cannot append a token slides instead.

    Args:
        width: size of a token vector, D.
        layout: number and length of the tokens of the adapter.
        task: lengths, season and frequency.
        draft: the first draft: ``season`` repeats the last season of the context; ``base`` is the
            base forecast that the model corrects, or ``season`` for a model without base.
        drafts: segments that a pass reads at most.
        tau: largest root mean square distance of an accepted draft from the model's forecast, in
            units of the standard deviation of the context.

    Raises:
        ConfigError: if an option is out of range.
    """

    def __init__(
        self,
        *,
        width: int,
        layout: Layout,
        task: Task,
        draft: Draft = "base",
        drafts: int = 8,
        tau: float = 0.05,
    ) -> None:
        super().__init__(width=width, layout=layout, task=task)
        check_choice("rollout.draft", draft, get_args(Draft))
        at_least(1, drafts=drafts)
        if not tau >= 0:
            raise ConfigError(f"rollout.tau={tau} must be 0 or above.")
        self.season, self.draft = task.season_length, draft
        self.drafts, self.tau = drafts, tau

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
        context, step = batch.past.shape[1], adapter.layout.patch_len
        total = -(-horizon // step)
        scale = adapter.scale(batch.past)
        tokens = adapter(Context.fold(scale.apply(batch.past), batch.time[:, :context], batch.text))
        hidden, state = backbone.start(tokens)
        drawn = None if levels is None else levels[:, :step]
        known = (hidden[:, -1:], tokens, scale.last, batch.past, batch.time)
        first = model.next_segment(*known, drawn)
        drafted = self._draft(model, batch, total * step)
        series = torch.cat([batch.past, first, drafted[:, step:]], 1)
        path = _Path(model, batch.time, levels, series, context, total)
        settled = torch.ones(len(series), dtype=torch.long, device=series.device)
        unit = scale.last.spread
        while int(settled.min()) < total:
            state, settled = self._pass(path, state, settled, unit)
        return path.series[:, context:]

    def _pass(
        self, path: "_Path", state: Any, settled: Int[Tensor, " B"], unit: Float[Tensor, "B 1 C"]
    ) -> tuple[Any, Int[Tensor, " B"]]:
        """Read the last settled segment and drafts after it; settle those that follow.

        Args:
            path: the series so far, with drafts; its drafts are replaced by new forecasts.
            state: state of the backbone after the tokens before the last settled segment.
            settled: number of settled segments of each window.
            unit: unit of ``tau`` for each window.

        Returns:
            The state after the accepted tokens, and the number of settled segments.
        """
        count = int(min(self.drafts, path.total - int(settled.min())))
        number = settled[:, None] - 1 + torch.arange(count, device=settled.device)
        valid = number < path.total - 1
        number = number.clamp(max=path.total - 2)
        draft = path.segments(number)
        tokens, scale = path.tokens(number, valid)
        hidden, state = path.model.backbone.extend(state, tokens)
        ahead = path.forecasts(hidden, tokens, scale, number)

        gap = ((draft[:, 1:] - ahead[:, :-1]) / unit[:, None]).square().mean(2).sqrt().amax(2)
        near = (gap <= self.tau + ROUNDING).long().cumprod(1) > 0
        accepted = torch.cat([torch.ones_like(valid[:, :1]), near], 1) & valid
        path.put(number + 1, ahead, valid)
        channels = path.series.shape[2]
        kept = repeat(accepted, "B K -> (B C) K", C=channels)
        return path.model.backbone.retract(state, kept), settled + accepted.sum(1)

    def _draft(self, model: RolledModel, batch: Batch, steps: int) -> Float[Tensor, "B H2 C"]:
        """Draft the steps after each context."""
        if self.draft == "base" and model.base is not None:
            return model.base.forecast(batch._replace(zero=None), steps)
        past = batch.past
        season = past[:, -min(self.season, past.shape[1]) :]
        level = past.nanmean(1, keepdim=True).nan_to_num()
        season = torch.where(season.isnan(), level, season)
        return season.repeat(1, -(-steps // season.shape[1]), 1)[:, :steps]


@dataclass
class _Path:
    """Series of a roll-out: contexts, settled segments, and drafts.

    Attributes:
        model: the model that is rolled out.
        time: times of the steps.
        levels: quantile level of each forecast value; None for points.
        series: values of the contexts and of the whole horizon.
        context: steps of the contexts.
        total: segments of the horizon.
    """

    model: RolledModel
    time: Int[Tensor, "B T"]
    levels: Float[Tensor, "B H2 C"] | None
    series: Float[Tensor, "B T2 C"]
    context: int
    total: int

    @property
    def step(self) -> int:
        """Return the steps of a segment."""
        return self.model.adapter.layout.patch_len

    def segments(self, number: Int[Tensor, "B K"]) -> Float[Tensor, "B K P C"]:
        """Return segments of the horizon by their number."""
        return self._before(number + 1, self.step)

    def tokens(
        self, number: Int[Tensor, "B K"], valid: Bool[Tensor, "B K"]
    ) -> tuple[Tokens, Scale]:
        """Return segments as tokens, and the scale of the values after each.

        Args:
            number: number of each segment.
            valid: False for tokens to mask.
        """
        adapter, (windows, count) = self.model.adapter, number.shape
        measured = adapter.layout.n_tokens * self.step
        before = rearrange(self._before(number + 1, measured), "B K L C -> (B K) L C")
        scale = adapter.scale(before).last
        values = rearrange(self.segments(number), "B K P C -> (B K) P C")
        start = self.context + number * self.step
        time = self.time.gather(1, _span(start, self.step).flatten(1))
        time = rearrange(time, "B (K P) -> (B K) P", K=count)
        made = adapter(Context.fold(scale.apply(values), time))
        embeds = rearrange(made.embeds, "(B K C) 1 D -> (B C) K D", B=windows, K=count)
        mask = rearrange(made.mask, "(B K C) 1 -> (B C) K", B=windows, K=count)
        channels = self.series.shape[2]
        return Tokens(embeds, mask & repeat(valid, "B K -> (B C) K", C=channels)), scale

    def forecasts(
        self,
        hidden: Float[Tensor, "S K D"],
        tokens: Tokens,
        scale: Scale,
        number: Int[Tensor, "B K"],
    ) -> Float[Tensor, "B K P C"]:
        """Return the model's forecast of the segment after each token.

        Args:
            hidden: hidden state of each token.
            tokens: the tokens.
            scale: scale of the values after each token.
            number: number of the segment of each token.
        """
        windows, count = number.shape
        alone, embeds = (
            rearrange(part, "(B C) K D -> (B K C) 1 D", B=windows)
            for part in (hidden, tokens.embeds)
        )
        single = Tokens(embeds, rearrange(tokens.mask, "(B C) K -> (B K C) 1", B=windows))
        past = rearrange(self._before(number + 1, self.context), "B K L C -> (B K) L C")
        time = self.time.repeat_interleave(count, 0)
        drawn = None
        if self.levels is not None:
            start = (number + 1) * self.step
            where = repeat(_span(start, self.step), "B K P -> B (K P) C", C=past.shape[2])
            drawn = rearrange(self.levels.gather(1, where), "B (K P) C -> (B K) P C", K=count)
        ahead = self.model.next_segment(alone, single, scale, past, time, drawn)
        return rearrange(ahead, "(B K) P C -> B K P C", K=count)

    def put(
        self,
        number: Int[Tensor, "B K"],
        values: Float[Tensor, "B K P C"],
        valid: Bool[Tensor, "B K"],
    ) -> None:
        """Replace segments by their number, where they are valid."""
        start = self.context + number * self.step
        new = self.series.clone()
        for place in range(number.shape[1]):
            rows = valid[:, place].nonzero().flatten()
            where = _span(start[rows, place], self.step)
            new[rows[:, None], where] = values[rows, place]
        self.series = new

    def _before(self, number: Int[Tensor, "B K"], steps: int) -> Float[Tensor, "B K L C"]:
        """Return the ``steps`` values before segments, NaN before the series."""
        short = max(steps - self.context, 0)
        whole = pad(self.series, (0, 0, short, 0), value=torch.nan)
        start = self.context + short + number * self.step - steps
        where = repeat(_span(start, steps), "B K L -> B (K L) C", C=whole.shape[2])
        return rearrange(whole.gather(1, where), "B (K L) C -> B K L C", L=steps)


def _span(start: Int[Tensor, "..."], steps: int) -> Int[Tensor, "... steps"]:
    """Return the places of ``steps`` steps from each start."""
    return start[..., None] + torch.arange(steps, device=start.device)
