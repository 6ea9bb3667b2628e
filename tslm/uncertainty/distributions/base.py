"""The interface of a distribution family: outputs of a decoder in, distributions out."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from tslm.core.distribution import Distribution


class DistributionFamily(ABC):
    """A distribution family: turns R raw numbers of a decoder into one distribution.

    It has no weights. Raw numbers are in units of the standardised series. Zeros throughout give a
    distribution around 0 with a standard deviation near 1.

    Attributes:
        size: raw numbers per value, R.
    """

    size: int

    @abstractmethod
    def __call__(self, raw: Float[Tensor, "... R"]) -> Distribution:
        """Return one distribution for the R raw numbers of each value; any numbers are valid."""
