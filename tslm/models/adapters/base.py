"""The interface of an adapter: a normalised series in, what the body reads out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from tslm.core.errors import ConfigError
from tslm.core.messages import check_choice
from tslm.core.types import Attribution, Batch, Context, Facts, Layout, Sizes, Tokens
from tslm.models.layers.scale import NORMS, Norm, Scale


class Adapter(nn.Module, ABC):
    """An adapter turns windows into tokens. Each is made with ``lexicon`` and ``task``.

    Args:
        norm: how windows are normalised, see ``Scale.of``.
        floor: least spread a window is divided by, in units of the training spread.

    Raises:
        ConfigError: if the norm is unknown.
    """

    layout: Layout
    needs_causal: bool = False
    reads_time: bool = False  # times of the steps reach the backbone
    reads_text: bool = False  # what is said of the data reaches the body
    any_horizon: bool = False  # one model serves every horizon; else one is best made for each
    portable: tuple[str, ...] = ("",)  # beginnings of the names of what other data can begin with

    def __init__(self, norm: Norm, floor: float) -> None:
        super().__init__()
        check_choice("norm", norm, NORMS)
        self.norm: Norm = norm
        self.floor = floor

    @classmethod
    @abstractmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Sizes for these data; what the user has set (is not None) stays as it is."""

    @classmethod
    def language(cls, options: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """Options that take its language away, by the name of the arm; none if it has no language.

        Args:
            options: those it is used with.
        """
        return {}

    def made(self, context: Context) -> Attribution:
        """Attribute the tokens of normalised windows to words.

        Raises:
            ConfigError: if they are made of nothing that has to do with words.
        """
        raise ConfigError(f"{type(self).__name__} makes its tokens of nothing that words explain.")

    @abstractmethod
    def forward(self, context: Context) -> Tokens:
        """Lay out normalised series as tokens."""

    def scale(self, past: Float[Tensor, "B L C"]) -> Scale:
        """Level and spread by which windows are normalised."""
        return Scale.of(past, self.norm, self.layout.patch_len, self.floor)

    def begin(self, weights: Mapping[str, Tensor]) -> None:
        """Take over what is portable of another adapter of this kind.

        Args:
            weights: its state.

        Raises:
            ConfigError: if a tensor is missing or has another shape.
        """
        own = {k: v for k, v in self.state_dict().items() if k.startswith(self.portable)}
        for name, tensor in own.items():
            found = tuple(weights[name].shape) if name in weights else "not there"
            if found != tuple(tensor.shape):
                raise ConfigError(
                    f"The pretrained weights do not fit: {name} is {found}, and must be "
                    f"{tuple(tensor.shape)}. Give the adapter the options, and the body the width, "
                    "that they were trained with."
                )
        self.load_state_dict({name: weights[name] for name in own}, strict=False)

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        """Learn, once and without gradients, what rows at these times will need.

        Called before training and before forecasting, with every time at which a patch of a
        coming window can start. An empty hook: most adapters need nothing.
        """

    def learn(self, train: Iterable[Batch]) -> None:
        """Learn, once and without gradients, what training windows tell; kept in buffers.

        Called before training. An empty hook: most adapters need nothing.

        Args:
            train: windows with the steps that follow them; can be read several times.
        """
