"""The language model that a control replaces; its weights are loaded only when needed."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.models.backbones import build
from tslm.models.backbones.base import Identity
from tslm.models.backbones.build import Body, Config
from tslm.models.backbones.huggingface import HuggingFaceBackbone
from tslm.models.backbones.loading import load
from tslm.models.backbones.weights.catalog import cards
from tslm.models.lexicon import Lexicon

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Reference:
    """Language model by name and depth.

    Args:
        name: a named backbone, a hub id, a folder or a ``.gguf`` file.
        n_layers: number of blocks of a control of its size, see ``loading.load``.
        dtype: precision of the computation.
        download: True if weights that are not on this machine may be downloaded.
        device: device of the weights.
    """

    name: str
    n_layers: int | str | None = None
    dtype: torch.dtype | None = None
    download: bool = True
    device: torch.device | None = None

    @cached_property
    def config(self) -> Config:
        """Its configuration, cut to ``n_layers``; for named backbones no weights are needed."""
        card = cards().get(self.name)
        if card is None:
            return deepcopy(self.backbone.body.config)
        config = build.make_config(card.config)
        depth = card.n_layers if self.n_layers is None else self.n_layers
        build.truncate(config, depth if isinstance(depth, int) else None, self.name)
        config.use_cache = False
        return config

    @property
    def width(self) -> int:
        """Return the size of a token vector, D."""
        return int(self.config.hidden_size)

    @cached_property
    def backbone(self) -> HuggingFaceBackbone:
        """Load the pretrained language model, shared and frozen."""
        return load(self.name, self.n_layers, self.dtype, self.device, download=self.download)

    @cached_property
    def lexicon(self) -> Lexicon:
        """Return its lexicon, which adapters use with every control."""
        return LazyLexicon(self)

    @cached_property
    def causal(self) -> bool:
        """True if a token attends to no later token."""
        block = self.fresh(seed=0, n_layers=1)
        identity = Identity(self.name, "", "", "", 1)
        return HuggingFaceBackbone(block, identity).causal

    def fresh(self, seed: int, n_layers: int | None = None) -> Body:
        """Make blocks of its class with random weights, and a very small vocabulary."""
        config = deepcopy(self.config)
        build.truncate(config, n_layers, self.name)
        body = build.fresh_body(config, seed)
        return body.to(self.device or CPU, self.dtype or torch.float32)

    def copy(self) -> Body:
        """Copy its pretrained blocks to the CPU, where random draws do not depend on the device."""
        return deepcopy(self.backbone.body).to(CPU)


class LazyLexicon(Lexicon):
    """Lexicon of a reference, whose weights are loaded when they are first needed."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference

    @property
    def width(self) -> int:
        return self._reference.width

    @property
    def key(self) -> str:
        return self._loaded.key

    def tokenize(self, sentences: Sequence[str], pool: str = "last_text") -> list[list[int]]:
        return self._loaded.tokenize(sentences, pool)

    @property
    def words(self) -> Float[Tensor, "V D"]:
        return self._loaded.words

    @property
    def tokenizer(self) -> Any:
        return self._loaded.tokenizer

    def embed(self, ids: Int[Tensor, "*n"]) -> Float[Tensor, "*n D"]:
        return self._loaded.embed(ids)

    def read(
        self, sentences: Sequence[str], pool: str = "last_text"
    ) -> Float[Tensor, "sentences D"]:
        return self._loaded.read(sentences, pool)

    @property
    def _loaded(self) -> Lexicon:
        """Lexicon of the pretrained model."""
        return self._reference.backbone.lexicon
