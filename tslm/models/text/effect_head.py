"""Effect head: a sentence vector and the place in its span become a few numbers of an effect.

The text predicts a factor, a shift, a course over the span and the share that is replaced by
zero; never a curve of its own (as in TESS, arXiv 2603.12664). The head has a low rank. A number in
the sentence is used exactly: the head decides only what it means.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from tslm.models.text.effect import Effect, Phase
from tslm.models.text.stated_numbers import MEANINGS, Stated, stated_sizes

COURSES = ("flat", "ramp", "first", "middle", "last")
WIDTH_OF_PEAK = 0.15  # standard deviation of a short peak, as a share of the span
# log factor, shift, sign of a shift in numbers, replacement and courses, meanings
OUTPUTS = (1, 1, 1, 1 + len(COURSES), 2 + len(MEANINGS))
HIGHEST = 3.5  # largest log factor: 33 times


class Said(NamedTuple):
    """Statement of each sentence, before its place in the span is known.

    Args:
        log_factor: logarithm of the factor where the effect is largest.
        shift: shift where the effect is largest, in units of the spread of the series.
        replaced: share by which the value is replaced by 0.
        course: weight of each course over the span in ``COURSES``; they sum to 1.
        doubt: standard deviation of ``log_factor``.
        meaning: weight of each meaning: no effect, in words, then the ``MEANINGS`` of a number.
        logits: ``replaced`` and ``course`` before they were normalised, for training.
    """

    log_factor: Float[Tensor, " K"]
    shift: Float[Tensor, " K"]
    replaced: Float[Tensor, " K"]
    course: Float[Tensor, "K courses"]
    doubt: Float[Tensor, " K"]
    meaning: Float[Tensor, "K meanings"]
    logits: Float[Tensor, "K logits"]


class EffectHead(nn.Module):
    """Low-rank network from sentence vectors to effects.

    Args:
        width: size of a sentence vector, E.
        rank: width of the hidden layer.
        dropout: share of sentence features that are left out in training.
        numbers: False to ignore the numbers of a sentence, as a control.

    Attributes:
        centre: mean of the training vectors.
        scale: their standard deviation.
        doubts: floor and slope of the doubt, from validation wordings.
    """

    centre: Float[Tensor, " E"]
    scale: Float[Tensor, " E"]
    doubts: Float[Tensor, "2"]

    def __init__(
        self, width: int, rank: int = 64, *, dropout: float = 0.5, numbers: bool = True
    ) -> None:
        super().__init__()
        self.width, self.rank, self.numbers = width, rank, numbers
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("doubts", torch.tensor([0.0, 0.0]))
        self.dropout = nn.Dropout(dropout)
        self.down = nn.Linear(width, rank)
        self.out = nn.Linear(rank, sum(OUTPUTS))
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def fit_scale(self, vectors: Float[Tensor, "K E"]) -> None:
        """Take centre and scale of the sentence vectors from training ones."""
        self.centre.copy_(vectors.mean(0))
        self.scale.copy_(vectors.std(0).clamp(min=1e-3))

    def forward(self, vectors: Float[Tensor, "K E"], sentences: Sequence[str]) -> Said:
        """Return what each sentence says, apart from its place in the span.

        Args:
            vectors: sentence vectors of a ``SentenceReader``; zeros say nothing.
            sentences: the same sentences, for the numbers in them.
        """
        return self.say(vectors, stated_sizes(sentences))

    def say(self, vectors: Float[Tensor, "K E"], stated: Stated) -> Said:
        """Return what each sentence says, from the sizes that its number can mean.

        A number is used exactly: the head decides if it counts, and what it means. Only without a
        number does it estimate a size from the words.
        """
        sizes, deviations = (part.to(vectors) for part in stated)
        if not self.numbers:
            sizes, deviations = sizes * torch.nan, deviations * torch.nan
        out = self.out(functional.gelu(self.down(self.dropout(self._normal(vectors)))))
        in_words, shift, sign, logits, scores = out.split(OUTPUTS, 1)
        numbered = ~sizes[:, :1].isnan()
        words = torch.where(numbered, torch.nan, in_words)
        choices = torch.cat([torch.zeros_like(words), words, sizes], 1)
        meaning = torch.softmax(scores.masked_fill(choices.isnan(), -torch.inf), 1)
        exact = deviations.nan_to_num() * torch.tanh(sign[:, 0])
        moved = torch.where(deviations.isnan(), shift[:, 0], exact)
        says = (vectors != 0).any(1).to(out)
        factor = (meaning * choices.nan_to_num(0.0).clamp(-HIGHEST, HIGHEST).exp()).sum(1)
        log_factor = factor.log() * says
        return Said(
            log_factor=log_factor,
            shift=moved * says,
            replaced=torch.sigmoid(logits[:, 0]) * says,
            course=torch.softmax(logits[:, 1:], 1),
            doubt=(self.doubts[0] ** 2 + (self.doubts[1] * log_factor) ** 2).sqrt() * says,
            meaning=meaning,
            logits=logits,
        )

    def effect(
        self, vectors: Float[Tensor, "K E"], sentences: Sequence[str], phase: Phase
    ) -> Effect:
        """Return the effect of each sentence at each of T steps; none after the span.

        Args:
            vectors: sentence vectors of a ``SentenceReader``.
            sentences: the same sentences.
            phase: place of the steps in the spans.
        """
        said = self(vectors, sentences)
        course = (said.course[:, None] * courses(phase)).sum(-1)
        inside = (phase.after == 0).to(course)
        return Effect(
            log_factor=said.log_factor[:, None] * course,
            shift=said.shift[:, None] * course,
            log_spread=torch.zeros_like(course),
            replaced=said.replaced[:, None] * inside,
        )

    def _normal(self, vectors: Float[Tensor, "K E"]) -> Float[Tensor, "K E"]:
        """Standardise vectors by those of training."""
        return (vectors - self.centre) / self.scale


def courses(phase: Phase) -> Float[Tensor, "K T courses"]:
    """Return the height of each course at each step, 1 where it is highest; 0 after the span."""
    at = phase.position
    peaks = [torch.exp(-0.5 * ((at - c) / WIDTH_OF_PEAK) ** 2) for c in (0.0, 0.5, 1.0)]
    heights = torch.stack([torch.ones_like(at), at, *peaks], -1)
    return heights * (phase.after == 0)[..., None].to(heights)
