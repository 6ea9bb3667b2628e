"""Answers of an ablation: one verdict for each claim and horizon."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tslm.evaluation.ablation.arms import CLAIMS
from tslm.evaluation.ablation.comparison import LEVEL, Effect, Verdict, compare, holm, pooled
from tslm.evaluation.ablation.outcome import Outcome

FAR = 1000  # percent; larger bounds of an interval are not printed

WORDING: dict[Verdict, str] = {
    "helps": "It helps",
    "hurts": "It hurts",
    "no clear difference": "No clear difference",
    "underpowered": "Underpowered, too few windows to tell",
}


@dataclass(frozen=True)
class Answer:
    """Verdict on one claim at one horizon.

    Attributes:
        claim: one of ``CLAIMS``.
        horizon: forecast horizon, in steps.
        verdict: ``helps`` only if the model beats every competitor; ``hurts`` if one beats it.
        strongest: the competitor with the least error.
        effect: error of the model relative to that competitor.
        competitors: number of competitors.
    """

    claim: str
    horizon: int
    verdict: Verdict
    strongest: str
    effect: Effect
    competitors: int

    @property
    def sentence(self) -> str:
        """Write the verdict as a sentence."""
        others = f", the strongest of {self.competitors}" if self.competitors > 1 else ""
        return (
            f"Horizon {self.horizon}. {CLAIMS[self.claim]} {WORDING[self.verdict]}: "
            f"{change_text(self.effect)} error against {self.strongest}{others}."
        )


def answers_of(
    rivals: Sequence[Outcome],
    horizons: Sequence[int],
    effects: Mapping[tuple[str, int], Effect],
    verdicts: Mapping[tuple[str, int], Verdict],
) -> Iterator[Answer]:
    """Answer every claim at every horizon by the comparisons with the arms that question it.

    Args:
        rivals: outcomes of the arms.
        horizons: forecast horizons, in steps.
        effects: effect of the model against an arm, by arm and horizon.
        verdicts: verdict on that effect, by arm and horizon.
    """
    for claim in CLAIMS:
        questioning = [rival for rival in rivals if rival.arm.claim == claim]
        for horizon in horizons if questioning else ():
            errors = {rival.arm.name: rival.squared[horizon].mean for rival in questioning}
            strongest = min(errors, key=lambda name: errors[name])
            verdict_of = {name: verdicts[name, horizon] for name in errors}
            verdict = verdict_of[strongest]
            if "hurts" in verdict_of.values():
                verdict = "hurts"
                better = [name for name in verdict_of if verdict_of[name] == "hurts"]
                strongest = min(better, key=lambda name: errors[name])
            elif verdict == "helps" and set(verdict_of.values()) != {"helps"}:
                verdict = "no clear difference"
            yield Answer(
                claim, horizon, verdict, strongest, effects[strongest, horizon], len(questioning)
            )


def among_best(outcomes: Sequence[Outcome], horizon: int, block: int) -> set[str]:
    """Return the arm with the least error and all that are not significantly worse (Hsu 1981)."""
    errors = {outcome.arm.name: outcome.squared[horizon] for outcome in outcomes}
    noise = pooled(list(errors.values()))
    best = min(errors, key=lambda name: errors[name].mean)
    others = [name for name in errors if name != best]
    p = holm([compare(errors[name], errors[best], block, noise).p for name in others])
    return {best} | {name for name, value in zip(others, p, strict=True) if value >= LEVEL}


def change_text(effect: Effect) -> str:
    """Return an effect as text, such as ``-3.1 % (-5.0 to -1.2)``."""
    if not math.isfinite(effect.high - effect.low):
        return f"{effect.percent:+.1f} % (no interval)"
    high = f"{effect.high:+.1f}" if effect.high < FAR else f"more than +{FAR}"
    return f"{effect.percent:+.1f} % ({effect.low:+.1f} to {high})"
