"""Prompt before a window: description of the data, the task, and statistics of the window.

Jin et al., "Time-LLM", ICLR 2024, section 3.1 (Prompt-as-Prefix).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tslm.core.messages import check_choice
from tslm.core.types import Prompt, Task
from tslm.models.adapters.text_statistics import Summary, summary
from tslm.models.lexicon import Lexicon

KINDS = ("as_is", "none", "constant", "empty", "random", "shuffled", "other")
STYLES = ("fixed", "published")
LARGEST = 9.999  # statistics of normalised windows have one digit before the decimal point
ELSEWHERE = "Counts of migrating cranes at a lake in spring, by observers at dawn."


@dataclass(frozen=True)
class Wording:
    """Sentences of a prompt.

    Args:
        shared: text before every series.
        own: text of each series, in pieces that are joined; one list per series.
    """

    shared: str
    own: list[list[str]]


class WindowStatistics(NamedTuple):
    """Statistics of one window, see ``Summary``."""

    least: float
    largest: float
    median: float
    rise: float
    lags: list[int]


class Prompts:
    """Prompts of the windows of a batch, as token ids.

    Args:
        lexicon: tokenizes the text.
        task: gives the description, L and H.
        kind: ``as_is``; or a control: ``none``, ``constant`` (no statistics of the window),
            ``empty`` and ``random`` (as many tokens, all empty or random), ``shuffled`` (the same
            tokens in another order), ``other`` (a description of other data for all series).
        style: ``fixed`` writes numbers in fixed width, so that all prompts are equally long, and
            plain lags; ``published`` uses the published sentences, all digits of numbers, lags of
            the circular autocorrelation, and attends to padding.

    Raises:
        ConfigError: if kind or style is unknown.
    """

    def __init__(self, lexicon: Lexicon, task: Task, kind: str, style: str) -> None:
        check_choice("prompt", kind, KINDS)
        check_choice("style", style, STYLES)
        self.lexicon, self.task, self.kind, self.style = lexicon, task, kind, style
        self._heads: dict[str, list[int]] = {}
        self._known: dict[str, list[int]] = {}

    def __call__(
        self,
        values: Float[Tensor, "S L"],
        observed: Bool[Tensor, "S L"],
        about: Sequence[str] | None = None,
    ) -> Prompt | None:
        """Write the prompts of normalised windows; return None if there is none.

        Args:
            values: the windows.
            observed: True where a value is known.
            about: text about the series of each window; None uses the description for all.
        """
        if self.kind == "none":
            return None
        facts = summary(values, observed, circular=self.style == "published")
        wording = self.wording(facts, about)
        if wording.shared not in self._heads:
            head = self.lexicon.tokenize([wording.shared])[0]
            self._heads[wording.shared] = self._changed(head)
        own = [[i for piece in pieces for i in self._ids(piece)] for pieces in wording.own]
        shared, own = self._heads[wording.shared], [self._changed(ids) for ids in own]
        return self._padded(shared, own, values.device)

    def wording(self, facts: Summary, about: Sequence[str] | None = None) -> Wording:
        """Write the sentences, before a control changes their tokens.

        Text about single series is as late as possible: the text before it is read only once.
        """
        own = self._statistics(facts)
        horizon, length = self.task.horizon, self.task.context_length
        if self.kind == "other":
            about = None
        general = ELSEWHERE if self.kind == "other" else self.task.description
        if self.style == "published":
            head = "<|start_prompt|>Dataset description: "
            tail = (
                f"Task description: forecast the next {horizon} steps given the previous {length} "
                "steps information; Input statistics:"
            )
            if about is None:
                return Wording(f"{head}{general}{tail}", own)
        else:
            general = general.strip() or "A time series."
            head = f"Forecast the next {horizon} steps given the previous {length}"
            tail = ". Of those:"
            if about is None:
                return Wording(f"{general} {head}{tail}", own)
            head, about = f"{head} of this series:", [text.strip().rstrip(".") for text in about]
        every = zip(about, own, strict=True)
        return Wording(head.strip(), [[f" {text}", tail, *pieces] for text, pieces in every])

    def _statistics(self, facts: Summary) -> list[list[str]]:
        """Write the statistics of each window, in pieces."""
        rows = [
            WindowStatistics(*row) for row in zip(*(part.tolist() for part in facts), strict=True)
        ]
        if self.kind == "constant":
            return [[] for _ in rows]
        if self.style == "published":
            return [[_published(row)] for row in rows]
        digits = len(str(self.task.context_length // 2))
        return [_fixed(row, digits) for row in rows]

    def _ids(self, piece: str) -> list[int]:
        """Return the token ids of a piece; each distinct piece is tokenized once."""
        if piece not in self._known:
            if len(self._known) > 100_000:  # bounds the memory: numbers in full rarely recur
                self._known.clear()
            found = self.lexicon.tokenizer([piece], add_special_tokens=False)["input_ids"][0]
            self._known[piece] = list(found)
        return self._known[piece]

    def _changed(self, ids: list[int]) -> list[int]:
        """Return the token ids, or those that a control puts in their place."""
        dice = np.random.default_rng(len(ids))
        if self.kind == "empty":
            return [self._empty_id] * len(ids)
        if self.kind == "random":
            size = len(self.lexicon.tokenizer)
            return [int(i) for i in dice.integers(0, size, len(ids))]
        if self.kind == "shuffled":
            return [ids[i] for i in dice.permutation(len(ids))]
        return ids

    @property
    def _empty_id(self) -> int:
        """Id of the padding token, or of the end of a text if there is no padding."""
        tokenizer = self.lexicon.tokenizer
        for token in (tokenizer.pad_token_id, tokenizer.eos_token_id):
            if token is not None:
                return int(token)
        return 0

    def _padded(
        self, shared: Sequence[int], own: Sequence[Sequence[int]], device: torch.device
    ) -> Prompt:
        """Pad token ids to one length, on the left unless published."""
        longest = max(map(len, own), default=0)
        ids = np.full((len(own), longest), self._empty_id if longest else 0, dtype=np.int64)
        mask = np.zeros((len(own), longest), dtype=bool)
        for row, tokens in enumerate(own):
            if self.style == "published":
                ids[row, : len(tokens)] = tokens
                mask[row] = True  # padding is attended to
            elif tokens:
                ids[row, longest - len(tokens) :] = tokens
                mask[row, longest - len(tokens) :] = True
        return Prompt(
            torch.tensor(shared, dtype=torch.int64, device=device),
            torch.from_numpy(ids).to(device),
            torch.from_numpy(mask).to(device),
        )


def _fixed(window: WindowStatistics, digits: int) -> list[str]:
    """Write statistics with numbers in fixed width, in pieces of which few are distinct."""
    pieces = []
    named = (("min", window.least), ("max", window.largest), ("median", window.median))
    for name, value in named:
        pieces += [f" {name}", f" {min(max(value, -LARGEST), LARGEST):+.3f}"]
    trend = "rise" if window.rise > 0 else "fall" if window.rise < 0 else "flat"
    return [*pieces, " trend", f" {trend}", " lags", *(f" {lag:0{digits}d}" for lag in window.lags)]


def _published(window: WindowStatistics) -> str:
    """Write statistics in the sentence of Time-LLM's code."""
    trend = "upward" if window.rise > 0 else "downward"
    return (
        f" min value {window.least}, max value {window.largest}, median value {window.median}, "
        f"the trend of input is {trend}, top 5 lags are : {window.lags}<|<end_prompt>|>"
    )
