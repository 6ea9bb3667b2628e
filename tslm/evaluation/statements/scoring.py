"""Statements put on windows of real series, and the errors of forecasts that were moved by them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from tslm.evaluation.statements.generator import Statement
from tslm.evaluation.statements.windows import LEVELS, Window
from tslm.models.text.effect import Effect, Phase, widening
from tslm.models.text.effect_head import COURSES, courses

SHORTEST = 0.25  # least share of the horizon that a span covers
SCORES = torch.special.ndtri(torch.tensor([0.5, *LEVELS], dtype=torch.float64))  # point first


@dataclass(frozen=True)
class Case:
    """One statement on one window.

    Args:
        statement: sentence and true effect.
        window: the window.
        start: first step of the span.
        length: steps of the span.
    """

    statement: Statement
    window: Window
    start: int
    length: int

    @property
    def inside(self) -> Bool[np.ndarray, " H"]:
        """True for the steps of the span."""
        step = np.arange(len(self.window.truth))
        return (step >= self.start) & (step < self.start + self.length)

    @property
    def phase(self) -> Phase:
        """Place of the steps of the span in it."""
        return Phase.within(torch.tensor([float(self.length)]), self.length)


@dataclass(frozen=True)
class Errors:
    """Errors of one case, in units of the scale of its series.

    Args:
        mae: absolute error of the point inside and outside the span.
        wql: mean of the doubled quantile losses inside and outside the span.
    """

    mae: tuple[float, float]
    wql: tuple[float, float]


def cases(statements: Sequence[Statement], windows: Sequence[Window], seed: int) -> list[Case]:
    """Put each statement on a window; every set of series gets the same number."""
    rng = np.random.default_rng([seed, 1])
    names = sorted({window.dataset for window in windows})
    of = {name: [window for window in windows if window.dataset == name] for name in names}
    found = []
    for number, statement in enumerate(statements):
        choice = of[names[number % len(names)]]
        window = choice[rng.integers(len(choice))]
        h = len(window.truth)
        length = int(rng.integers(max(3, round(SHORTEST * h)), h + 1))
        found.append(Case(statement, window, int(rng.integers(0, h - length + 1)), length))
    return found


def true_effect(case: Case) -> Effect:
    """Return the effect that a statement really has in its span, ``[1, length]``."""
    one = case.statement
    course = courses(case.phase)[..., COURSES.index(one.shape)].double()
    return Effect(
        one.log_factor * course,
        one.shift * course,
        torch.zeros_like(course),
        one.replaced * torch.ones_like(course),
    )


def score(case: Case, effect: Effect, doubt: float = 0.0) -> Errors:
    """Return the errors of a base forecast that an effect has moved.

    Args:
        case: the statement and its window.
        effect: the expected effect in the span, ``[1, length]``.
        doubt: standard deviation of its log factor.
    """
    window, inside = case.window, case.inside
    sigma = torch.tensor(window.sigma)
    truth, values = window.truth.copy(), np.vstack([window.point[None], window.quantiles])
    truth[inside] = _applied(true_effect(case), window.truth[None, inside], sigma)[0]
    values[:, inside] = _applied(effect, values[:, inside], sigma, doubt)
    off = np.abs(truth - values[0]) / window.scale
    gap = (truth - values[1:]) / window.scale
    level = np.array(LEVELS)[:, None]
    loss = 2 * np.maximum(level * gap, (level - 1) * gap).mean(0)
    return Errors(_both(off, inside), _both(loss, inside))


def _applied(
    effect: Effect, values: Float64[np.ndarray, "n T"], sigma: Tensor, doubt: float = 0.0
) -> Float64[np.ndarray, "n T"]:
    """Apply an effect, widened by its doubt, to a point and its quantiles."""
    effect = Effect(*(part[0].double() for part in effect))
    before = torch.from_numpy(values)
    if doubt and len(values) > 1:
        plain = effect.apply(before, sigma)
        wider = widening(plain, SCORES, plain[0].abs() * doubt)
        effect = effect._replace(log_spread=effect.log_spread + wider.log())
    return effect.apply(before, sigma).numpy()


def _both(errors: Float64[np.ndarray, " H"], inside: Bool[np.ndarray, " H"]) -> tuple[float, float]:
    """Return the mean inside and outside of a span; NaN where it has no steps outside."""
    outside = float(errors[~inside].mean()) if (~inside).any() else float("nan")
    return float(errors[inside].mean()), outside


def interval(
    difference: Float64[np.ndarray, " n"], groups: Sequence[str], draws: int = 1000
) -> tuple[float, float]:
    """Return the 95 % interval of a mean difference, by a bootstrap of whole groups.

    Args:
        difference: paired differences, one for each statement.
        groups: group of each, its frame: sentences of one frame are not independent.
        draws: number of bootstrap samples.
    """
    rng = np.random.default_rng(0)
    names, which = np.unique(np.array(groups), return_inverse=True)
    sums = np.bincount(which, difference)
    counts = np.bincount(which)
    picks = rng.integers(0, len(names), (draws, len(names)))
    means = sums[picks].sum(1) / counts[picks].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
