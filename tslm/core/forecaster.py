"""The interface of every forecaster: windows in, point forecasts, distributions or paths out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jaxtyping import Float, Int
from torch import Size, Tensor, nn

from tslm.core.distribution import Distribution
from tslm.core.float64 import exactly
from tslm.core.types import Batch, Contribution, Facts, Sizes


class Forecaster(nn.Module, ABC):
    """A model that continues windows of series: a network, or a classical rule.

    Attributes:
        multivariate: True if it reads all channels of a window together; False if it forecasts
            each channel as if it were alone.
        any_horizon: True if one fitted model serves every horizon. Others are best fitted for
            each horizon, and are rolled out beyond theirs.
        distribution_horizon: steps for which it gives a distribution itself; 0 for points only.
        step: steps of one pass, by which it is trained and rolls on; 0 for a rule that gives any
            number at once.
        reads_time: True if the forecast depends on the times of a window.
        reads_covariates: True if it reads covariates that are known in advance itself, as
            ``Batch.known``.
        subtracts_effects: False if effects of covariates are not subtracted from the series; it
            then reads them in their own units.
        validated: True if its distribution comes from forecasts of rolling origins in each context,
            so that it can be trusted without validation rows.
        patch_len: steps between the times that ``prepare`` reads; 0 if it needs no times.
        calibration_windows: most validation windows that are forecast to calibrate intervals.
        example_length: first rows of a context that may hold an example of another series; 0 if
            it takes no examples.
        reach: rows of a series that a forecast reads, where they are more than the context it is
            trained on; 0 for the context.
    """

    multivariate: bool = False
    any_horizon: bool = False
    distribution_horizon: int = 0
    step: int = 0
    reads_time: bool = False
    reads_covariates: bool = False
    subtracts_effects: bool = True
    validated: bool = False
    patch_len: int = 0
    calibration_windows: int = 1024
    example_length: int = 0
    reach: int = 0

    @classmethod
    def suggest(cls, facts: Facts, context_length: int | None, options: Mapping[str, Any]) -> Sizes:
        """Sizes for these data; what the user has set (is not None) stays as it is."""
        return Sizes(context_length or max(512, 2 * facts.season_length))

    @abstractmethod
    def forecast(self, batch: Batch, horizon: int) -> Float[Tensor, "B H C"]:
        """Continue each window by ``horizon`` steps, in its own units.

        Args:
            batch: contexts, with times of at least ``horizon`` steps after them; ``future`` is not
                read.
            horizon: steps to forecast, H.
        """

    def distribution(self, batch: Batch, horizon: int) -> Distribution:
        """Return the distribution of each step, ``[B, H, C]``.

        Args:
            batch: contexts, as in ``forecast``.
            horizon: steps, at most ``distribution_horizon``.
        """
        raise NotImplementedError(f"{type(self).__name__} gives points only.")

    def paths(self, batch: Batch, levels: Float[Tensor, "B H2 C"]) -> Float[Tensor, "B H2 C"]:
        """Draw one sample path of each window; each step depends on those before it.

        Args:
            batch: contexts, as in ``forecast``.
            levels: quantile level of each value, in (0, 1); H2 is a multiple of ``step``.
        """
        raise NotImplementedError(f"{type(self).__name__} draws no paths step by step.")

    def prepare(self, time: Int[Tensor, " T"]) -> None:
        """Compute, once and without gradients, what windows at these times need.

        This only saves time: what is not prepared is computed when it is first needed.

        Args:
            time: distinct times at which a patch of a window may start.
        """

    @property
    def trains(self) -> bool:
        """Return True if it has weights that training changes, by ``loss``."""
        return any(weight.requires_grad for weight in self.parameters())

    def loss(self, batch: Batch, criterion: str = "mse") -> Float[Tensor, ""]:
        """Return the mean error that training minimises.

        Args:
            batch: windows and the ``step`` steps after them.
            criterion: the error of a point forecast: ``mse``, ``mae`` or ``huber``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no weights to train.")

    def validation_error(self, batch: Batch, horizon: int) -> Float[Tensor, "B K C"]:
        """Return the error of each forecast step: the loss of a distribution, or the squared error.

        Args:
            batch: contexts and the steps that follow them.
            horizon: steps to forecast; a distribution may have fewer.
        """
        if self.distribution_horizon:
            steps = min(self.distribution_horizon, horizon)
            return self.distribution(batch, steps).loss(batch.future[:, :steps])
        return exactly(self.forecast(batch, horizon) - batch.future[:, :horizon]).square()

    def settled(self, val: Iterable[Batch]) -> "Forecaster":
        """Return the forecaster to keep after training: itself, unless training chooses its parts.

        Args:
            val: windows with the steps that follow them, to choose by.
        """
        return self

    def learn(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        """Learn from windows, once and without gradients; an empty hook.

        Args:
            train: windows with the steps that follow them; can be read several times.
            val: the same, to choose by; may be empty.
        """

    def take_sizes(self, shapes: Mapping[str, Size]) -> None:
        """Take the sizes of saved buffers, where they depend on the data; an empty hook.

        Args:
            shapes: sizes of the saved buffers by their names; from an untrusted file.
        """

    @property
    def learner(self) -> "Forecaster":
        """Return the part that has the trained weights: itself, or a member of a mix."""
        return self

    @property
    def shrinkage(self) -> float | None:
        """Return the factor in [0, 1] of the correction of a base forecast; None without base."""
        return None

    @property
    def contributions(self) -> Sequence[Contribution]:
        """Return the contribution of each member; none if this is not a mix."""
        return ()

    def calibrate(self, val: Iterable[Batch]) -> None:
        """Choose, after training, what only validation windows can tell; an empty hook.

        Args:
            val: windows with the steps that follow them; may be empty.
        """
