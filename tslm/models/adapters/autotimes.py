"""AutoTimes: a series as a sentence; its segments are the words.

Liu et al., "AutoTimes: Autoregressive Time Series Forecasters via Large Language Models",
NeurIPS 2024. https://arxiv.org/abs/2402.02370

Departures: a context need not be full (short series and missing segments are masked), windows
with a small spread are divided by ``floor``, norms have an epsilon, timestamps work for any
frequency and any tokenizer, each distinct sentence is read once and cached on disk.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from tslm.core.errors import ConfigError
from tslm.core.messages import at_least, check_choice
from tslm.core.types import Context, Facts, Layout, Sizes, Task, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.adapters.far_past import FarPast
from tslm.models.adapters.timestamps import NumericTimestamps, Timestamps
from tslm.models.layers.mlp import Activation, mlp
from tslm.models.layers.patching import from_first_observed, patch
from tslm.models.layers.scale import Norm, Scale
from tslm.models.lexicon import Lexicon

TIMESTAMPS = ("none", "text", "shuffled", "numeric")


class AutoTimes(Adapter):
    """Tokens from segments of ``patch_len`` steps; the backbone predicts the next segment.

    Args:
        lexicon: word embeddings of the backbone; gives the width D and reads the timestamps.
        task: gives the context length L, a multiple of ``patch_len``.
        patch_len: steps per segment, P.
        layers: linear layers of the segment embedding; 1 is a linear map.
        hidden: width between the layers.
        activation: non-linearity between the layers: ``tanh``, ``relu`` or ``gelu``.
        dropout: dropout after each hidden layer.
        timestamps: ``text`` adds the language model's hidden state for a sentence with the first
            and last time of the segment; ``none`` adds nothing. Two are controls: ``shuffled``
            takes the sentence of another time, ``numeric`` a linear map of calendar features.
        template: text of the sentence, with ``{start}`` and ``{end}``.
        pool: position of the hidden state, see ``Lexicon.read``.
        mix: initial weight of the timestamps (alpha).
        norm: normalisation of windows, see ``Scale.of``. With ``window``, as published, the
            training loss of all but the last token is scaled by statistics that include its
            target; with ``prefix`` every token is strictly causal, and with ``first_segment``
            too, unless a series starts inside a segment.
        floor: smallest spread by which a window is divided, in units of the training spread.
        far_past: steps that are averaged in the far past, one number for each resolution, such as
            [4, 16]; None reads the whole context step by step. Tokens of the far past come before
            the others, the coarsest first, and nothing is forecast from them.
        far_tokens: segments of each of these resolutions; the rest of the context is read step by
            step.

    Raises:
        ConfigError: if the context is not a multiple of the segment, or timestamps are asked for
            series without dates.

    Attributes:
        embed: map from segments to tokens, [S, N, P] to [S, N, D].
        timestamps: embedding of the start of a segment; None without timestamps.
        mix: trained weight of the timestamps (alpha).
    """

    needs_causal = True
    any_horizon = True

    def __init__(
        self,
        *,
        lexicon: Lexicon,
        task: Task,
        patch_len: int = 96,
        layers: int = 1,
        hidden: int = 512,
        activation: Activation = "tanh",
        dropout: float = 0.1,
        timestamps: str = "none",
        template: str = "This is a time series from {start} to {end}",
        pool: str = "last_text",
        mix: float = 1.0,
        norm: Norm = "prefix",
        floor: float = 0.1,
        far_past: Sequence[int] | None = None,
        far_tokens: int = 4,
    ) -> None:
        super().__init__(norm, floor)
        _check_tiling(task.context_length, patch_len)
        self.far: FarPast | None = None
        if far_past:
            self.far = FarPast(far_past, far_tokens, patch_len, lexicon.width)
            _check_near(task.context_length, self.far.steps, patch_len)
        near = task.context_length - (self.far.steps if self.far else 0)
        self.layout = Layout(near // patch_len, patch_len, grows=True)
        self.embed = mlp(
            patch_len,
            lexicon.width,
            layers=layers,
            hidden=hidden,
            activation=activation,
            dropout=dropout,
        )
        check_choice("timestamps", timestamps, TIMESTAMPS)
        self.timestamps: Timestamps | NumericTimestamps | None = None
        if timestamps == "numeric":
            self.timestamps = NumericTimestamps(lexicon.width, task)
        elif timestamps != "none":
            shuffled = timestamps == "shuffled"
            self.timestamps = Timestamps(lexicon, task, patch_len, template, pool, shuffled)
        self.reads_time = self.timestamps is not None
        if self.timestamps is not None:
            self.mix = nn.Parameter(torch.tensor(float(mix)))

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Suggest segments of the horizon, rounded up to whole seasons, and at most seven of them.

        A segment has at most 96 steps, the length in the paper. A context takes at most half of
        the longest series; if whole seasons do not fit into that, a segment is the horizon.
        """
        season, horizon = facts.season_length, facts.horizon
        whole = -(-horizon // season) * season  # rounded up to whole seasons
        patch_len = options["patch_len"] or (
            whole if whole <= min(96, facts.longest // 2) else min(horizon, 96)
        )
        tokens = min(max(facts.longest // 2 // patch_len, 1), 7)
        return Sizes(context_length or patch_len * tokens, {"patch_len": patch_len})

    @classmethod
    def language(cls, options: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        if options["timestamps"] != "text":
            return {}
        others = [kind for kind in TIMESTAMPS if kind != "text"]
        return {f"timestamps={kind}": {"timestamps": kind} for kind in others}

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        if self.timestamps is not None:
            self.timestamps.prepare(time)

    def scale(self, past: Float[Tensor, "B L C"]) -> Scale:
        """Return the statistics of the near past; those of its first step serve the far past."""
        if self.far is None:
            return super().scale(past)
        near = super().scale(past[:, self.far.steps :])
        first = [part[:, :1].expand(-1, self.far.steps, -1) for part in (near.loc, near.spread)]
        steps = past.shape[1] - self.far.steps
        rest = [part.expand(-1, steps, -1) for part in (near.loc, near.spread)]
        return Scale(*(torch.cat(pair, 1) for pair in zip(first, rest, strict=True)))

    def unknown(
        self, vectors: Float[Tensor, "S K D"], time: Int[Tensor, "S K"]
    ) -> Float[Tensor, "S K D"]:
        return self._timed(vectors, time)

    def _timed(
        self, embeds: Float[Tensor, "S N D"], time: Int[Tensor, "S N"]
    ) -> Float[Tensor, "S N D"]:
        """Add the embeddings of the times at which segments start (section 3.2: SE + alpha TE)."""
        if self.timestamps is None:
            return embeds
        return _unit(embeds) + self.mix * _unit(self.timestamps(time).to(embeds))

    def forward(self, context: Context) -> Tokens:
        if self.far is None or context.values.shape[1] <= self.far.steps:
            return self._near(context)
        far, steps = self.far(context), self.far.steps
        values, observed, time = (part[:, steps:] for part in context[:3])
        near = self._near(Context(values, observed, time, context.text))
        shown = torch.cat([far.observed, patch(observed.to(values), self.layout.patch_len)], 1)
        embeds = torch.cat([far.embeds, near.embeds], 1)
        return Tokens(embeds, from_first_observed(shown), n_prompt=self.far.n_tokens)

    def _near(self, context: Context) -> Tokens:
        """Turn segments into tokens."""
        size = self.layout.patch_len
        embeds = self._timed(self.embed(patch(context.values, size)), context.time[:, ::size])
        return Tokens(embeds, from_first_observed(patch(context.observed.float(), size)))


def _unit(vectors: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
    """Scale vectors to length 1."""
    return functional.normalize(vectors, dim=-1, eps=1e-8)


def _check_near(context_length: int, far: int, patch_len: int) -> None:
    """Raise a ConfigError unless a segment is left beside the far past."""
    if context_length < far + patch_len:
        raise ConfigError(
            f"far_past needs {far} steps and at least one segment of {patch_len} after them, and "
            f"context_length is {context_length}. Set context_length to {far + patch_len} or more."
        )


def _check_tiling(context_length: int, patch_len: int) -> None:
    """Raise a ConfigError unless the context is a whole number of segments."""
    at_least(1, patch_len=patch_len)
    if context_length % patch_len or not context_length:
        fits = max(context_length // patch_len, 1) * patch_len
        raise ConfigError(
            f"context_length {context_length} is not a multiple of patch_len {patch_len}. "
            f"Set context_length to {fits}."
        )
