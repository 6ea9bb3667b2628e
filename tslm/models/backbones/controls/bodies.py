"""Small networks in place of the language model, as controls for its contribution.

Tan et al., "Are Language Models Actually Useful for Time Series Forecasting?", NeurIPS 2024.
https://arxiv.org/abs/2406.16964

Departures: only the backbone is replaced; adapters still use the word embeddings of the language
model. ``block`` has the class of the language model's blocks, with its causality, norms and
positions.
"""

from abc import abstractmethod

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from tslm.core.hashing import sha256_text
from tslm.models.backbones.base import Backbone, Identity
from tslm.models.backbones.controls.reference import Reference
from tslm.models.backbones.freezing import Freeze, Full
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.backbones.loading import load
from tslm.models.lexicon import Lexicon

HEADS = 8  # heads of the attention control, if they divide the width; chosen by hand


class Control(Backbone):
    """Small network that is trained together with the adapter.

    Args:
        reference: the language model it replaces.
        seed: not used; the weights of a trained control follow the seed of the training.
        freeze: not used; all weights are trained.
        name: as the user wrote it.
    """

    def __init__(self, *, reference: Reference, seed: int, freeze: Freeze, name: str) -> None:
        super().__init__()
        self.width, self.causal = reference.width, reference.causal
        recipe = sha256_text(f"{type(self).__name__} {reference.config.to_json_string()}")
        self.identity = Identity(name, "control", "", recipe, 0)
        self._lexicon = reference.lexicon
        with torch.random.fork_rng(devices=[]):  # the global state is the same for all controls
            self.make(reference)

    @abstractmethod
    def make(self, reference: Reference) -> None:
        """Create the layers."""

    @property
    def lexicon(self) -> Lexicon:
        return self._lexicon


class Pointwise(Control):
    """Network that reads each token alone, so that no attention mask has an effect."""

    @property
    def reads_masks(self) -> bool:
        return True

    def read_masked(
        self,
        embeds: Float[Tensor, "S N D"],
        allowed: Bool[Tensor, "S N N"],
        position: Int[Tensor, "S N"],
    ) -> Float[Tensor, "S N D"]:
        return self.read(embeds)


class NoBody(Pointwise):
    """Identity: the adapter's tokens go straight to the decoder."""

    def make(self, reference: Reference) -> None:
        return

    def read(
        self, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None = None
    ) -> Float[Tensor, "S N D"]:
        return embeds


class Linear(Pointwise):
    """Linear map of each token."""

    def make(self, reference: Reference) -> None:
        self.map = nn.Linear(self.width, self.width)

    def read(
        self, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None = None
    ) -> Float[Tensor, "S N D"]:
        return self.map(embeds)


class MLP(Pointwise):
    """Residual two-layer perceptron of each token, with as many weights as one block."""

    def make(self, reference: Reference) -> None:
        block = reference.fresh(seed=0, n_layers=1)
        weights = sum(w.numel() for w in block.parameters())
        weights -= block.get_input_embeddings().weight.numel()
        hidden = max(weights // (2 * self.width), 1)
        self.norm = nn.LayerNorm(self.width)
        self.map = nn.Sequential(
            nn.Linear(self.width, hidden), nn.GELU(), nn.Linear(hidden, self.width)
        )

    def read(
        self, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None = None
    ) -> Float[Tensor, "S N D"]:
        return embeds + self.map(self.norm(embeds))


class Attention(Control):
    """One residual attention layer, then a norm; causal if the language model is."""

    def make(self, reference: Reference) -> None:
        heads = HEADS if self.width % HEADS == 0 else reference.config.num_attention_heads
        self.attention = nn.MultiheadAttention(self.width, heads, dropout=0.1, batch_first=True)
        self.norm = nn.LayerNorm(self.width)

    def read(
        self, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None = None
    ) -> Float[Tensor, "S N D"]:
        size = embeds.shape[1]
        later = torch.ones(size, size, dtype=torch.bool, device=embeds.device).triu(1)
        read, _ = self.attention(
            embeds,
            embeds,
            embeds,
            attn_mask=later if self.causal else None,
            key_padding_mask=None if mask is None else ~mask,
            need_weights=False,
        )
        return self.norm(embeds + read)

    @property
    def reads_masks(self) -> bool:
        return True

    def read_masked(
        self,
        embeds: Float[Tensor, "S N D"],
        allowed: Bool[Tensor, "S N N"],
        position: Int[Tensor, "S N"],
    ) -> Float[Tensor, "S N D"]:
        barred = ~allowed.repeat_interleave(self.attention.num_heads, 0)
        read, _ = self.attention(embeds, embeds, embeds, attn_mask=barred, need_weights=False)
        return self.norm(embeds + read)


class GRU(Control):
    """Gated recurrent layer, from left to right."""

    def make(self, reference: Reference) -> None:
        self.causal = True
        self.recurrence = nn.GRU(self.width, self.width, batch_first=True)

    def read(
        self, embeds: Float[Tensor, "S N D"], mask: Bool[Tensor, "S N"] | None = None
    ) -> Float[Tensor, "S N D"]:
        hidden, _ = self.recurrence(embeds)
        return hidden


def block(*, reference: Reference, seed: int, freeze: Freeze, name: str) -> HuggingFaceBackbone:
    """Make one block of the language model's class, with random weights that are trained."""
    with torch.random.fork_rng(devices=[]):  # the global state is the same for all controls
        drawn = int(torch.randint(2**31, ()).item())
    body = reference.fresh(drawn, n_layers=1)
    recipe = sha256_text(f"block {body.config.to_json_string()}")
    identity = Identity(name, "control", "", recipe, 1)
    return HuggingFaceBackbone(body, identity, lexicon=reference.lexicon, freeze=Full())


def block_pretrained(
    *, reference: Reference, seed: int, freeze: Freeze, name: str
) -> HuggingFaceBackbone:
    """Load the first block of the language model, frozen."""
    first = load(reference.name, 1, reference.dtype, reference.device, download=reference.download)
    return HuggingFaceBackbone(first.body, first.identity, lexicon=reference.lexicon)
