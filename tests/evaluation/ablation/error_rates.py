"""Error rates of an ablation's verdicts, simulated.

``python -m tests.evaluation.ablation.error_rates`` (``make error-rates``) prints the table.

Windows of 24 steps, one apart, over losses of steps that are independent or follow an
autoregression of .8. Arms are equal and untrained, so that no noise of seeds hides an error.
"""

import sys
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from tslm.evaluation.ablation.comparison import Effect, Errors, compare, holm, pooled

HORIZON = 24
RIVALS = (7, 28)  # of budget=quick and of budget=full
WINDOWS = (73, 97, 121, 169, 240, 480, 960, 2881)  # 3 to 120 blocks
MEMORY = (0.0, 0.8)
TRUE = 0.95  # the error of the better arm in the table of power
COMMON = 0.9  # share of the losses there that is the same for all arms


class Rates(NamedTuple):
    """Percentages of simulated reports.

    Args:
        false: with at least one false verdict, for each number of rivals.
        covered: intervals that hold the truth, of all of them.
    """

    false: tuple[float, ...]
    covered: float


def losses(
    dice: np.random.Generator, arms: int, windows: int, memory: float, steps: int = HORIZON
) -> np.ndarray:
    """Errors of windows, one row an arm: means over their steps of independent positive losses."""
    length = windows + steps - 1
    if not memory:
        each = dice.gamma(1.0, 1.0, (arms, length))
    else:
        each = dice.standard_normal((arms, length))
        for step in range(1, length):
            each[:, step] = memory * each[:, step - 1] + np.sqrt(1 - memory**2) * each[:, step]
        each = np.exp(each / 2)
    total = np.concatenate([np.zeros((arms, 1)), each.cumsum(1)], 1)
    return (total[:, steps:] - total[:, :-steps]) / steps


def errors(rows: np.ndarray) -> list[Errors]:
    """One untrained arm a row, on the windows of one series."""
    place = np.zeros(rows.shape[1], np.int64), np.arange(rows.shape[1])
    return [Errors(row[None], *place, trained=False) for row in rows]


def effects(arms: list[Errors]) -> list[Effect]:
    """Effects of the first arm against each of the others."""
    noise = pooled(arms)
    return [compare(arms[0], other, HORIZON, noise) for other in arms[1:]]


def false_verdict(found: list[Effect]) -> bool:
    """Return True if a report of equal arms calls one of them helpful or harmful."""
    corrected = holm([effect.p for effect in found])
    words = [effect.verdict(p) for effect, p in zip(found, corrected, strict=True)]
    return bool({"helps", "hurts"} & set(words))


def simulate(windows: int, memory: float, repeats: int, rivals: tuple[int, ...] = RIVALS) -> Rates:
    """Error rates of reports of equal arms."""
    dice = np.random.default_rng(windows)
    false, covered = np.zeros(len(rivals)), 0.0
    for _ in range(repeats):
        found = effects(errors(losses(dice, 1 + max(rivals), windows, memory)))
        false += [false_verdict(found[:number]) for number in rivals]
        covered += np.mean([effect.low <= 0 <= effect.high for effect in found])
    return Rates(tuple(100 * false / repeats), 100 * covered / repeats)


def power(windows: int, repeats: int, rivals: int) -> float:
    """Return the percentage of verdicts ``helps`` if the first arm is 5 % better than all others.

    Nine tenths of each loss are common to all arms.
    """
    dice = np.random.default_rng(windows)
    found = 0.0
    for _ in range(repeats):
        own = losses(dice, 1 + rivals, windows, 0.0)
        rows = COMMON * losses(dice, 1, windows, 0.0) + (1 - COMMON) * own
        rows[0] *= TRUE
        seen = effects(errors(rows))
        corrected = holm([effect.p for effect in seen])
        verdicts = [effect.verdict(p) for effect, p in zip(seen, corrected, strict=True)]
        found += verdicts.count("helps") / rivals
    return 100 * found / repeats


def lines(repeats: int) -> Iterator[str]:
    """Both tables, as Markdown."""
    yield "| losses | windows | blocks | false, 7 rivals | false, 28 rivals | covered |"
    yield "|---|---|---|---|---|---|"
    for memory in MEMORY:
        for windows in WINDOWS:
            rates = simulate(windows, memory, repeats if windows < 500 else repeats // 4)
            kind = "AR(.8)" if memory else "independent"
            false = " | ".join(f"{rate:.1f} %" for rate in rates.false)
            blocks = windows // HORIZON
            yield f"| {kind} | {windows} | {blocks} | {false} | {rates.covered:.1f} % |"
    yield ""
    yield "| windows | blocks | found, 1 rival | found, 7 rivals | found, 28 rivals |"
    yield "|---|---|---|---|---|"
    for windows in (240, 960, 2881):
        found = [power(windows, repeats // 10, rivals) for rivals in (1, *RIVALS)]
        cells = " | ".join(f"{rate:.0f} %" for rate in found)
        yield f"| {windows} | {windows // HORIZON} | {cells} |"


if __name__ == "__main__":
    for line in lines(int(sys.argv[1]) if len(sys.argv) > 1 else 2000):
        print(line, flush=True)
