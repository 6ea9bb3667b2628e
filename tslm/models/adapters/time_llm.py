"""Time-LLM: patches as mixtures of word embeddings, after a prompt that describes the window.

Jin et al., "Time-LLM: Time Series Forecasting by Reprogramming Large Language Models", ICLR 2024.
https://arxiv.org/abs/2310.01728

Departures (the experiment ``time_llm_ett_paper`` has the published arithmetic): prototypes are a
map of a basis of the word embeddings instead of all of them; numbers are written in fixed width
and lags exclude 0 and mirrors; padding is masked; windows with a small spread are divided by
``floor``; patches before a short series are masked; no dropout on the forecast itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from tslm.core.types import Attribution, Context, Facts, Layout, Sizes, Task, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.adapters.prompts import KINDS, Prompts
from tslm.models.layers.patch_embedding import ConvPatchEmbedding
from tslm.models.layers.patching import from_first_observed, n_patches, overlapping, patch_sizes
from tslm.models.layers.prototypes import RANDOM, make_prototypes
from tslm.models.layers.reprogramming import Reprogramming
from tslm.models.layers.scale import Norm
from tslm.models.lexicon import Lexicon


class TimeLLM(Adapter):
    """Tokens from overlapping patches, each a mixture of text prototypes, after a prompt.

    Args:
        lexicon: word embeddings and tokenizer of the backbone.
        task: gives L, H and the description of the data.
        patch_len: steps per patch, P.
        stride: steps between patches.
        patch_width: width of an embedded patch (``d_model`` in the paper's code).
        heads: heads of the reprogramming attention.
        head_width: width of each head (``d_ff`` in the paper's code).
        prototypes: ``spectral``, ``vocabulary`` (as published), ``words`` (a list), or a control
            without word embeddings: ``uniform``, ``normal``, ``zero``.
        n_prototypes: number of prototypes.
        words: list for ``prototypes="words"``; None is a list about change and time.
        prompt: kind of prompt, see ``Prompts``.
        style: style of its numbers, see ``Prompts``.
        dropout: dropout of embedded patches.
        attention_dropout: dropout of the weights of prototypes, 0.1 as published; at 0 they are
            not stored for the gradient, which saves memory.
        norm: normalisation of windows, see ``Scale.of``.
        floor: smallest spread by which a window is divided, in units of the training spread.

    Raises:
        ConfigError: if a size or a choice is impossible.

    Attributes:
        stride: steps between patches.
        embed: map from patches to vectors of ``patch_width``.
        reprogram: attention from patches to prototypes.
        prompts: writes the prompts.
    """

    reads_text = True

    def __init__(
        self,
        *,
        lexicon: Lexicon,
        task: Task,
        patch_len: int = 16,
        stride: int = 8,
        patch_width: int = 32,
        heads: int = 8,
        head_width: int = 128,
        prototypes: str = "spectral",
        n_prototypes: int = 1000,
        words: Sequence[str] | None = None,
        prompt: str = "as_is",
        style: str = "fixed",
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        norm: Norm = "window",
        floor: float = 0.1,
    ) -> None:
        super().__init__(norm, floor)
        n_tokens = n_patches(task.context_length, patch_len, stride)
        self.layout = Layout(n_tokens, patch_len)
        self.stride = stride
        self.embed = ConvPatchEmbedding(patch_len, patch_width, dropout)
        self.reprogram = Reprogramming(
            make_prototypes(prototypes, lexicon, n_prototypes, words),
            patch_width,
            lexicon.width,
            heads=heads,
            head_width=head_width,
            dropout=attention_dropout,
        )
        self.prompts = Prompts(lexicon, task, prompt, style)

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Suggest 512 steps or half of the longest series, and patches of 16 steps every 8."""
        return patch_sizes(facts, context_length, options)

    @classmethod
    def language(cls, options: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        arms = {}
        if options["prompt"] == "as_is":
            arms = {f"prompt={kind}": {"prompt": kind} for kind in KINDS if kind != "as_is"}
        if options["prototypes"] not in RANDOM:
            arms["prototypes=normal"] = {"prototypes": "normal"}
        return arms

    def forward(self, context: Context) -> Tokens:
        embeds = self.reprogram(self.embed(self.patches(context.values)))
        mask = from_first_observed(
            overlapping(context.observed.float(), self.layout.patch_len, self.stride)
        )
        prompt = self.prompts(context.values, context.observed, context.text)
        return Tokens(embeds, mask, prompt=prompt)

    @torch.no_grad()
    def made(self, context: Context) -> Attribution:
        weights = self.reprogram.weights(self.embed(self.patches(context.values)))
        return Attribution(self.reprogram.prototypes(), weights)

    def patches(self, values: Float[Tensor, "S L"]) -> Float[Tensor, "S N P"]:
        """Cut normalised series into overlapping patches."""
        return overlapping(values, self.layout.patch_len, self.stride)
