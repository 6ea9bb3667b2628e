"""What may come, value by value: the interface that forecasts, intervals and samples share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from einops import rearrange
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Distribution(ABC):
    """One distribution for each value of a tensor; its fields have at most one axis more, the last.

    Shapes below leave out what they have in common, the shape ``...`` of the values.
    """

    @property
    @abstractmethod
    def point(self) -> Float[Tensor, "..."]:
        """What a point forecast says: the mean or the median."""

    @abstractmethod
    def at(self, shares: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The values below which these shares lie, each of its own distribution.

        Args:
            shares: within (0, 1), on any device; broadcast against the values, so that
                ``[n, ...]`` gives n each.
        """

    @abstractmethod
    def loss(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """What training makes small, at each value: a proper score."""

    @abstractmethod
    def moved(self, factor: Float[Tensor, "..."], shift: Float[Tensor, "..."]) -> "Distribution":
        """The distribution of ``factor * x + shift``, ``factor`` above 0; both broadcast."""

    def quantile(self, shares: Float[Tensor, " Q"]) -> Float[Tensor, "Q ..."]:
        """The values below which shares lie, of every distribution."""
        like = self.point
        return self.at(shares.view(-1, *[1] * like.ndim))

    def each(self, change: Callable[[Tensor], Tensor]) -> "Distribution":
        """The same distributions with every field changed in the axes of the values."""
        return replace(self, **{f.name: change(getattr(self, f.name)) for f in fields(self)})

    def rearranged(self, pattern: str, **sizes: int) -> "Distribution":
        """The same distributions in another order, by an einops pattern of the values."""
        before, _, after = pattern.partition("->")
        return self.each(lambda part: rearrange(part, f"{before} ... -> {after} ...", **sizes))
