"""The interface of a roll-out: from a model of one pass to a forecast of any horizon."""

from abc import ABC, abstractmethod
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from tslm.core.types import Batch, Layout, Task, Tokens
from tslm.models.adapters.base import Adapter
from tslm.models.backbones.base import Backbone
from tslm.models.decoders.base import Decoder
from tslm.models.layers.scale import Scale
from tslm.models.network import Network


class RolledModel(Network):
    """Network as a roll-out sees it: its three parts, and the segment after a hidden state."""

    adapter: Adapter
    backbone: Backbone
    decoder: Decoder

    @abstractmethod
    def ahead(
        self, batch: Batch, levels: Float[Tensor, "B P C"] | None = None, *, segments: int = 1
    ) -> Float[Tensor, "B P C"]:
        """Return the segments that follow each context, from one pass.

        Args:
            batch: contexts, with the times of the segments.
            levels: quantile level of each value, in (0, 1); None returns points.
            segments: number of segments, at most that of the roll-out.
        """

    @abstractmethod
    def next_segment(
        self,
        hidden: Float[Tensor, "S 1 D"],
        tokens: Tokens,
        scale: Scale,
        past: Float[Tensor, "B L C"],
        time: Int[Tensor, "B T"],
        levels: Float[Tensor, "B P C"] | None,
    ) -> Float[Tensor, "B P C"]:
        """Decode the segment that follows a token.

        Args:
            hidden: hidden state of the token.
            tokens: the tokens that were read with it.
            scale: level and spread by which values are restored.
            past: the window before the segment, in its own units.
            time: time of each step of the window.
            levels: quantile level of each value, in (0, 1); None returns points.

        Returns:
            The segment, in the units of the window.
        """


class Rollout(nn.Module, ABC):
    """Method for horizons longer than one pass.

    Every roll-out is built with ``width``, ``layout`` and ``task``.

    Args:
        width: size of a token vector, D.
        layout: number and length of the tokens of the adapter.
        task: lengths, season and frequency.

    Attributes:
        reads_together: True if it can continue series that the backbone reads together.
        segments: segments of a pass, on which the model is trained.
    """

    reads_together: bool = False
    segments: int = 1

    def __init__(self, *, width: int, layout: Layout, task: Task) -> None:
        super().__init__()

    @classmethod
    def segments_of(cls, horizon: int, patch_len: int, **options: Any) -> int:
        """Return the segments of a pass.

        Args:
            horizon: steps to forecast by default.
            patch_len: steps of a segment.
            options: options of the roll-out.
        """
        return 1

    def append(self, tokens: Tokens, adapter: Adapter, time: Int[Tensor, "S K"]) -> Tokens:
        """Return tokens of contexts, followed by those of segments that are not known yet.

        Args:
            tokens: tokens of the contexts.
            adapter: the adapter that made them.
            time: first time of each unknown segment; K is 0 if one segment is forecast.
        """
        assert not time.shape[1], "this roll-out forecasts one segment per pass"
        return tokens

    @abstractmethod
    def roll(
        self,
        model: RolledModel,
        batch: Batch,
        horizon: int,
        levels: Float[Tensor, "B H2 C"] | None = None,
    ) -> Float[Tensor, "B H2 C"]:
        """Forecast a horizon.

        Args:
            model: the model that is rolled out.
            batch: contexts, with the times of the horizon, on the device of the model.
            horizon: steps to forecast.
            levels: quantile level of each value, in (0, 1); None forecasts points.

        Returns:
            Values that cover the horizon, H2 >= ``horizon``.
        """
