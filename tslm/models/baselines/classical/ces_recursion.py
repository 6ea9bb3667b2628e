"""Recursion of complex exponential smoothing: kinds of season, states, and passes over rows.

Svetunkov, Kourentzes & Ord, "Complex exponential smoothing", Naval Research Logistics 69, 2022.
Every kind is a level plus a season, either of which may be 0: a simple season has no level. So
rows with several kinds are smoothed together.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor

from tslm.models.baselines.classical.course import Course, Step

LEVEL, SEASON = (0.01, 1.8), (0.01, 1.5)  # bounds of a, and of the parameters of the season
CROSS = (0.01, 1.9)  # bounds of b
STARTS = tuple((a, b) for a in (0.4, 0.9, 1.3, 1.6) for b in (0.95, 1.0, 1.05))  # of a and b
LAG = 1.1  # the first information potential is the level divided by this, as in statsforecast
_FARTHEST = 15.0  # largest transformed parameter: its bound up to 3e-7


class Kind(NamedTuple):
    """Kind of season.

    Args:
        level: False if the level belongs to the phases of the season (simple).
        season: 0 without a season, 1 for a real one (partial), 2 for a complex one.
        start: first parameters of a season beside a level.
    """

    level: bool
    season: int
    start: tuple[float, ...]

    @property
    def free(self) -> tuple[bool, ...]:
        """Return True for each parameter it has: two of the level, two of the season."""
        return (self.level, self.level, self.season > 0, self.season > 1)

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:
        """Return the bounds of each parameter. A season without a level has those of a level."""
        return (LEVEL, CROSS, *((SEASON, SEASON) if self.level else (LEVEL, CROSS)))

    @property
    def size(self) -> int:
        """Return the number of parameters that the corrected AIC counts, as in statsforecast."""
        return 1 + sum(self.free)

    @property
    def starts(self) -> list[list[float]]:
        """Return the transformed parameters of each start; 1 where there is no parameter."""
        found = []
        for pair in STARTS:
            parameters = [*pair, *self.start, 1.0, 1.0] if self.level else [1.0, 1.0, *pair]
            pairs = zip(parameters, self.bounds, strict=False)
            found.append([float(torch.tensor((x - a) / (b - a)).logit()) for x, (a, b) in pairs])
        return found


NONE, SIMPLE = Kind(True, 0, ()), Kind(False, 2, ())
PARTIAL, FULL = Kind(True, 1, (0.1,)), Kind(True, 2, (1.3, 1.0))
KINDS = (NONE, SIMPLE, PARTIAL, FULL)


class Gain(NamedTuple):
    """Coefficients by which a complex state moves on: those of the state, and of the error."""

    cross: Float[Tensor, "..."]
    keep: Float[Tensor, "..."]
    real: Float[Tensor, "..."]
    imaginary: Float[Tensor, "..."]

    @classmethod
    def of(
        cls, a: Float[Tensor, "..."], b: Float[Tensor, "..."], whole: Tensor, part: Tensor
    ) -> "Gain":
        """Return the coefficients of the complex parameter a + ib.

        Args:
            a: real part.
            b: imaginary part.
            whole: 1 for a complex state. With 0 the state is real, and only the error moves it.
            part: 1 for a state that moves, 0 for one that stays 0.
        """
        return cls(whole * (b - 1), whole * (1 - a), part * a - whole * b, whole * (a + b))

    @property
    def growth(self) -> Float[Tensor, "..."]:
        """Return the largest factor by which a state grows in a step without an error."""
        half, product = (1 + self.keep) / 2, self.keep - self.cross
        square = half.square() - product
        real = half.abs() + square.clamp(min=0).sqrt()
        return torch.where(square < 0, product.abs().sqrt(), real)


class Form(NamedTuple):
    """Kinds of several problems, one per row.

    Args:
        level: 1 with a level, else 0.
        season: 1 with a season, else 0.
        complex: 1 if the season is complex, else 0.
        low: lower bound of each parameter.
        high: upper bound of each parameter.
    """

    level: Float[Tensor, "n 1"]
    season: Float[Tensor, "n 1"]
    complex: Float[Tensor, "n 1"]
    low: Float[Tensor, "n 1 D"]
    high: Float[Tensor, "n 1 D"]

    @classmethod
    def of(cls, kinds: Sequence[Kind], like: Tensor) -> "Form":
        """Return the forms of some kinds, in the dtype and on the device of a tensor."""
        level = like.new_tensor([[kind.level] for kind in kinds])
        season = like.new_tensor([[kind.season] for kind in kinds])
        low, high = like.new_tensor([kind.bounds for kind in kinds]).unbind(-1)
        return cls(level, (season > 0).to(like), (season > 1).to(like), low[:, None], high[:, None])

    def take(self, rows: Int[Tensor, " n"]) -> "Form":
        """Return some rows."""
        return Form(*(part[rows] for part in self))

    def bounded(self, points: Float[Tensor, "n P D"]) -> Float[Tensor, "n P D"]:
        """Return parameters within their bounds from transformed ones."""
        share = points.clamp(-_FARTHEST, _FARTHEST).sigmoid()
        return self.low + (self.high - self.low) * share


Pair = tuple[Tensor, Tensor]  # real and imaginary part of a state


def _moved(pair: Pair, gain: Gain, error: Tensor | None) -> Pair:
    """Return the state one step later; without an error it is a forecast."""
    real, imaginary = pair
    first = torch.addcmul(real, gain.cross, imaginary)
    second = torch.addcmul(real, gain.keep, imaginary)
    if error is None:
        return first, second
    return first.addcmul_(gain.real, error), second.addcmul_(gain.imaginary, error)


class State:
    """State of the recursion.

    Args:
        level: level and information potential.
        season: the same for each phase; empty if no problem has a season.
    """

    def __init__(self, level: Pair, season: list[Pair]) -> None:
        self.level, self.season = level, season

    @classmethod
    def before(cls, level: Float[Tensor, "n 1"], season: Float[Tensor, "n phases"]) -> "State":
        """Return the state before the first value."""
        parts = [(part, part / LAG) for part in season.T.contiguous()] if season.shape[1] else []
        return cls((level[:, 0], level[:, 0] / LAG), parts)


class Smoother:
    """Complex exponential smoothing of rows with given parameters.

    Args:
        form: kind of each row.
        season_length: steps of a season, m.
        points: two parameters of the level, and two of the season.

    The rows are the last axis of all states, so that each step is one run through memory.
    """

    def __init__(self, form: Form, season_length: int, points: Float[Tensor, "n P D"]) -> None:
        self.m = season_length
        a, b, c, d = rearrange(points, "n P D -> D P n").contiguous()
        level, kind, season = (part[:, 0] for part in (form.level, form.complex, form.season))
        self.level = Gain.of(a, b, level, level)
        self.season = Gain.of(c, d, kind, season)

    def step(
        self,
        state: State,
        phase: int,
        value: Tensor | None,
        observed: Tensor | None = None,
        begun: Tensor | None = None,
    ) -> Tensor:
        """Move the state by one value, in place; return its error, or the forecast without one."""
        pair = state.level
        ahead = pair[0] + state.season[phase][0] if state.season else pair[0]
        error = None if value is None else value - ahead
        if error is not None and observed is not None:
            error = error * observed
        moved = _moved(pair, self.level, error)
        state.level = moved if begun is None else _chosen(begun, moved, pair)
        if state.season:
            old = state.season[phase]
            moved = _moved(old, self.season, error)
            state.season[phase] = moved if begun is None else _chosen(begun, moved, old)
        return ahead if error is None else error

    def pass_over(self, steps: list[Step], state: State, *, backwards: bool) -> list[Tensor]:
        """Smooth all rows in one direction, in place; return the errors in that order."""
        order = list(zip(range(-len(steps), 0), steps, strict=True))
        if backwards:
            order.reverse()
        return [self.step(state, place % self.m, *step) for place, step in order]

    def turn(self, state: State) -> None:
        """Forecast the state one step, or one season, further, where the other pass begins."""
        state.level = _moved(state.level, self.level, None)
        state.season = [_moved(pair, self.season, None) for pair in state.season]

    def smooth(self, course: Course, state: State) -> Float[Tensor, "n P L"]:
        """Return the errors after passes forwards and backwards; move the state to the end."""
        steps = course.steps()
        self.pass_over(steps, state, backwards=False)
        self.turn(state)
        self.pass_over(steps, state, backwards=True)
        self.turn(state)
        errors = torch.stack(self.pass_over(steps, state, backwards=False))
        by_row = rearrange(errors, "L P n -> (P n) L").contiguous()
        return rearrange(by_row, "(P n) L -> n P L", n=errors.shape[2])


def _chosen(begun: Tensor, new: Pair, old: Pair) -> Pair:
    """Return the new state where a row has begun."""
    return torch.where(begun, new[0], old[0]), torch.where(begun, new[1], old[1])
