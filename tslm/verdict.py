"""Does the trained model beat what needs no training? Asked on validation after every fit."""

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from omegaconf import DictConfig

from tslm.calendar import Ints
from tslm.data.panel import Panel
from tslm.model import ForecastModel
from tslm.nn import classical
from tslm.scoring import score

BASELINES = ("last", "seasonal_naive", "profile_ar")


@dataclass(frozen=True)
class Entry:
    """Mean errors of one forecaster over the validation windows, on the standardised scale."""

    model: str
    mse: float
    mae: float


@dataclass(frozen=True)
class Verdict:
    """All of them, the trained model first.

    Args:
        windows: how many windows were looked at.
        entries: empty where nothing was kept for validation.
    """

    windows: int
    entries: Sequence[Entry]

    @property
    def best(self) -> Entry | None:
        """The baseline with the least squared error."""
        return min(self.entries[1:], key=lambda entry: entry.mse, default=None)

    def warn(self) -> None:
        """Say so if a forecast that needs no training does better."""
        if self.best is not None and not self.entries[0].mse < self.best.mse:
            warnings.warn(
                f"On {self.windows} validation windows {self.entries[0].model} has MSE "
                f"{self.entries[0].mse:.4f} and the untrained {self.best.model} "
                f"{self.best.mse:.4f}: the language model does not help here. See verdict_.",
                UserWarning,
                stacklevel=3,
            )

    def to_dict(self) -> dict[str, object]:
        """Everything, ready for JSON."""
        return {"windows": self.windows, "entries": [asdict(entry) for entry in self.entries]}

    @classmethod
    def from_dict(cls, stored: dict[str, object]) -> "Verdict":
        """The inverse of ``to_dict``."""
        entries = [Entry(**entry) for entry in stored["entries"]]  # type: ignore[attr-defined]
        return cls(int(stored["windows"]), entries)  # type: ignore[call-overload]


def judge(
    name: str,
    model: ForecastModel,
    panel: Panel,
    split: Ints,
    cfg: DictConfig,
    season: int,
    limit: int = 4096,
) -> Verdict:
    """Score the model and the untrained baselines on the same validation windows.

    Args:
        name: what the model is called.
        model: trained.
        panel: series with their validation rows.
        split: first validation row of each series.
        cfg: settled settings.
        season: steps of the main season.
        limit: windows looked at, evenly spread.
    """
    rivals = {baseline: classical.make(baseline, season) for baseline in BASELINES}
    entries = []
    windows = 0
    for title, forecaster in {name: model, **rivals}.items():
        reach = cfg.context_length if forecaster is model else classical.reach(season)
        errors = score(
            forecaster,
            panel,
            context_length=cfg.context_length,
            horizons=[cfg.h],
            start=split,
            stop=panel.lengths,
            look_back=reach,
            limit=limit,
        )[cfg.h]
        if not len(errors):
            return Verdict(0, [])
        windows = len(errors)
        entries.append(Entry(title, *errors.means()))
    return Verdict(windows, entries)
