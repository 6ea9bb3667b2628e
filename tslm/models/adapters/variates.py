"""Variates: each series is one token, made from its whole context.

Liu et al., "iTransformer: Inverted Transformers Are Effective for Time Series Forecasting",
ICLR 2024. https://arxiv.org/abs/2310.06625

Departures: a frozen language model is read in place of a trained encoder, windows with a small
spread are divided by ``floor``, and missing values are left out of the statistics. Time features
are not tokens.
"""

from collections.abc import Mapping
from typing import Any

from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from tslm.core.types import Context, Facts, Layout, Sizes, Task, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.layers.scale import Norm
from tslm.models.lexicon import Lexicon


class Variates(Adapter):
    """One token per series: a linear map of its normalised context.

    With ``multivariate="tokens"`` the backbone reads the tokens of all series together. No weight
    depends on the number of series, so it may differ between fit and predict.

    Args:
        lexicon: word embeddings of the backbone; gives the width D.
        task: gives the context length L.
        dropout: dropout rate of the tokens.
        norm: normalisation of windows: ``window``, ``prefix`` or ``first_segment``.
        floor: smallest spread by which a window is divided, in units of the training spread.
    """

    def __init__(
        self,
        *,
        lexicon: Lexicon,
        task: Task,
        dropout: float = 0.0,
        norm: Norm = "window",
        floor: float = 0.1,
    ) -> None:
        super().__init__(norm, floor)
        self.layout = Layout(1, task.context_length)
        self.embed = nn.Linear(task.context_length, lexicon.width)
        self.drop = nn.Dropout(dropout)

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Suggest 512 steps, or half of the longest series."""
        return Sizes(context_length or max(min(512, facts.longest // 2), 1))

    def forward(self, context: Context) -> Tokens:
        embeds: Float[Tensor, "S 1 D"] = self.drop(
            self.embed(rearrange(context.values, "S L -> S 1 L"))
        )
        return Tokens(embeds, context.observed.any(1, keepdim=True))
