"""Report of an ablation: tables, verdicts, and both as text and files."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tslm.core.files import write_json, write_table, write_text
from tslm.core.messages import counted
from tslm.evaluation.ablation.answers import Answer, among_best, answers_of, change_text
from tslm.evaluation.ablation.arms import ITSELF
from tslm.evaluation.ablation.comparison import Effect, compare, holm, pooled
from tslm.evaluation.ablation.frames import arm_row, finite, probe_frame, records, window_frame
from tslm.evaluation.ablation.outcome import Outcome

SHOWN = {  # columns of the readable table, and their titles
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


@dataclass(frozen=True)
class Ablation:
    """Report of an ablation: every arm scored on the same windows.

    Attributes:
        data: name of the data.
        model: alias of the ablated model.
        budget: name of the budget.
        frame: one row per arm and horizon: errors, comparison, cost.
        answers: one verdict per claim and horizon.
        windows: one row per window, arm and training run: its errors.
        probes: one row per probe and arm: the rise of the error, in percent.
        settings: settings of each arm.
        failed: error message of each arm that could not be trained or scored.
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
        """Compare the first outcome, that of the model itself, with all others.

        Args:
            outcomes: results of every arm, on the same windows.
            data: name of the data.
            model: alias of the ablated model.
            budget: name of the budget.
            season: steps of the main season; windows closer than this are treated as dependent.
            failed: error messages of arms that failed, by name.
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
        best = {h: among_best(outcomes, h, max(h, season)) for h in horizons}
        rows = [
            arm_row(o, h, effects, corrected, verdicts) | {"among_best": o.arm.name in best[h]}
            for h in horizons
            for o in outcomes
        ]
        return cls(
            data,
            model,
            budget,
            pd.DataFrame(rows),
            list(answers_of(rivals, horizons, effects, verdicts)),
            pd.concat([window_frame(o, h) for h in horizons for o in outcomes], ignore_index=True),
            probe_frame(outcomes),
            {outcome.arm.name: outcome.settings for outcome in outcomes},
            failed,
        )

    @property
    def seeds(self) -> int:
        """Return the number of training runs of the model."""
        return int(self.frame[self.frame.arm == ITSELF].runs.iloc[0])

    def save(self, out: str | Path) -> list[Path]:
        """Write the report as JSON to ``out``, and beside it Markdown, HTML and every window.

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
        """Return everything except the windows, ready for JSON."""
        return {
            "data": self.data,
            "model": self.model,
            "budget": self.budget,
            "indicative": self.seeds < 2,
            "arms": records(self.frame),
            "answers": [finite({**asdict(a), "sentence": a.sentence}) for a in self.answers],
            "probes": records(self.probes),
            "settings": dict(self.settings),
            "failed": dict(self.failed),
        }

    def to_markdown(self) -> str:
        """Return the report as Markdown: the answers, and a table for each horizon."""
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
        """Write the budget, the number of seeds and windows, and the meaning of a verdict."""
        windows = int(self.frame.windows.max())
        runs = (
            f"{self.seeds} seeds" if self.seeds > 1 else "one seed, so the verdicts are indicative"
        )
        return (
            f"Budget {self.budget}, {runs}, {counted(windows, 'window')}. A verdict needs a "
            "difference of more than 1 %, with 95 % confidence after Holm's correction. Intervals "
            "account for overlapping windows and for different seeds."
        )

    @property
    def gaps(self) -> list[str]:
        """Write one sentence for each arm that failed."""
        return [f"Arm {arm} failed and is left out: {why}" for arm, why in self.failed.items()]

    def tables(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """Return a readable table for each horizon; the best arm is the first row."""
        for horizon in sorted(set(self.frame.horizon.tolist())):
            rows = self.frame[self.frame.horizon == horizon].sort_values("mse").copy()
            rows["change"] = [
                "" if arm == ITSELF else change_text(Effect(percent, low, high, p))
                for arm, percent, low, high, p in zip(
                    rows.arm, rows.change_percent, rows.low, rows.high, rows.p, strict=True
                )
            ]
            shown = rows[list(SHOWN)].rename(columns=SHOWN)
            yield horizon, shown.map(_short)

    def probe_table(self) -> pd.DataFrame:
        """Return one row per arm and one column per probe: the rise of the error, in percent."""
        wide = self.probes.pivot_table(index="arm", columns="probe", values="rise_percent")
        return wide.reset_index().map(_short)


def _short(value: Any) -> str:
    """Return the text of a cell: three digits, thousands separated, empty for NaN."""
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" if value else "0"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)


def _markdown(table: pd.DataFrame) -> str:
    lines = [" | ".join(map(str, table.columns)), "|".join(["---"] * table.shape[1])]
    lines += [" | ".join(row) for row in table.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines)
