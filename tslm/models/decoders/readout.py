"""Linear map that learns as fast as a map of fewer inputs.

Yang et al., "Tensor Programs V: tuning large neural networks via zero-shot hyperparameter
transfer", NeurIPS 2021, table 8: inputs of an output layer are divided by their number.
"""

from jaxtyping import Float
from torch import Tensor, nn


class Readout(nn.Linear):
    """Linear map of n inputs, each multiplied by ``usual / n`` if n is above ``usual``.

    Adam changes every weight by about the learning rate, so the output of a plain map changes by
    about n times that. With the factor, one learning rate suits maps of different sizes.

    Args:
        inputs: number of inputs, n.
        outputs: number of outputs.
        usual: number of inputs for which the learning rate was chosen; None is n, a plain map.
    """

    def __init__(self, inputs: int, outputs: int, *, usual: int | None = None) -> None:
        super().__init__(inputs, outputs)
        self.scale = 1.0 if usual is None else min(usual / inputs, 1.0)

    def forward(self, input: Float[Tensor, "*B n"]) -> Float[Tensor, "*B m"]:
        return super().forward(input * self.scale)
