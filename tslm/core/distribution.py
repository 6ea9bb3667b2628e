"""The interface of predictive distributions: forecasts, intervals and samples use it."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

from einops import rearrange
from jaxtyping import Float
from torch import Tensor

LEAST = 1e-3  # smallest standard deviation, in units of the standardised series; chosen by hand


@dataclass(frozen=True)
class Distribution(ABC):
    """Predictive distributions, one for each value of a tensor.

    ``...`` is the shape of the values. A field may have one more axis, the last.
    """

    @property
    @abstractmethod
    def point(self) -> Float[Tensor, "..."]:
        """Return the point forecast: the mean or the median."""

    @abstractmethod
    def at(self, levels: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return quantiles: each distribution at a quantile level of its own.

        Args:
            levels: quantile levels in (0, 1), on any device. They are broadcast against the
                values, so ``[n, ...]`` gives n quantiles of each distribution.
        """

    @abstractmethod
    def loss(self, truth: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return the training loss at each value: a proper score."""

    @abstractmethod
    def moved(self, factor: Float[Tensor, "..."], shift: Float[Tensor, "..."]) -> "Distribution":
        """Return the distribution of ``factor * x + shift``, broadcast; ``factor`` is above 0."""

    def quantile(self, levels: Float[Tensor, " Q"]) -> Float[Tensor, "Q ..."]:
        """Return quantiles of every distribution at the same quantile levels."""
        like = self.point
        return self.at(levels.view(-1, *[1] * like.ndim))

    def each(self, change: Callable[[Tensor], Tensor]) -> "Distribution":
        """Return the distributions with ``change`` applied to every field."""
        return replace(self, **{f.name: change(getattr(self, f.name)) for f in fields(self)})

    def rearranged(self, pattern: str, **sizes: int) -> "Distribution":
        """Return the distributions in another order, by an einops pattern of the values."""
        before, _, after = pattern.partition("->")
        return self.each(lambda part: rearrange(part, f"{before} ... -> {after} ...", **sizes))
