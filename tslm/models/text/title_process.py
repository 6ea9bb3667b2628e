"""Forecast of a series from its title and its first rows.

The titles of known series say which level, growth, season and noise a new series is expected to
have. These expectations are the prior of a Gaussian process over time; the rows of the series
itself are its data. Without rows the forecast is the prior. With more rows they prevail.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.errors import DataError
from tslm.core.float64 import exactly
from tslm.models.text.series_shape import SeriesShape
from tslm.models.text.title_regression import TitleRegression

SHAPES = 6  # most shapes of the season that titles tell; chosen by hand
EXPLAINED = 0.95  # share of the variance of seasons in these shapes


class Prior(NamedTuple):
    """Expectation of the numbers of one series.

    Attributes:
        mean: of each number.
        variance: of each number.
    """

    mean: Float[Tensor, " Q"]
    variance: Float[Tensor, " Q"]


class TitleForecast(NamedTuple):
    """Normal distribution of the steps ahead.

    Attributes:
        mean: of each step.
        covariance: of the steps.
    """

    mean: Float[Tensor, " H"]
    covariance: Float[Tensor, "H H"]


@dataclass(frozen=True)
class TitleProcess:
    """Gaussian process over time with a prior from titles.

    Attributes:
        numbers: regressions of level, growth, drift and noise, and then of each season shape.
        centre: mean season of the known series.
        shapes: shapes of the season, one a row.
        rest: variance of a season in each phase that the shapes leave out.
    """

    numbers: TitleRegression
    centre: Float[Tensor, " M"]
    shapes: Float[Tensor, "R M"]
    rest: Float[Tensor, " M"]

    @classmethod
    def of(
        cls,
        vectors: Float[Tensor, "N E"],
        shape: SeriesShape,
        pieces: int = 1,
        *,
        use: bool = True,
    ) -> "TitleProcess":
        """Learn from series with titles.

        Args:
            vectors: vector of each title.
            shape: shape of each series.
            pieces: number of equal pieces of a vector, each of which is compared by itself.
            use: False leaves the titles out: the prior is the mean of all series.
        """
        centre = shape.season.mean(0)
        left, size, right = torch.linalg.svd(shape.season - centre, full_matrices=False)
        power = size.square().cumsum(0) / size.square().sum().clamp(min=1e-30)
        count = min(SHAPES, int((power < EXPLAINED).sum()) + 1) if float(size.sum()) > 1e-9 else 0
        scores = left[:, :count] * size[:count]
        left_out = (shape.season - centre - scores @ right[:count]).square().mean(0)
        plain = torch.stack([shape.level, shape.growth, shape.drift, shape.noise], 1)
        numbers = TitleRegression.of(vectors, torch.cat([plain, scores], 1), pieces, use=use)
        return cls(numbers, centre, right[:count], left_out)

    def priors(self, vectors: Float[Tensor, "K E"]) -> list[Prior]:
        """Return the expectation of the numbers of new series, from the vectors of their titles."""
        return [Prior(*each) for each in zip(*self.numbers.predict(vectors), strict=True)]

    @property
    def informed(self) -> bool:
        """Return True if titles tell anything about growth or season."""
        _, growth, _, _, *season = self.numbers.kernels
        return any(kernel.share > 0 for kernel in (growth, *season))

    def forecast(
        self,
        prior: Prior,
        values: Float[Tensor, " T"],
        phase: Int[Tensor, " T"],
        ahead: Int[Tensor, " H"],
    ) -> TitleForecast:
        """Forecast the steps after the rows of one series.

        Args:
            prior: expectation of its numbers.
            values: rows; NaN where missing.
            phase: phase of each row.
            ahead: phase of each step.
        """
        mean, variance = prior
        seen = ~values.isnan()
        rows, steps = len(values), len(ahead)
        time = torch.arange(1 - rows, steps + 1, dtype=torch.float64)
        phases = torch.cat([phase, ahead])
        keep = torch.cat([seen, torch.ones(steps, dtype=torch.bool)])
        time, phases = time[keep], phases[keep]
        known = int(seen.sum())
        shapes = self.shapes[:, phases]
        tau = time / len(self.centre)
        centre = mean[0] + mean[1] * tau + self.centre[phases] + mean[4:] @ shapes
        drift, noise = (mean[2:4] + variance[2:4] / 2).exp()
        cov = variance[0] + variance[1] * tau[:, None] * tau
        cov = cov + (shapes.T * variance[4:]) @ shapes
        cov = cov + (phases[:, None] == phases) * self.rest[phases]
        near = torch.minimum(time[:, None].abs(), time.abs())
        cov = cov + drift * near * (time[:, None] * time > 0)
        cov = cov + noise * torch.eye(len(time), dtype=torch.float64)
        if not known:
            return TitleForecast(centre, cov)
        root = torch.linalg.cholesky(cov[:known, :known])
        half = torch.linalg.solve_triangular(root, cov[:known, known:], upper=False)
        gap = (exactly(values[seen]) - centre[:known])[:, None]
        error = torch.linalg.solve_triangular(root, gap, upper=False)
        return TitleForecast(
            centre[known:] + (half.T @ error)[:, 0], cov[known:, known:] - half.T @ half
        )

    def state(self) -> dict[str, Any]:
        """Return plain values and tensors for ``from_state``."""
        own = {"centre": self.centre, "shapes": self.shapes, "rest": self.rest}
        return {**own, **self.numbers.state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "TitleProcess":
        """Make a process from its ``state``.

        Raises:
            DataError: if its values do not fit together.
        """
        numbers = TitleRegression.from_state(state)
        centre, shapes, rest = (torch.as_tensor(state[n]) for n in ("centre", "shapes", "rest"))
        fits = (
            centre.shape == rest.shape
            and shapes.shape == (numbers.values.shape[1] - 4, len(centre))
            and all(p.dtype == torch.float64 for p in (centre, shapes, rest))
            and all(bool(p.isfinite().all()) for p in (centre, shapes, rest))
            and bool((rest >= 0).all())
        )
        if not fits:
            raise DataError("The saved titles do not fit together.")
        return cls(numbers, centre, shapes, rest)
