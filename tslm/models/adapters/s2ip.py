"""S2IP-LLM: patches of trend, season and rest, after the word prototypes nearest to them.

Pan et al., "S2IP-LLM: Semantic Space Informed Prompt Learning with LLM for Time Series
Forecasting", ICML 2024. https://arxiv.org/abs/2403.05798

Departures (the experiment ``s2ip_ett_paper`` has the published arithmetic): anchors are a map of a
basis of the word embeddings instead of all of them; the trend follows the series to its end; the
season is that of the data; each component has its own part of the hidden state; the decoder does
not read the anchors; the alignment is a mean over anchors; the backbone is frozen unless ``freeze``
selects weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.core.messages import check_choice
from tslm.core.types import Attribution, Context, Facts, Layout, Sizes, Task, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.layers.decomposition import check_lengths, decompose
from tslm.models.layers.patching import from_first_observed, n_patches, overlapping, patch_sizes
from tslm.models.layers.prototypes import RANDOM, make_prototypes
from tslm.models.layers.retrieval import QUERIES, Retrieved, query_of, retrieve
from tslm.models.layers.scale import Norm
from tslm.models.layers.weight_cache import WeightCache
from tslm.models.lexicon import Lexicon


class S2IP(Adapter):
    """Tokens from overlapping patches of three components, after the nearest semantic anchors.

    Args:
        lexicon: word embeddings and tokenizer of the backbone.
        task: gives L, H and the season.
        patch_len: steps per patch, P.
        stride: steps between patches.
        trend_length: steps of the moving average; None is the season.
        seasonal_length: steps of the season that is removed; None is the season.
        edge: trend at both ends of the window, see ``decompose``.
        anchors: ``spectral``, ``vocabulary`` (as published), ``words`` (a list); or a control:
            ``uniform``, ``normal``, ``zero``, or ``none`` for no anchors.
        n_anchors: number of anchors to choose from.
        words: list for ``anchors="words"``; None is a list about change and time.
        n_retrieved: number of anchors before the patches, K.
        query: vector that anchors are compared with: the ``mean`` of the patches, their ``max``,
            or ``mean_max``.
        align: weight of the cosines in the training loss, lambda.
        align_sum: True adds the K cosines up, as published; False takes their mean.
        read_anchors: True if the decoder also reads the hidden states of the anchors, as
            published.
        norm: normalisation of windows, see ``Scale.of``.
        floor: smallest spread by which a window is divided, in units of the training spread.

    Raises:
        ConfigError: if a size or a choice is impossible.

    Attributes:
        stride: steps between patches.
        anchors: vectors to choose from; None if there are none.
        embed: map from patches to tokens, [S, N, 3 P] to [S, N, D].
    """

    def __init__(
        self,
        *,
        lexicon: Lexicon,
        task: Task,
        patch_len: int = 16,
        stride: int = 8,
        trend_length: int | None = None,
        seasonal_length: int | None = None,
        edge: str = "replicate",
        anchors: str = "spectral",
        n_anchors: int = 1000,
        words: Sequence[str] | None = None,
        n_retrieved: int = 4,
        query: str = "mean",
        align: float = 0.05,
        align_sum: bool = False,
        read_anchors: bool = False,
        norm: Norm = "window",
        floor: float = 0.1,
    ) -> None:
        super().__init__(norm, floor)
        usual = min(task.season_length, task.context_length)
        self.trend_length = usual if trend_length is None else trend_length
        self.seasonal_length = usual if seasonal_length is None else seasonal_length
        check_lengths(task.context_length, self.trend_length, self.seasonal_length, edge)
        check_choice("query", query, QUERIES)
        self.edge, self.query, self.stride, self.patch_len = edge, query, stride, patch_len
        self.align, self.align_sum = align, align_sum
        self.anchors = None
        if anchors != "none":
            self.anchors = make_prototypes(anchors, lexicon, n_anchors, words)
        self.n_retrieved = 0 if self.anchors is None else n_retrieved
        count = n_retrieved if self.anchors is None else self.anchors.count
        self._known: WeightCache[Tensor] = WeightCache()
        if self.anchors is not None and not 1 <= n_retrieved <= count:
            raise ConfigError(
                f"n_retrieved={n_retrieved} must be between 1 and the {count} anchors."
            )
        patches = n_patches(task.context_length, patch_len, stride)
        self.read_anchors = read_anchors
        self.layout = Layout(patches + (self.n_retrieved if read_anchors else 0), patch_len)
        self.embed = nn.Linear(3 * patch_len, lexicon.width)

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Suggest 512 steps or half of the longest series, and patches of 16 steps every 8."""
        return patch_sizes(facts, context_length, options)

    @classmethod
    def language(cls, options: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        if options["anchors"] in (*RANDOM, "none"):
            return {}
        return {f"anchors={kind}": {"anchors": kind} for kind in ("normal", "zero", "none")}

    def forward(self, context: Context) -> Tokens:
        embeds = self.embed(self.patches(context.values, context.observed))
        mask = from_first_observed(
            overlapping(context.observed.float(), self.patch_len, self.stride)
        )
        if self.anchors is None:
            return Tokens(embeds, mask)
        found = self.retrieved(embeds, mask)
        in_front = mask.new_ones(found.chosen.shape)
        return Tokens(
            torch.cat([found.vectors, embeds], 1),
            torch.cat([in_front, mask], 1),
            n_prompt=0 if self.read_anchors else self.n_retrieved,
            aux_loss=self._misalignment(found),
        )

    @torch.no_grad()
    def made(self, context: Context) -> Attribution:
        if self.anchors is None:
            return super().made(context)
        embeds = self.embed(self.patches(context.values, context.observed))
        observed = overlapping(context.observed.float(), self.patch_len, self.stride)
        found = self.retrieved(embeds, from_first_observed(observed))
        vectors = self._known(self, self.anchors)
        weights = vectors.new_zeros(len(embeds), len(vectors))
        weights.scatter_(1, found.chosen, found.similarity)
        return Attribution(vectors, weights[:, None])

    def patches(
        self, values: Float[Tensor, "S L"], observed: Bool[Tensor, "S L"]
    ) -> Float[Tensor, "S N trend_season_rest"]:
        """Cut trend, season and rest into patches; join those of one place to one vector."""
        parts = decompose(values, self.trend_length, self.seasonal_length, self.edge, observed)
        cut = torch.stack([overlapping(part, self.patch_len, self.stride) for part in parts], 2)
        return rearrange(cut, "S N three P -> S N (three P)")

    def retrieved(self, embeds: Tensor, mask: Tensor) -> Retrieved:
        """Find the anchors nearest to each window."""
        assert self.anchors is not None
        anchors = self._known(self, self.anchors)
        return retrieve(query_of(embeds, mask, self.query), anchors, self.n_retrieved)

    def _misalignment(self, found: Retrieved) -> Float[Tensor, ""]:
        """Return the term of the loss that aligns windows with their anchors (eq. 8)."""
        cosines = found.similarity
        total = cosines.sum(1) if self.align_sum else cosines.mean(1)
        return -self.align * total.mean()
