"""Values that cross the layers: small tuples with named fields, and the letters of their shapes.

Letters: B windows, C channels, S = B*C series, L context, F steps of truth after it, T steps
of time, H horizon, P patch, N tokens, D width, M values of one prediction, V vocabulary.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from einops import rearrange, repeat
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tslm.core.distribution import Distribution


@dataclass(frozen=True)
class Task:
    """Forecasting task: the facts that every part must know.

    Args:
        context_length: steps read, L.
        horizon: steps forecast by default, H.
        season_length: steps of the main season, 1 if there is none.
        freq: how far apart two rows are, as a pandas offset alias ("h", "15min", "MS"), or, for a
            series counted in steps, the count as text ("1").
        dated: whether ``time`` counts Unix seconds (else it counts steps).
        tz: time zone in which its dates read, None for naive dates.
        description: what the series are, in words; empty if nobody says.
    """

    context_length: int
    horizon: int
    season_length: int = 1
    freq: str = "1"
    dated: bool = False
    tz: str | None = None
    description: str = ""


@dataclass(frozen=True)
class Facts:
    """Facts of a user's data that suggest sizes.

    Args:
        horizon: steps to forecast.
        season_length: steps of the main season, 1 if there is none.
        longest: rows of the longest series that training may use.
    """

    horizon: int
    season_length: int
    longest: int


@dataclass(frozen=True)
class Sizes:
    """A context length, and sizes of a part by the name of their option."""

    context_length: int
    options: Mapping[str, Any] = field(default_factory=dict)


class Batch(NamedTuple):
    """Windows of series: the context, the steps after it, and their times.

    Args:
        past: contexts, oldest step first; NaN where missing, on the left where a series is short.
        future: F steps after the context; none where they are unknown.
        time: of each step of the context and after it, T >= L + F: Unix seconds (UTC), or the
            integers of the frame.
        text: words about the series of each window and channel (row ``b * C + c``), or None.
    """

    past: Float[Tensor, "B L C"]
    future: Float[Tensor, "B F C"]
    time: Int[Tensor, "B T"]
    text: Sequence[str] | None = None

    @classmethod
    def of(
        cls,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        text: Sequence[str] | None = None,
    ) -> "Batch":
        """Return windows of which only the context is known."""
        return cls(past, past[:, :0], time, text)


class Context(NamedTuple):
    """Normalised windows, channels folded into the batch (row ``b * C + c``).

    ``text`` has words about the series of each row, or is None.
    """

    values: Float[Tensor, "S L"]
    observed: Bool[Tensor, "S L"]
    time: Int[Tensor, "S L"]
    text: Sequence[str] | None = None

    @classmethod
    def fold(
        cls,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B L"],
        text: Sequence[str] | None = None,
    ) -> "Context":
        """Fold channels into rows; missing values become 0, which is the mean.

        Where windows are repeated, as for sample paths, ``text`` may be that of the first ones.
        """
        values = rearrange(past, "B L C -> (B C) L")
        time = repeat(time, "B L -> (B C) L", C=past.shape[2])
        if text is not None:
            assert len(values) % len(text) == 0, "words and windows do not go together"
            text = [*text] * (len(values) // len(text))
        return cls(torch.nan_to_num(values), ~torch.isnan(values), time, text)


class Prompt(NamedTuple):
    """Words in front of the tokens of a series, as ids: nothing in them is trained.

    Args:
        shared: what is said of every series; read once, and remembered.
        own: what is said of each, padded on the left.
        mask: where it says something.
    """

    shared: Int[Tensor, " T"]
    own: Int[Tensor, "S U"]
    mask: Bool[Tensor, "S U"]


@dataclass(frozen=True)
class Tokens:
    """Tokens that a backbone reads.

    Args:
        embeds: one vector per token.
        mask: False where a token says nothing (padding); such tokens are inert.
        n_prompt: how many of the first tokens only set the scene; decoders never see them.
        aux_loss: what the adapter adds to the training loss.
        prompt: words read before the first token; they give no hidden state.
    """

    embeds: Float[Tensor, "S N D"]
    mask: Bool[Tensor, "S N"]
    n_prompt: int = 0
    aux_loss: Float[Tensor, ""] | None = None
    prompt: Prompt | None = None


class Attribution(NamedTuple):
    """Attribution of tokens to a few vectors in the space of words, with the weight of each.

    Args:
        vectors: prototypes or anchors.
        weights: of each in each token of a window; N is 1 where they are those of the whole.
    """

    vectors: Float[Tensor, "K D"]
    weights: Float[Tensor, "S N K"]


@dataclass(frozen=True)
class Layout:
    """Layout of a context as tokens: all that a decoder may know of an adapter.

    Args:
        n_tokens: tokens of one context, N, without the prompt.
        patch_len: steps one token stands for, P.
        grows: a forecast segment can be appended as one more token (autoregressive roll-out).
    """

    n_tokens: int
    patch_len: int
    grows: bool = False


class Prediction(NamedTuple):
    """M values that end ``step`` steps after the context, in the units of the context.

    Args:
        values: point forecasts.
        covered: False where a value was forecast from padding alone, before a short series.
        aux_loss: a term that the adapter adds to the training loss.
        distribution: of each value; None where the model gives points only.
        level: what the decoder's output was added to; None where there is no decoder.
    """

    values: Float[Tensor, "B M C"]
    covered: Bool[Tensor, "B M C"]
    aux_loss: Float[Tensor, ""] | None
    distribution: Distribution | None = None
    level: Float[Tensor, "B K C"] | None = None
