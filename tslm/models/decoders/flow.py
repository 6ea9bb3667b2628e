"""Flow decoder: each token predicts the joint distribution of the segment that follows its own."""

from typing import ClassVar

from einops import rearrange, repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.distribution import Distribution
from tslm.core.errors import ConfigError
from tslm.core.types import Layout, Task, Tokens
from tslm.models.decoders.base import Decoder
from tslm.models.layers.patching import unpatch
from tslm.models.layers.segment_flow import FlowLaw, SegmentFlow
from tslm.uncertainty.distributions.base import DistributionFamily
from tslm.uncertainty.distributions.path import Paths
from tslm.uncertainty.distributions.point import POINT, PointFamily


class FlowDecoder(Decoder):
    """Next-segment decoder whose sample paths are drawn a segment at a time.

    The point forecast is a linear map of the hidden state, trained by its squared error. A flow
    gives the errors of all steps of a segment together, see ``SegmentFlow``.

    Args:
        width: size of the hidden states, D.
        layout: gives the segment length P.
        task: not used.
        family: a point; the flow is the distribution.
        hidden: width of the network of the flow.
        steps: Euler steps of a draw.

    Raises:
        ConfigError: if the tokens are no segments, or the family is not a point.
    """

    families: ClassVar[tuple[type[DistributionFamily], ...]] = (PointFamily,)
    reads_last = True
    segments = True
    joint = True

    def __init__(
        self,
        *,
        width: int,
        layout: Layout,
        task: Task,
        family: DistributionFamily = POINT,
        hidden: int = 192,
        steps: int = 8,
    ) -> None:
        super().__init__(family)
        if not layout.grows:
            raise ConfigError(
                "decoder=flow needs tokens that are segments of the series. Use adapter=autotimes, "
                "or another decoder: decoder=quantile."
            )
        if not isinstance(family, PointFamily):
            raise ConfigError("decoder=flow is a distribution itself. Leave out distribution.")
        self.step = layout.patch_len
        self.project = nn.Linear(width, self.step)
        self.flow = SegmentFlow(width, self.step, hidden=hidden, steps=steps)

    @property
    def head(self) -> nn.Linear:
        return self.project

    def forward(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Float[Tensor, "S M"]:
        return unpatch(self.project(hidden))

    def distribution(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Distribution:
        rows = rearrange(hidden, "S N D -> (S N) D")
        found = Paths.of(FlowLaw(self.project(rows), rows, self.flow))
        return found.rearranged("(S N) P -> S (N P)", S=len(hidden))

    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        return repeat(mask, "S N -> S (N P)", P=self.step)
