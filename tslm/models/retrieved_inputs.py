"""Futures of similar past windows as inputs: each token is given what followed windows like it.

Han et al., "Retrieval-augmented time series forecasting" (RAFT), ICML 2025, gives a linear model
the mean of retrieved futures. Here it is added to the tokens of a frozen language model.
"""

from collections.abc import Iterable
from dataclasses import replace

from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from tslm.core.types import Batch, Layout, Tokens
from tslm.models.baselines.analogues import Analogues
from tslm.models.layers.base_forecast import anchors
from tslm.models.layers.base_memory import RememberedForecasts
from tslm.models.layers.patching import patch
from tslm.models.layers.scale import Scale


class RetrievedInputs(nn.Module):
    """Linear map of the retrieved next segment, added to the token of each segment.

    The map is zero before training, so an untrained model is the one without retrieval.

    Args:
        rule: finds the mean future of similar windows, from the steps before it only.
        layout: length of a segment, P.
        width: size of a token, D.

    Attributes:
        memory: futures that were found in a fit, from ``learn`` to ``forget``; None at other times.
    """

    def __init__(self, rule: Analogues, layout: Layout, width: int) -> None:
        super().__init__()
        self.rule, self.patch_len = rule, layout.patch_len
        self.embed = nn.Linear(layout.patch_len, width)
        nn.init.zeros_(self.embed.weight)
        nn.init.zeros_(self.embed.bias)
        self.memory: RememberedForecasts | None = None

    def forward(
        self,
        tokens: Tokens,
        scale: Scale,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
    ) -> Tokens:
        """Return the tokens with what followed windows like those that end with their segments.

        Args:
            tokens: tokens of the last segments of ``past``, one or all of them.
            scale: level and spread of these segments.
            past: windows, in their own units.
            time: times of their steps.
        """
        own = tokens.embeds.shape[1] - tokens.n_prompt
        steps = own * self.patch_len
        ahead = anchors(self.memory or self.rule, past, time, self.patch_len, steps)
        known = scale.preceding(steps, self.patch_len)
        rows = rearrange((ahead - known.loc) / known.spread, "B M C -> (B C) M")
        told = self.embed(patch(rows, self.patch_len))
        embeds = tokens.embeds.clone()
        embeds[:, tokens.n_prompt :] += told
        return replace(tokens, embeds=embeds)

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        """Fill the library; remember what is found from now on."""
        self.rule.learn(train, val)
        self.memory = RememberedForecasts(self.rule)

    def forget(self) -> None:
        """Drop the remembered futures."""
        self.memory = None
