"""Errors of a forecaster on validation windows: what conformal methods learn from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch
from tslm.uncertainty.conformal.error_quantiles import grid
from tslm.uncertainty.conformal.window_forecast import WindowForecast
from tslm.uncertainty.difficulty import DIFFICULTIES, Difficulty, difficulty
from tslm.uncertainty.sample_paths import Template


@dataclass(frozen=True)
class ValidationErrors:
    """Errors on validation windows: one row per window and channel, in the order of time.

    Args:
        errors: truth less point forecast.
        difficulties: difficulty of each window, by the name of its measure.
        quantile_errors: truth less the forecaster's own quantile at each level of ``GRID``; no
            level if they were not requested.
        new_fraction: fraction of each window that no earlier window covers, in (0, 1].
        season_length: steps of a season.
        independent: number of windows that would fit without overlap.
        points: point forecasts of each batch of windows, ``[B, H, C]``.
    """

    errors: Float[Tensor, "N H"]
    difficulties: dict[Difficulty, Float[Tensor, "N H"]]
    quantile_errors: Float[Tensor, "G N H"]
    new_fraction: float
    season_length: int
    independent: float
    points: Sequence[Tensor] = ()

    @classmethod
    @torch.no_grad()
    def of(
        cls,
        forecaster: Forecaster,
        val: Sequence[Batch],
        season_length: int,
        h: int,
        independent: float,
        with_quantiles: bool,
    ) -> "ValidationErrors | None":
        """Forecast validation windows and collect the errors.

        Args:
            forecaster: trained.
            val: windows with the h steps that follow them; may be empty.
            season_length: steps of a season.
            h: steps that are forecast.
            independent: number of windows that would fit without overlap.
            with_quantiles: True to collect errors of the forecaster's own quantiles too.

        Returns:
            The errors; None if no truth is observed.
        """
        if all(batch.future.isnan().all() for batch in val):
            return None
        points, errors = [], []
        measured: dict[Difficulty, list[Tensor]] = {kind: [] for kind in DIFFICULTIES}
        for batch in val:
            point = forecaster.forecast(batch, h)
            points.append(point)
            errors.append(_rows(batch.future - point))
            for kind, parts in measured.items():
                parts.append(_rows(difficulty(batch.past, season_length, h, kind)))
        begin = [b.time[:, b.past.shape[1]].repeat_interleave(b.past.shape[2]) for b in val]
        joined, start = torch.cat(errors), torch.cat(begin)
        rows, columns = _observed(joined, start.argsort(stable=True))
        observed = joined[rows, columns]
        gaps = joined.new_empty(0, *joined.shape)
        if with_quantiles:
            template = Template.of(observed)
            gaps = torch.cat(
                [
                    _quantile_errors(forecaster, batch, point, template)
                    for batch, point in zip(val, points, strict=True)
                ],
                1,
            )
        return cls(
            observed,
            {kind: torch.cat(parts)[rows, columns] for kind, parts in measured.items()},
            gaps[:, rows, columns],
            _new_fraction(val[0].time, start, h),
            season_length,
            independent,
            points,
        )

    def part(self, rows: slice) -> "ValidationErrors":
        """Return the errors of some of the windows, in the order of time."""
        return replace(
            self,
            errors=self.errors[rows],
            difficulties={name: part[rows] for name, part in self.difficulties.items()},
            quantile_errors=self.quantile_errors[:, rows],
        )


def _rows(values: Float[Tensor, "B H C"]) -> Float[Tensor, "S H"]:
    return rearrange(values, "B H C -> (B C) H")


def _new_fraction(time: Int[Tensor, "B T"], start: Int[Tensor, " N"], h: int) -> float:
    """Return the horizons from the first window to the last, per window; at most 1."""
    step = float((time[0, -1] - time[0, 0]) / (time.shape[1] - 1))
    passed = float(start.max() - start.min()) / step / h + 1
    return min(passed / len(start), 1.0)


def _quantile_errors(
    forecaster: Forecaster, batch: Batch, point: Float[Tensor, "B H C"], template: Template
) -> Float[Tensor, "G S H"]:
    """Return the truth less each quantile of the forecaster's own distribution."""
    keys = list(range(len(batch.past) * batch.past.shape[2]))
    forecast = WindowForecast(forecaster, batch, point, keys)
    quantiles = forecast.own_distribution(template).quantile(grid())
    return rearrange(batch.future - quantiles, "G B H C -> G (B C) H")


def _observed(
    errors: Float[Tensor, "N H"], order: Int[Tensor, " N"]
) -> tuple[Int[Tensor, "N H"], Int[Tensor, " H"]]:
    """Return the row and the column of the error that stands at each place.

    A missing error is replaced by that of the next row in ``order`` that has one. A step that is
    never observed takes the errors of the nearest step that is.
    """
    seen = ~torch.isnan(errors[order])
    steps, ever = torch.arange(errors.shape[1]), seen.any(0).nonzero()[:, 0]
    columns = ever[(steps[:, None] - ever).abs().argmin(1)]
    rows = torch.arange(len(order))[:, None].repeat(1, len(steps))
    for step, column in enumerate(columns.tolist()):
        there = seen[:, column].nonzero()[:, 0]
        if len(there) < len(order):
            next_seen = torch.searchsorted(there, rows[:, step].contiguous())
            rows[:, step] = there[next_seen % len(there)]
    return order[rows], columns
