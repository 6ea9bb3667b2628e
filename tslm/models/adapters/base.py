"""The interface of an adapter: from normalised windows to tokens for the backbone."""

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
    """Map from normalised windows to tokens. Every adapter is built with ``lexicon`` and ``task``.

    Args:
        norm: normalisation of windows, see ``Scale.of``.
        floor: smallest spread by which a window is divided, in units of the training spread.

    Raises:
        ConfigError: if the norm is unknown.

    Attributes:
        layout: number and length of the tokens, for the decoder.
        needs_causal: True if the backbone must be causal.
        reads_time: True if tokens depend on the times of the steps.
        reads_text: True if tokens depend on the description of the data or the text of a series.
        any_horizon: True if one fitted model serves every horizon; others are best fitted for each.
        portable: prefixes of the names of tensors that can be used for other data, see ``begin``.
    """

    layout: Layout
    needs_causal: bool = False
    reads_time: bool = False
    reads_text: bool = False
    any_horizon: bool = False
    portable: tuple[str, ...] = ("",)

    def __init__(self, norm: Norm, floor: float) -> None:
        super().__init__()
        check_choice("norm", norm, NORMS)
        self.norm: Norm = norm
        self.floor = floor

    @classmethod
    @abstractmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Suggest sizes for these data.

        Args:
            facts: horizon, season and longest series of the data.
            context_length: set by the user; None if not.
            options: options of the adapter; those that are not None stay as they are.
        """

    @classmethod
    def language(cls, options: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """Return the options that remove the language, by the name of the arm of an ablation.

        An adapter without language returns none.

        Args:
            options: options of the adapter in use.
        """
        return {}

    def made(self, context: Context) -> Attribution:
        """Attribute the tokens of normalised windows to words.

        Raises:
            ConfigError: if the adapter does not use words.
        """
        raise ConfigError(
            f"{type(self).__name__} does not use words with these options, so there is "
            "nothing to explain. Use adapter=time_llm, or adapter=s2ip with anchors."
        )

    @abstractmethod
    def forward(self, context: Context) -> Tokens:
        """Turn normalised windows into tokens."""

    def unknown(
        self, vectors: Float[Tensor, "S K D"], time: Int[Tensor, "S K"]
    ) -> Float[Tensor, "S K D"]:
        """Return tokens of segments of which only the times are known.

        Most adapters do not read times, and return the vectors unchanged.

        Args:
            vectors: learnt vectors, in place of the values.
            time: first time of each segment.
        """
        return vectors

    def scale(self, past: Float[Tensor, "B L C"]) -> Scale:
        """Return the level and the spread by which windows are normalised."""
        return Scale.of(past, self.norm, self.layout.patch_len, self.floor)

    def begin(self, weights: Mapping[str, Tensor]) -> None:
        """Start from the portable tensors of another adapter of this class.

        Args:
            weights: the state of the other adapter.

        Raises:
            ConfigError: if a tensor is missing or has another shape.
        """
        own = {k: v for k, v in self.state_dict().items() if k.startswith(self.portable)}
        for name, tensor in own.items():
            found = tuple(weights[name].shape) if name in weights else "missing"
            if found != tuple(tensor.shape):
                raise ConfigError(
                    f"The pretrained weights do not fit: {name} is {found}, and must be "
                    f"{tuple(tensor.shape)}. Use the adapter options and the backbone with which "
                    "they were trained."
                )
        self.load_state_dict({name: weights[name] for name in own}, strict=False)

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        """Compute once, without gradients, the quantities that depend on times only.

        It is called before training and before forecasting. Most adapters do nothing here.

        Args:
            time: every time at which a patch of a later window can start.
        """

    def learn(self, train: Iterable[Batch]) -> None:
        """Learn buffers from training windows, once and without gradients.

        It is called before training. Most adapters do nothing here.

        Args:
            train: windows with the steps that follow them; can be iterated several times.
        """
