"""Shape of a series in a few numbers: level, growth, season, and the sizes of its noise."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tslm.core.float64 import exactly

SEASONS = 5  # last seasons that are read; chosen by hand
FEWEST = 2  # seasons that a shape needs
SHARE = 0.02  # least share of each noise in the variance of changes


@dataclass(frozen=True)
class SeriesShape:
    """Shapes of N series with a season of M phases.

    Attributes:
        level: at the last row.
        growth: per season.
        season: deviation in each phase; the mean of the phases is 0.
        drift: logarithm of the variance of the steps of a random walk.
        noise: logarithm of the variance of independent errors.
    """

    level: Float[Tensor, " N"]
    growth: Float[Tensor, " N"]
    season: Float[Tensor, "N M"]
    drift: Float[Tensor, " N"]
    noise: Float[Tensor, " N"]

    def take(self, chosen: Tensor) -> "SeriesShape":
        """Return the shapes of the series of a mask."""
        parts = (self.level, self.growth, self.season, self.drift, self.noise)
        return SeriesShape(*(part[chosen] for part in parts))


def measure(
    values: Float[Tensor, "N T"], phase: Int[Tensor, "N T"], phases: int
) -> tuple[SeriesShape, Tensor]:
    """Measure the shape of series.

    Args:
        values: rows, aligned at the end; NaN where missing.
        phase: phase of each row in its season, from 0.
        phases: rows of a season, M.

    Returns:
        The shapes of the series that are long enough, and the mask of these series, ``[N]``.
    """
    rows = min(values.shape[1], SEASONS * phases if phases > 1 else 40)
    values, phase = exactly(values[:, -rows:]), phase[:, -rows:]
    known = ~values.isnan()
    enough = known.sum(1) >= max(FEWEST * phases, 8)
    found = [_one(values[i], phase[i], phases) for i in enough.nonzero()[:, 0].tolist()]
    parts = [torch.stack(part) for part in zip(*found, strict=True)] if found else []
    if not parts:
        none = torch.zeros(0, dtype=torch.float64)
        parts = [none, none, none.new_zeros(0, phases), none, none]
    return SeriesShape(*parts), enough


def _one(y: Float[Tensor, " T"], phase: Int[Tensor, " T"], phases: int) -> tuple[Tensor, ...]:
    """Return level, growth, season, drift and noise of one series."""
    time = torch.arange(1 - len(y), 1, dtype=torch.float64) / phases
    seen = ~y.isnan()
    dummies = exactly(torch.nn.functional.one_hot(phase, phases))
    season = y.new_zeros(phases)
    slope = y.new_zeros(())
    for _ in range(5 if phases > 1 else 1):  # backfitting of trend and season
        rest = (y - dummies @ season)[seen]
        t = time[seen]
        slope = ((t - t.mean()) @ (rest - rest.mean())) / (t - t.mean()).square().sum()
        if phases > 1:
            flat = torch.where(seen, y - slope * time, 0)
            flat = torch.where(seen, flat - flat[seen].mean(), 0)
            season = (dummies.T @ flat) / (dummies.T @ exactly(seen)).clamp(min=1)
            season = season - season.mean()
    rest = y - dummies @ season - slope * time
    last = rest[-max(phases // 2, 3) :]
    level = last[~last.isnan()].mean() if not last.isnan().all() else rest[seen].mean()
    change = rest.diff()
    pairs = change[1:] * change[:-1]
    size = change[~change.isnan()].square().mean().nan_to_num(0).clamp(min=1e-12)
    noise = (-pairs[~pairs.isnan()].mean().nan_to_num(0)).clamp(SHARE * size, 0.49 * size)
    drift = (size - 2 * noise).clamp(min=SHARE * size)
    return level, slope, season, drift.log(), noise.log()
