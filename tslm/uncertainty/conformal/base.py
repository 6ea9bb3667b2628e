"""The interface of a conformal method, and what all methods share."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float
from scipy.special import stdtrit
from torch import Tensor

from tslm.core.distribution import LEAST, Distribution
from tslm.core.errors import DataError
from tslm.core.float64 import exactly
from tslm.uncertainty.conformal.error_quantiles import GRID, grid
from tslm.uncertainty.conformal.validation_errors import ValidationErrors
from tslm.uncertainty.conformal.window_forecast import WindowForecast
from tslm.uncertainty.difficulty import DIFFICULTIES, Difficulty
from tslm.uncertainty.distributions.quantile import Quantiles, at_levels
from tslm.uncertainty.p_values import ScoreTail
from tslm.uncertainty.past_changes import quantiles_of_changes
from tslm.uncertainty.sample_paths import Template

ENOUGH = 4  # horizons of validation rows below which nothing is learnt from their errors
_STILL = 1e-6  # smaller errors are rounding, in units of the standardised series


@dataclass(frozen=True)
class Conformal(ABC):
    """A conformal method, fitted on validation errors: a distribution for each point forecast.

    A subclass defines ``learn`` and ``distribution``. A yaml file ``conf/conformal/NAME.yaml``
    makes it available as ``conformal=NAME``.

    With fewer than ``ENOUGH`` independent horizons of validation rows nothing is learnt, and
    widths come from past changes of each series (``tslm.uncertainty.past_changes``). n independent
    horizons support quantile levels from 1 / (n + 1) on; quantiles further out are widened as those
    of Student's t with n degrees of freedom.

    Departure from theory: validation windows overlap, so coverage is only approximate.

    Attributes:
        name: the name of its yaml file.
        corrects_quantiles: True if it corrects quantiles of the forecaster's own distribution; the
            forecaster must then have one.
        fallback: source of widths where nothing was learnt, in words; None if nothing is missed.
        n_levels: number of quantile levels at which errors are learnt.

    Args:
        difficulty: measure by which errors are divided, see ``tslm.uncertainty.difficulty``.
        season_length: steps of a season.
        growth: errors grow as (steps ahead) ** growth beyond the horizon; from 0 to 0.5.
        corrections: error at each quantile level of ``GRID`` and each step; no level if nothing
            was learnt, or the method corrects nothing.
        template: ranks that make sample paths coherent.
        independent: number of validation windows that would fit without overlap.
        stretch: factor on past changes at each step, at least 1; 1 where errors were learnt.
        tail: share of validation rows that are as unlikely as a value, for p-values.
    """

    name: ClassVar[str]
    corrects_quantiles: ClassVar[bool] = False
    fallback: ClassVar[str | None] = "past changes of each series"
    n_levels: ClassVar[int] = len(GRID)

    difficulty: Difficulty
    season_length: int
    growth: float
    corrections: Float[Tensor, "G H"]
    template: Template
    independent: float
    stretch: Float[Tensor, " H"]
    tail: ScoreTail = field(default_factory=ScoreTail.none)

    @classmethod
    @abstractmethod
    def learn(cls, errors: ValidationErrors) -> tuple[Difficulty, Float[Tensor, "G H"]]:
        """Return the measure of difficulty, and the error at each quantile level and step.

        Args:
            errors: errors of the forecaster on validation windows.
        """

    @abstractmethod
    def distribution(self, forecast: WindowForecast) -> Distribution:
        """Return the distribution of each value, ``[B, H, C]``.

        Args:
            forecast: by the forecaster that the method was fitted on.

        Raises:
            ConfigError: if the method needs a distribution that the forecaster does not have.
        """

    @classmethod
    def fit(cls, errors: ValidationErrors) -> "Conformal":
        """Learn from the errors on validation windows.

        Args:
            errors: errors of the forecaster on validation windows.
        """
        difficulty, corrections = cls.learn(errors)
        template = Template.of(errors.errors)
        return cls(
            difficulty,
            errors.season_length,
            error_growth(errors.errors),
            corrections,
            template,
            min(errors.independent, float(len(template))),
            torch.ones(errors.errors.shape[1]),
        )

    @classmethod
    def of_changes(
        cls,
        season_length: int,
        h: int,
        independent: float = 0.0,
        stretch: Float[Tensor, " H2"] | None = None,
    ) -> "Conformal":
        """Take widths from past changes, where there are too few validation rows to learn from.

        Args:
            season_length: steps of a season, whose changes count; 1 if only changes from step to
                step count.
            h: steps that are forecast.
            independent: number of validation windows that would fit without overlap.
            stretch: factor on past changes, see ``tslm.uncertainty.past_changes.fit_changes``.
        """
        wide = torch.ones(1) if stretch is None else stretch
        wide = wide[torch.arange(h).clamp(max=len(wide) - 1)]
        walks = Template.of_walks(h)
        return cls("none", season_length, 0.5, torch.empty(0, h), walks, independent, wide)

    @property
    def learnt(self) -> bool:
        """Return True if there were enough validation rows to learn from."""
        return self.independent >= ENOUGH

    def paths(
        self, forecast: WindowForecast, count: int, seed: int
    ) -> Float[Tensor, "paths B H C"]:
        """Return sample paths of each series, coherent over the horizon; see ``Template``.

        Args:
            forecast: by the forecaster that the method was fitted on.
            count: paths of each series.
            seed: seed of the draws.
        """
        levels = forecast.path_levels(self.template, count, seed, forecast.horizon)
        return self.distribution(forecast).at(levels.to(forecast.point))

    def changes(self, forecast: WindowForecast) -> Float[Tensor, "G B H C"]:
        """Return quantiles about the point forecast by the past changes of each series."""
        step = torch.arange(forecast.horizon).clamp(max=len(self.stretch) - 1)
        return quantiles_of_changes(
            forecast.batch.past, self.season_length, forecast.point, self.stretch[step], grid()
        )

    def corrections_for(self, horizon: int) -> Float[Tensor, "G H2"]:
        """Return the corrections of any number of steps.

        Beyond the H steps that were learnt the last season of them is repeated, and grows.
        """
        seen = self.corrections.shape[1]
        step = torch.arange(horizon)
        period = min(self.season_length, seen)
        source = torch.where(step < seen, step, seen - period + (step - seen) % period)
        factor = ((step + 1) / (source + 1)) ** self.growth
        return self.corrections[:, source] * factor.to(self.corrections)

    def widened(self, values: Float[Tensor, "G B H C"]) -> Float[Tensor, "G B H C"]:
        """Widen quantiles that too few validation windows support, as those of Student's t."""
        lowest = (1 - 1e-9) / (self.independent + 1)
        supported = torch.minimum(grid(), 1 - grid()) >= lowest
        if supported.all():
            return values
        heavy = torch.from_numpy(np.asarray(stdtrit(self.independent, grid().numpy())))
        factor = torch.where(grid() == 0.5, 1.0, heavy / torch.special.ndtri(grid()))
        median = values[GRID.index(0.5)]
        wider = median + (values - median) * factor.to(values)[:, None, None, None]
        return torch.where(supported[:, None, None, None], values, wider)

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors from which ``from_state`` makes the same."""
        return {
            "kind": self.name,
            "unit": self.difficulty,
            "growth": self.growth,
            "season_length": self.season_length,
            "independent": self.independent,
            "corrections": self.corrections,
            "ranks": self.template.ranks,
            "stretch": self.stretch,
            "scores": self.tail.knots,
            "scores.tail": self.tail.tail,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Conformal":
        """Make a method from its ``state``.

        Raises:
            DataError: if its values do not fit together.
        """
        corrections, ranks = state["corrections"], state["ranks"]
        independent, stretch = state["independent"], state["stretch"]
        tail = ScoreTail(state["scores"], state["scores.tail"])
        levels = cls.n_levels if isinstance(independent, float) and independent >= ENOUGH else 0
        fits = (
            isinstance(state["growth"], float)
            and 0 <= state["growth"] <= 0.5
            and isinstance(state["season_length"], int)
            and state["season_length"] >= 1
            and state["unit"] in DIFFICULTIES
            and isinstance(independent, float)
            and 0 <= independent <= max(len(ranks), ENOUGH)
            and ranks.ndim == 2
            and ranks.dtype == torch.int16
            and corrections.shape == (levels, ranks.shape[1])
            and bool(((ranks >= 1) & (ranks <= len(ranks))).all())
            and bool(torch.isfinite(corrections).all())
            and stretch.shape == ranks.shape[1:]
            and bool(torch.isfinite(stretch).all() and (stretch >= 1).all())
            and tail.is_valid()
        )
        if not fits:
            raise DataError("The saved intervals do not fit together. Save the model again.")
        if independent < ENOUGH:
            return cls.of_changes(state["season_length"], ranks.shape[1], independent, stretch)
        return cls(
            state["unit"],
            state["season_length"],
            state["growth"],
            corrections,
            Template(ranks),
            independent,
            stretch,
            tail,
        )


def from_quantiles(values: Float[Tensor, "G B H C"]) -> Quantiles:
    """Return the distributions that have these values at the levels of ``GRID``.

    Values are sorted first, so that quantiles never cross (Chernozhukov, Fernandez-Val and
    Galichon, "Quantile and Probability Curves Without Crossing", Econometrica 78, 2010). No
    distribution is a single value: where the quantiles next to the median are equal, the standard
    deviation is at least ``LEAST``.
    """
    ordered = _with_least_spread(values.sort(0).values)
    return at_levels(rearrange(ordered, "G B H C -> B H C G"), GRID)


def _with_least_spread(values: Float[Tensor, "G B H C"]) -> Float[Tensor, "G B H C"]:
    """Widen distributions whose quantiles next to the median are equal, up to rounding.

    Errors that are all 0, as of a series that repeats exactly, would give intervals of width 0.
    """
    middle = GRID.index(0.5)
    still = values[middle + 1] - values[middle - 1] <= _STILL
    if not still.any():
        return values
    scores = torch.special.ndtri(grid()).to(values)[:, None, None, None]
    return torch.where(still, wider(values, values[middle] + LEAST * scores), values)


def wider(
    one: Float[Tensor, "G B H C"], other: Float[Tensor, "G B H C"]
) -> Float[Tensor, "G B H C"]:
    """Return the quantile further from the middle at each level; the median is that of ``one``."""
    level = grid()[:, None, None, None]
    outer = torch.where(level < 0.5, torch.minimum(one, other), torch.maximum(one, other))
    return torch.where(level == 0.5, one, outer)


def error_growth(errors: Float[Tensor, "N H"]) -> float:
    """Return the power of the steps ahead by which errors grow, from 0 to that of a random walk."""
    if errors.shape[1] == 1:
        return 0.5
    size = exactly(errors).square().mean(0).clamp(min=1e-24).log() / 2
    ahead = torch.arange(1, len(size) + 1, dtype=torch.float64).log()
    ahead = ahead - ahead.mean()
    return float(((ahead * size).sum() / ahead.square().sum()).clamp(0, 0.5))
