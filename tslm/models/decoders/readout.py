"""A linear map that learns at the pace of a smaller one.

Yang et al., "Tensor Programs V: tuning large neural networks via zero-shot hyperparameter
transfer", NeurIPS 2021, table 8: inputs of an output layer are divided by their number.
"""

from jaxtyping import Float
from torch import Tensor, nn


class Readout(nn.Linear):
    """A linear map of n inputs, each multiplied by ``usual / n`` if they are more than usual.

    Adam moves every weight by about the learning rate, so what a plain map gives moves by n of
    these. Here it moves as one of ``usual`` inputs does, and begins as near to zero.

    Args:
        inputs: how many there are, n.
        outputs: how many values it gives.
        usual: inputs of the map whose learning rate is to serve; None is n, a plain map.
    """

    def __init__(self, inputs: int, outputs: int, *, usual: int | None = None) -> None:
        super().__init__(inputs, outputs)
        self.scale = 1.0 if usual is None else min(usual / inputs, 1.0)

    def forward(self, input: Float[Tensor, "*B n"]) -> Float[Tensor, "*B m"]:
        return super().forward(input * self.scale)
