"""Segment decoder: each token predicts the segment that follows its own."""

from einops import repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tslm.core.types import Layout, Task, Tokens
from tslm.models.decoders.base import Decoder
from tslm.models.layers.mlp import Activation, mlp
from tslm.models.layers.patching import unpatch
from tslm.uncertainty.distributions.base import DistributionFamily
from tslm.uncertainty.distributions.point import POINT


class SegmentDecoder(Decoder):
    """Next-segment decoder: the whole series moved by one segment (AutoTimes, eq. 5).

    Args:
        width: size of the hidden states, D.
        layout: gives the segment length P.
        task: not used.
        family: distribution of each value.
        layers: linear layers; 1 is a linear map.
        hidden: width between the layers.
        activation: non-linearity between the layers: ``tanh``, ``relu`` or ``gelu``.
        dropout: dropout rate after each hidden layer.
    """

    reads_last = True

    def __init__(
        self,
        *,
        width: int,
        layout: Layout,
        task: Task,
        family: DistributionFamily = POINT,
        layers: int = 1,
        hidden: int = 512,
        activation: Activation = "tanh",
        dropout: float = 0.1,
    ) -> None:
        super().__init__(family)
        self.step = layout.patch_len
        self.project = mlp(
            width,
            family.size * layout.patch_len,
            layers=layers,
            hidden=hidden,
            activation=activation,
            dropout=dropout,
        )

    @property
    def head(self) -> nn.Linear:
        last = self.project[-1]
        assert isinstance(last, nn.Linear)
        return last

    def forward(self, hidden: Float[Tensor, "S N D"], tokens: Tokens) -> Float[Tensor, "S MR"]:
        return unpatch(self.project(hidden))

    def covered(self, mask: Bool[Tensor, "S N"]) -> Bool[Tensor, "S M"]:
        return repeat(mask, "S N -> S (N P)", P=self.step)
