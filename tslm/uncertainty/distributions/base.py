"""The interface of a law: raw numbers of a decoder in, distributions out."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from tslm.core.distribution import Distribution


class DistributionFamily(ABC):
    """What a decoder says of each value: ``size`` raw numbers a value become one distribution.

    It has no weights and knows no scale: raw numbers are in the units in which a decoder writes,
    where 1 is an ordinary deviation, and 0 throughout is a sensible law about 0.
    """

    size: int

    @abstractmethod
    def __call__(self, raw: Float[Tensor, "... R"]) -> Distribution:
        """One distribution of R raw numbers, whatever they are."""
