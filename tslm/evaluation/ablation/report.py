"""What an ablation found: a tidy frame, a verdict for each claim, and both as text."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tslm.core.errors import counted
from tslm.core.files import write_json, write_table, write_text
from tslm.evaluation.ablation.arms import CLAIMS, ITSELF
from tslm.evaluation.ablation.comparison import LEVEL, Effect, Verdict, compare, holm, pooled
from tslm.evaluation.ablation.run import Outcome

SHOWN = {  # columns of the short table, and what they are called there
    "arm": "arm",
    "claim": "questions",
    "mse": "MSE",
    "mse_sd": "sd",
    "mae": "MAE",
    "change": "model against it",
    "verdict": "the model",
    "trained_weights": "trained weights",
    "train_seconds": "seconds to train",
    "token_passes": "token passes",
    "memory_gb": "peak GB",
}

FAR = 1000  # percent beyond which a bound is not printed

SAID: dict[Verdict, str] = {
    "helps": "It helps",
    "hurts": "It hurts",
    "no clear difference": "No clear difference",
    "underpowered": "Underpowered, these windows cannot tell",
}


@dataclass(frozen=True)
class Answer:
    """The verdict on one claim at one horizon.

    Args:
        claim: one of ``CLAIMS``.
        horizon: steps.
        verdict: ``helps`` only if the model beats every competitor; ``hurts`` if one beats it.
        strongest: the competitor with the least error.
        effect: of the model against that one.
        competitors: how many there are.
    """

    claim: str
    horizon: int
    verdict: Verdict
    strongest: str
    effect: Effect
    competitors: int

    @property
    def sentence(self) -> str:
        """In words."""
        others = f", the strongest of {self.competitors}" if self.competitors > 1 else ""
        return (
            f"Horizon {self.horizon}. {CLAIMS[self.claim]} {SAID[self.verdict]}: "
            f"{_change(self.effect)} error against {self.strongest}{others}."
        )


@dataclass(frozen=True)
class Ablation:
    """Every arm on the same windows.

    Args:
        data: what it was made on.
        model: the alias of the model in question.
        budget: the name of the budget.
        frame: one row an arm and horizon: errors, comparison, cost.
        answers: one a claim and horizon.
        windows: one row a window, arm and training run: its errors.
        probes: one row a probe and arm: by how many percent it raises the error.
        settings: what each arm was made with.
        failed: why each arm that could not be trained or scored is missing.
    """

    data: str
    model: str
    budget: str
    frame: pd.DataFrame
    answers: Sequence[Answer]
    windows: pd.DataFrame
    probes: pd.DataFrame
    settings: Mapping[str, Any]
    failed: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        outcomes: Sequence[Outcome],
        *,
        data: str,
        model: str,
        budget: str,
        season: int,
        failed: Mapping[str, str],
    ) -> "Ablation":
        """Compare the first outcome, the model's own, with all others.

        Args:
            outcomes: of every arm, on the same windows.
            data: what they were made on.
            model: the alias of the model in question.
            budget: the name of the budget.
            season: steps of the main season: windows of one season belong together.
            failed: why arms are missing, by name.
        """
        itself, *rivals = outcomes
        horizons = list(itself.squared)
        effects: dict[tuple[str, int], Effect] = {}
        for horizon in horizons:
            noise = pooled([outcome.squared[horizon] for outcome in outcomes])
            block = max(horizon, season)
            for rival in rivals:
                pair = itself.squared[horizon], rival.squared[horizon]
                effects[rival.arm.name, horizon] = compare(*pair, block, noise)
        corrected = dict(zip(effects, holm([e.p for e in effects.values()]), strict=True))
        verdicts = {key: effect.verdict(corrected[key]) for key, effect in effects.items()}
        best = {h: _among_best(outcomes, h, max(h, season)) for h in horizons}
        rows = [
            _row(o, h, effects, corrected, verdicts) | {"among_best": o.arm.name in best[h]}
            for h in horizons
            for o in outcomes
        ]
        return cls(
            data,
            model,
            budget,
            pd.DataFrame(rows),
            list(_answers(rivals, horizons, effects, verdicts)),
            pd.concat([_windows(o, h) for h in horizons for o in outcomes], ignore_index=True),
            _probes(outcomes),
            {outcome.arm.name: outcome.settings for outcome in outcomes},
            failed,
        )

    @property
    def seeds(self) -> int:
        """Training runs of the model."""
        return int(self.frame[self.frame.arm == ITSELF].runs.iloc[0])

    def save(self, out: str | Path) -> list[Path]:
        """Write the report: ``out`` (JSON), and beside it Markdown, HTML and every window.

        Returns:
            The files written.
        """
        from tslm.evaluation.ablation.page import page

        place = Path(out)
        text = {".md": self.to_markdown(), ".html": page(self)}
        write_json(self.to_dict(), place)
        for ending, content in text.items():
            write_text(content, place.with_suffix(ending))
        windows = place.with_name(f"{place.stem}-windows.parquet")
        write_table(self.windows, windows)
        return [place, *(place.with_suffix(ending) for ending in text), windows]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the windows, ready for JSON."""
        return {
            "data": self.data,
            "model": self.model,
            "budget": self.budget,
            "indicative": self.seeds < 2,
            "arms": _records(self.frame),
            "answers": [_finite({**asdict(a), "sentence": a.sentence}) for a in self.answers],
            "probes": _records(self.probes),
            "settings": dict(self.settings),
            "failed": dict(self.failed),
        }

    def to_markdown(self) -> str:
        """The answers, and a table for each horizon."""
        lines = [f"# Does the language model help {self.model} on {self.data}?", ""]
        lines += [self.note, ""]
        lines += [f"- {answer.sentence}" for answer in self.answers]
        lines += [f"- {sentence}" for sentence in self.gaps]
        for horizon, table in self.tables():
            lines += ["", f"## Horizon {horizon}", "", _markdown(table)]
        if len(self.probes):
            lines += ["", "## Disturbed contexts: percent by which the error rises", ""]
            lines += [_markdown(self.probe_table())]
        return "\n".join(lines) + "\n"

    @property
    def note(self) -> str:
        """How it was made, and how far it can be trusted."""
        windows = int(self.frame.windows.max())
        runs = (
            f"{self.seeds} seeds" if self.seeds > 1 else "one seed, so the verdicts are indicative"
        )
        return (
            f"Budget {self.budget}, {runs}, {counted(windows, 'window')}. A difference counts "
            "from 1 % on, with 95 % confidence after Holm's correction. Intervals know that "
            "windows overlap and that seeds differ."
        )

    @property
    def gaps(self) -> list[str]:
        """A sentence for each arm that is missing."""
        return [f"Arm {arm} failed and is left out: {why}" for arm, why in self.failed.items()]

    def tables(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """A readable table for each horizon, the best arm first."""
        for horizon in sorted(set(self.frame.horizon.tolist())):
            rows = self.frame[self.frame.horizon == horizon].sort_values("mse").copy()
            rows["change"] = [
                "" if arm == ITSELF else _change(Effect(percent, low, high, p))
                for arm, percent, low, high, p in zip(
                    rows.arm, rows.change_percent, rows.low, rows.high, rows.p, strict=True
                )
            ]
            shown = rows[list(SHOWN)].rename(columns=SHOWN)
            yield horizon, shown.map(_short)

    def probe_table(self) -> pd.DataFrame:
        """One row an arm, one column a probe."""
        wide = self.probes.pivot_table(index="arm", columns="probe", values="rise_percent")
        return wide.reset_index().map(_short)


def _answers(
    rivals: Sequence[Outcome],
    horizons: Sequence[int],
    effects: Mapping[tuple[str, int], Effect],
    verdicts: Mapping[tuple[str, int], Verdict],
) -> Iterator[Answer]:
    for claim in CLAIMS:
        asked = [rival for rival in rivals if rival.arm.claim == claim]
        for horizon in horizons if asked else ():
            errors = {rival.arm.name: rival.squared[horizon].mean for rival in asked}
            strongest = min(errors, key=lambda name: errors[name])
            said = {name: verdicts[name, horizon] for name in errors}
            verdict = said[strongest]
            if "hurts" in said.values():
                verdict = "hurts"
                strongest = min(
                    (name for name in said if said[name] == "hurts"), key=lambda name: errors[name]
                )
            elif verdict == "helps" and set(said.values()) != {"helps"}:
                verdict = "no clear difference"
            yield Answer(
                claim, horizon, verdict, strongest, effects[strongest, horizon], len(asked)
            )


def _among_best(outcomes: Sequence[Outcome], horizon: int, block: int) -> set[str]:
    """The arm with the least error and all that are not clearly worse (Hsu 1981)."""
    errors = {outcome.arm.name: outcome.squared[horizon] for outcome in outcomes}
    noise = pooled(list(errors.values()))
    best = min(errors, key=lambda name: errors[name].mean)
    others = [name for name in errors if name != best]
    p = holm([compare(errors[name], errors[best], block, noise).p for name in others])
    return {best} | {name for name, value in zip(others, p, strict=True) if value >= LEVEL}


def _row(
    outcome: Outcome,
    horizon: int,
    effects: Mapping[tuple[str, int], Effect],
    corrected: Mapping[tuple[str, int], float],
    verdicts: Mapping[tuple[str, int], Verdict],
) -> dict[str, Any]:
    key = outcome.arm.name, horizon
    squared, cost = outcome.squared[horizon], outcome.cost
    effect = effects.get(key, Effect(np.nan, np.nan, np.nan, np.nan))
    return {
        "arm": outcome.arm.name,
        "claim": outcome.arm.claim,
        "horizon": horizon,
        "mse": squared.mean,
        "mse_sd": squared.spread * squared.mean / 100,
        "mae": outcome.absolute[horizon].mean,
        "runs": len(squared.runs),
        "windows": squared.runs.shape[1],
        "change_percent": effect.percent,
        "low": effect.low,
        "high": effect.high,
        "p": corrected.get(key, np.nan),
        "verdict": verdicts.get(key, ""),
        "learning_rate": outcome.rate,
        "trained_weights": cost.trained,
        "weights": cost.weights,
        "token_passes": cost.tokens,
        "train_seconds": cost.train_seconds,
        "score_seconds_per_1000": cost.score_seconds,
        "memory_gb": cost.memory_gb,
    }


def _windows(outcome: Outcome, horizon: int) -> pd.DataFrame:
    squared, absolute = outcome.squared[horizon], outcome.absolute[horizon]
    runs, windows = squared.runs.shape
    return pd.DataFrame(
        {
            "arm": outcome.arm.name,
            "horizon": horizon,
            "run": np.repeat(np.arange(runs), windows),
            "series": np.tile(squared.series, runs),
            "position": np.tile(squared.position, runs),
            "squared": squared.runs.ravel(),
            "absolute": absolute.runs.ravel(),
        }
    )


def _probes(outcomes: Sequence[Outcome]) -> pd.DataFrame:
    rows = []
    for outcome in outcomes:
        plain = float(np.nanmean(next(iter(outcome.squared.values())).runs[0]))
        for probe, errors in outcome.probed.items():
            rise = 100 * (errors.mean / plain - 1)
            rows.append({"arm": outcome.arm.name, "probe": probe, "rise_percent": rise})
    return pd.DataFrame(rows, columns=["arm", "probe", "rise_percent"])


def _change(effect: Effect) -> str:
    if not math.isfinite(effect.high - effect.low):
        return f"{effect.percent:+.1f} % (no interval)"
    high = f"{effect.high:+.1f}" if effect.high < FAR else f"more than +{FAR}"
    return f"{effect.percent:+.1f} % ({effect.low:+.1f} to {high})"


def _short(value: Any) -> str:
    """A cell as a person reads it."""
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if value else "0"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)


def _markdown(table: pd.DataFrame) -> str:
    lines = [" | ".join(map(str, table.columns)), "|".join(["---"] * table.shape[1])]
    lines += [" | ".join(row) for row in table.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [_finite(row) for row in frame.to_dict(orient="records")]


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: both become null."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
