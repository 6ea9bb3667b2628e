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
    """Forecasting task: lengths, season and times, as every part needs them.

    Args:
        context_length: number of steps of a context, L.
        horizon: number of steps to forecast by default, H.
        season_length: steps of the main season; 1 if there is none.
        freq: distance of rows, as a pandas alias ("h", "15min", "MS"), or as text of an integer
            ("1") for integer time.
        dated: True if times are Unix seconds, False if they are integers of the user.
        tz: time zone of the dates; None for naive dates and integers.
        description: description of the series in words; empty if there is none.
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
        season_length: steps of the main season; 1 if there is none.
        longest: number of training rows of the longest series.
    """

    horizon: int
    season_length: int
    longest: int


@dataclass(frozen=True)
class Sizes:
    """Suggested context length, and sizes of a part by the name of their option."""

    context_length: int
    options: Mapping[str, Any] = field(default_factory=dict)


class Known(NamedTuple):
    """Covariates of windows, known in advance.

    Args:
        values: covariates of each step of the context, and of the steps after it; in their own
            units, or standardised where their effects are subtracted from the series. The last
            column is then the effect.
        names: their names.
    """

    values: Float[Tensor, "B T K"]
    names: Sequence[str]


class Batch(NamedTuple):
    """Windows of series: the context, the steps after it, and their times.

    Args:
        past: contexts, oldest step first; NaN for missing values and before a short series.
        future: F steps after the context; F is 0 if they are unknown.
        time: times of the T >= L + F steps of the context and after it: Unix seconds (UTC), or the
            integers of the frame.
        text: words about the series of each window and channel (row ``b * C + c``); None if there
            are none.
        zero: the value that stands for 0 in the units of the frame, in the units of ``past``; None
            if it is unknown.
        unit: what 1 in the units of ``past`` is in the units of the frame; None if it is unknown.
        known: covariates, for a forecaster that reads them itself; None if there are none.
    """

    past: Float[Tensor, "B L C"]
    future: Float[Tensor, "B F C"]
    time: Int[Tensor, "B T"]
    text: Sequence[str] | None = None
    zero: Float[Tensor, "B C"] | None = None
    unit: Float[Tensor, "B C"] | None = None
    known: Known | None = None

    @classmethod
    def of(
        cls,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        text: Sequence[str] | None = None,
    ) -> "Batch":
        """Return windows of which only the context is known."""
        return cls(past, past[:, :0], time, text)

    def until(self, stop: int, ahead: int) -> "Batch":
        """Return windows that end earlier, without the steps that follow.

        Args:
            stop: steps of the context that are kept.
            ahead: steps after them whose times and covariates are kept.
        """
        end = stop + ahead
        known = self.known and self.known._replace(values=self.known.values[:, :end])
        none = self.past[:, :0]
        return self._replace(
            past=self.past[:, :stop], future=none, time=self.time[:, :end], known=known
        )

    def since(self, start: int) -> "Batch":
        """Return windows without their first ``start`` steps."""
        known = self.known and self.known._replace(values=self.known.values[:, start:])
        return self._replace(past=self.past[:, start:], time=self.time[:, start:], known=known)


class Context(NamedTuple):
    """Normalised contexts, channels folded into the batch (row ``b * C + c``).

    Args:
        values: normalised values; 0 where missing, which is the mean.
        observed: True for values that are not missing.
        time: times of the steps, as in ``Batch``.
        text: words about the series of each row; None if there are none.
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

        Args:
            past: normalised contexts; NaN where missing.
            time: times of their steps.
            text: words about the series. If windows are repeated, as for sample paths, those of the
                first ones suffice.
        """
        values = rearrange(past, "B L C -> (B C) L")
        time = repeat(time, "B L -> (B C) L", C=past.shape[2])
        if text is not None:
            assert len(values) % len(text) == 0, "words and windows do not go together"
            text = [*text] * (len(values) // len(text))
        return cls(torch.nan_to_num(values), ~torch.isnan(values), time, text)


class Prompt(NamedTuple):
    """Prompt: ids of the words in front of the tokens of a series; they are not trained.

    Args:
        shared: words that all series begin with; they are read once and cached.
        own: words of each series, padded on the left.
        mask: True for the words of ``own``, False for its padding.
    """

    shared: Int[Tensor, " T"]
    own: Int[Tensor, "S U"]
    mask: Bool[Tensor, "S U"]


@dataclass(frozen=True)
class Tokens:
    """Tokens that a backbone reads.

    Args:
        embeds: one vector per token.
        mask: False for padding, which affects no other token.
        n_prompt: number of first tokens that are prompts; decoders do not receive their states.
        aux_loss: term that the adapter adds to the training loss.
        prompt: words read before the first token; decoders do not receive their states.
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
        weights: weight of each vector in each token; N is 1 if they are weights of whole windows.
    """

    vectors: Float[Tensor, "K D"]
    weights: Float[Tensor, "S N K"]


@dataclass(frozen=True)
class Layout:
    """Layout of a context as tokens: all that a decoder may know of an adapter.

    Args:
        n_tokens: number of tokens of one context, N, without the prompt.
        patch_len: steps of one token, P.
        grows: True if a forecast segment can be appended as one more token (autoregressive
            roll-out).
    """

    n_tokens: int
    patch_len: int
    grows: bool = False


class Contribution(NamedTuple):
    """Contribution of one member to a mix, on validation windows.

    Args:
        member: its name.
        weight: its weight, from 0 to 1, averaged over the windows.
        alone: loss of the member alone, divided by that of the mix.
        without: loss of the mix without the member, divided by that of the mix.
    """

    member: str
    weight: float
    alone: float
    without: float


class Prediction(NamedTuple):
    """M values that end ``step`` steps after the context, in the units of the context.

    Args:
        values: point forecasts.
        covered: False for values that were forecast from padding alone, before a short series.
        aux_loss: term that the adapter adds to the training loss.
        distribution: distribution of each value; None if the model gives points only.
        level: values that the decoder's output was added to; None without a decoder.
    """

    values: Float[Tensor, "B M C"]
    covered: Bool[Tensor, "B M C"]
    aux_loss: Float[Tensor, ""] | None
    distribution: Distribution | None = None
    level: Float[Tensor, "B K C"] | None = None
