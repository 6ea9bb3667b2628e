"""Coarse-to-fine decoder: the mean of each block first, then details that depend on the means.

Huang et al., "NFIG: Autoregressive Image Generation with Next-Frequency Prediction", 2025,
https://arxiv.org/abs/2503.07076, and Zheng et al., "Hi-MAR: Hierarchical Masked Autoregressive
Models", 2025, https://arxiv.org/abs/2505.20288, generate low frequencies of an image first.

Departures: bands are means of blocks and differences from them, all from one pass of the backbone.
"""

from collections.abc import Sequence

from einops import reduce, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.core.types import Layout, Task, Tokens
from tslm.models.decoders.base import Decoder
from tslm.models.layers.patching import unpatch
from tslm.uncertainty.distributions.base import DistributionFamily
from tslm.uncertainty.distributions.point import POINT, PointFamily


class CoarseToFineDecoder(Decoder):
    """Next-segment decoder whose details depend on the means that it forecasts first.

    Without the dependence it is a linear ``SegmentDecoder``, and training begins there. A squared
    error is the sum of those of all bands, so each band is trained on its own part of the segment.

    Args:
        width: size of the hidden states, D.
        layout: gives the segment length P.
        task: not used.
        family: distribution of each value; points only.
        blocks: steps of the blocks whose means are forecast, the longest first; each divides the
            one before it, and the first divides P.
        hidden: width of the networks from the means to the details.

    Raises:
        ConfigError: if the blocks do not divide the segment.
    """

    families = (PointFamily,)

    def __init__(
        self,
        *,
        width: int,
        layout: Layout,
        task: Task,
        family: DistributionFamily = POINT,
        blocks: Sequence[int] = (24, 6),
        hidden: int = 64,
    ) -> None:
        super().__init__(family)
        self.step = layout.patch_len
        self.blocks = (*blocks, 1)
        longer = (self.step, *blocks)
        if any(a % b for a, b in zip(longer, blocks, strict=False)):
            raise ConfigError(
                f"decoder.blocks={list(blocks)} must divide each other and the segment of "
                f"{self.step} steps, such as decoder.blocks=[{max(self.step // 4, 1)}]."
            )
        self.project = nn.Linear(width, self.step)
        self.details = nn.ModuleList(
            nn.Sequential(
                nn.Linear(self.step // coarse, hidden, bias=False),
                nn.Tanh(),
                nn.Linear(hidden, self.step // fine, bias=False),
            )
            for coarse, fine in zip(self.blocks, self.blocks[1:], strict=False)
        )
        for detail in self.details:
            last = detail[-1]  # type: ignore[index]
            nn.init.zeros_(last.weight)

    @property
    def head(self) -> nn.Linear:
        return self.project

    def forward(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Float[Tensor, "S MR"]:
        raw = self.project(hidden)
        values = _means(raw, self.blocks[0])
        pairs = zip(self.blocks, self.blocks[1:], self.details, strict=False)
        for coarse, fine, detail in pairs:
            further = _means(raw, fine) + detail(values)
            kept = _repeated(values - _means(further, coarse // fine), coarse // fine)
            values = further + kept
        return unpatch(values)

    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        return repeat(mask, "S N -> S (N P)", P=self.step)


def _means(values: Float[Tensor, "S N P"], block: int) -> Float[Tensor, "S N Q"]:
    """Return the mean of each block of values."""
    return reduce(values, "S N (Q b) -> S N Q", "mean", b=block)


def _repeated(values: Float[Tensor, "S N Q"], block: int) -> Float[Tensor, "S N P"]:
    """Repeat each value as often as a block is long."""
    return repeat(values, "S N Q -> S N (Q b)", b=block)
