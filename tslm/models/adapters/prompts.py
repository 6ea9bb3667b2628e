"""What is said of a window before it is read: the data, the task, and the window's statistics.

Jin et al., "Time-LLM", ICLR 2024, section 3.1 (Prompt-as-Prefix).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tslm.core.errors import ConfigError
from tslm.core.types import Prompt, Task
from tslm.models.adapters.text_statistics import Summary, summary
from tslm.models.lexicon import Lexicon

KINDS = ("as_is", "none", "constant", "empty", "random", "shuffled", "other")
STYLES = ("fixed", "published")
LARGEST = 9.999  # statistics of normalised windows are written with one digit before the point
ELSEWHERE = "Counts of migrating cranes at a lake in spring, by observers at dawn."


@dataclass(frozen=True)
class Wording:
    """The sentences of a prompt.

    Args:
        shared: what is said of every series.
        own: pieces said of each, which are put end to end; one list a series.
    """

    shared: str
    own: list[list[str]]


class Message(NamedTuple):
    """The statistics of one window, see ``Summary``."""

    least: float
    largest: float
    median: float
    rise: float
    lags: list[int]


class Prompts:
    """Writes the prompts of windows, all of a batch at once.

    Args:
        lexicon: makes words of them.
        task: gives the description, L and H.
        kind: ``as_is``; or a control: ``none``, ``constant`` (nothing about the window),
            ``empty`` and ``random`` (other words, as many), ``shuffled`` (the same words in
            another order), ``other`` (said of other data, the same to all series).
        style: ``fixed`` writes numbers in fixed width, so that all prompts are equally long, and
            lags as they are; ``published`` has the published sentences, numbers in full, lags of
            windows closed upon themselves, and padding that counts as text.

    Raises:
        ConfigError: if kind or style is unknown.
    """

    def __init__(self, lexicon: Lexicon, task: Task, kind: str, style: str) -> None:
        if kind not in KINDS:
            raise ConfigError(f"prompt={kind!r} is unknown. Choose one of {', '.join(KINDS)}.")
        if style not in STYLES:
            raise ConfigError(f"style={style!r} is unknown. Choose one of {', '.join(STYLES)}.")
        self.lexicon, self.task, self.kind, self.style = lexicon, task, kind, style
        self._heads: dict[str, list[int]] = {}
        self._known: dict[str, list[int]] = {}

    def __call__(
        self,
        values: Float[Tensor, "S L"],
        observed: Bool[Tensor, "S L"],
        about: Sequence[str] | None = None,
    ) -> Prompt | None:
        """The prompts of normalised windows; None if nothing is said.

        Args:
            values: the windows.
            observed: which values are known.
            about: what is said of the series of each; None says the description to all.
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
        """The sentences, before their words are changed by a control.

        What is said of each series stands as late as it can: the words before it are read once.
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
        """Pieces said of each window."""
        rows = [Message(*row) for row in zip(*(part.tolist() for part in facts), strict=True)]
        if self.kind == "constant":
            return [[] for _ in rows]
        if self.style == "published":
            return [[_published(row)] for row in rows]
        digits = len(str(self.task.context_length // 2))
        return [_fixed(row, digits) for row in rows]

    def _ids(self, piece: str) -> list[int]:
        """The words of a piece; each distinct one is cut into words once."""
        if piece not in self._known:
            if len(self._known) > 100_000:  # of numbers in full, none comes twice
                self._known.clear()
            found = self.lexicon.tokenizer([piece], add_special_tokens=False)["input_ids"][0]
            self._known[piece] = list(found)
        return self._known[piece]

    def _changed(self, ids: list[int]) -> list[int]:
        """The words as they are, or what a control puts in their place."""
        dice = np.random.default_rng(len(ids))
        if self.kind == "empty":
            return [self._silent] * len(ids)
        if self.kind == "random":
            size = len(self.lexicon.tokenizer)
            return [int(i) for i in dice.integers(0, size, len(ids))]
        if self.kind == "shuffled":
            return [ids[i] for i in dice.permutation(len(ids))]
        return ids

    @property
    def _silent(self) -> int:
        """The word that says nothing: padding, or the end of a text."""
        tokenizer = self.lexicon.tokenizer
        for word in (tokenizer.pad_token_id, tokenizer.eos_token_id):
            if word is not None:
                return int(word)
        return 0

    def _padded(
        self, shared: Sequence[int], own: Sequence[Sequence[int]], device: torch.device
    ) -> Prompt:
        longest = max(map(len, own), default=0)
        ids = np.full((len(own), longest), self._silent if longest else 0, dtype=np.int64)
        mask = np.zeros((len(own), longest), dtype=bool)
        for row, words in enumerate(own):
            if self.style == "published":
                ids[row, : len(words)] = words
                mask[row] = True  # padding counts as text
            elif words:
                ids[row, longest - len(words) :] = words
                mask[row, longest - len(words) :] = True
        return Prompt(
            torch.tensor(shared, dtype=torch.int64, device=device),
            torch.from_numpy(ids).to(device),
            torch.from_numpy(mask).to(device),
        )


def _fixed(said: Message, digits: int) -> list[str]:
    """Pieces with few distinct words: numbers in fixed width."""
    pieces = []
    for name, value in (("min", said.least), ("max", said.largest), ("median", said.median)):
        pieces += [f" {name}", f" {min(max(value, -LARGEST), LARGEST):+.3f}"]
    trend = "rise" if said.rise > 0 else "fall" if said.rise < 0 else "flat"
    return [*pieces, " trend", f" {trend}", " lags", *(f" {lag:0{digits}d}" for lag in said.lags)]


def _published(said: Message) -> str:
    trend = "upward" if said.rise > 0 else "downward"
    return (
        f" min value {said.least}, max value {said.largest}, median value {said.median}, the trend "
        f"of input is {trend}, top 5 lags are : {said.lags}<|<end_prompt>|>"
    )
