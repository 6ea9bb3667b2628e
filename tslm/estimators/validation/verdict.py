"""Verdict of a fit: validation errors of the model and of baselines without training."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from math import inf, isfinite
from typing import Any

import pandas as pd

from tslm.core.calendar import Ints
from tslm.core.errors import warn
from tslm.core.forecaster import Forecaster
from tslm.core.messages import counted
from tslm.core.types import Contribution, Facts, Task
from tslm.data.batches import Batches
from tslm.data.panel import Panel
from tslm.data.samplers import evenly_spaced
from tslm.data.windows import Windows
from tslm.estimators.validation.window_errors import score
from tslm.models.assembly import rule

BASELINES = ("last", "seasonal_naive", "profile_ar")
_SHARES = ("weight", "alone", "without")
CHOOSING = 256  # windows on which a baseline chooses its variant. Chosen by hand
JUDGING = 4096  # windows on which the model is compared with baselines


@dataclass(frozen=True)
class Entry:
    """Mean validation errors of one forecaster, on the standardised scale.

    Attributes:
        model: name of the forecaster.
        mse: mean squared error.
        mae: mean absolute error.
    """

    model: str
    mse: float
    mae: float


@dataclass(frozen=True)
class Verdict:
    """Validation errors of the model and of the baselines it is compared with.

    Attributes:
        windows: number of validation windows.
        entries: the model first, then the baselines; empty if no rows were held out.
        shrinkage: share of its correction of the base that the model keeps, in [0, 1]; see
            ``Forecaster.shrinkage``.
        members: contribution of each member of a mix; empty if the model is none.
        depths: validation error of each number of blocks that ``n_layers="auto"`` chose from; empty
            if the number was set.
    """

    windows: int
    entries: Sequence[Entry]
    shrinkage: float | None = None
    members: Sequence[Contribution] = ()
    depths: Mapping[int, float] = field(default_factory=dict)

    @property
    def carried(self) -> str:
        """Return a sentence on the members of a mix; an empty text if the model is none.

        It names the weight of each, the largest first, and how much larger the loss on validation
        windows would be without the heaviest one and without the last one, the adapter.
        """
        if not self.members:
            return ""
        ordered = sorted(self.members, key=lambda one: -one.weight)
        weights = ", ".join(f"{one.member} {one.weight:.0%}" for one in ordered)
        if not self.windows:
            return f"Equal weights, as there are no validation windows: {weights}."
        asked = {one.member: one for one in (ordered[0], self.members[-1])}
        without = ", ".join(
            f"{one.without - 1:+.1%} without {one.member}" for one in asked.values()
        )
        return (
            f"Weights on {counted(self.windows, 'validation window')}: {weights}. Loss: {without}."
        )

    @property
    def criterion(self) -> str:
        """Return the error to judge by: ``mae`` for a mix, which gives a median, else ``mse``."""
        return "mae" if self.members else "mse"

    @property
    def best(self) -> Entry | None:
        """Return the baseline with the least ``criterion``; None without validation rows."""
        return min(self.entries[1:], key=self._error, default=None)

    def _error(self, entry: Entry) -> float:
        return entry.mae if self.criterion == "mae" else entry.mse

    def to_frame(self) -> pd.DataFrame:
        """Return one row per forecaster, the model first, with the columns model, mse and mae."""
        names = [one.name for one in fields(Entry)]
        return pd.DataFrame([asdict(entry) for entry in self.entries], columns=names)

    def warn(self, what: str) -> None:
        """Warn if a baseline has an error that is as small as that of the model.

        Args:
            what: the part of the model that does not help then, for the message.
        """
        if self.best is None:
            return
        own, other = self._error(self.entries[0]), self._error(self.best)
        if not own < other:
            warn(
                f"On {counted(self.windows, 'validation window')} {self.entries[0].model} has "
                f"{self.criterion.upper()} {own:.4f} and the untrained {self.best.model} "
                f"{other:.4f}: {what} does not help here. See verdict_."
            )

    def state(self) -> dict[str, object]:
        """Return plain values for ``from_state``; None replaces infinite errors."""
        entries = [
            {"model": e.model, "mse": _finite(e.mse), "mae": _finite(e.mae)} for e in self.entries
        ]
        members = [one._asdict() for one in self.members]
        return {
            "windows": self.windows,
            "entries": entries,
            "shrinkage": self.shrinkage,
            "members": members,
            "depths": {str(depth): _finite(error) for depth, error in self.depths.items()},
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Verdict":
        """Make a verdict from its ``state``."""
        entries = [
            Entry(str(entry["model"]), *(_number(entry[error]) for error in ("mse", "mae")))
            for entry in state["entries"]
        ]
        shrinkage = state.get("shrinkage")  # absent in models of earlier versions, as are members
        factor = None if shrinkage is None else float(shrinkage)
        members = tuple(
            Contribution(str(one["member"]), *(float(one[name]) for name in _SHARES))
            for one in state.get("members", [])
        )
        depths = {int(depth): _number(e) for depth, e in state.get("depths", {}).items()}
        return cls(int(state["windows"]), entries, factor, members, depths)


def _finite(error: float) -> float | None:
    return error if isfinite(error) else None


def _number(stored: Any) -> float:
    return inf if stored is None else float(stored)


def judge(name: str, model: Forecaster, panel: Panel, split: Ints, task: Task) -> Verdict:
    """Score the model and the baselines on the same validation windows.

    Args:
        name: name of the model.
        model: the trained model.
        panel: series with their validation rows.
        split: first validation row of each series.
        task: lengths, season and frequency of the forecast.
    """
    limit = JUDGING
    if model.contributions:  # each window costs a fit of every local rule
        limit = min(limit, model.calibration_windows)
    forecasters = {name: (model, max(task.context_length, model.reach))}
    for baseline in BASELINES:
        forecasters[baseline] = _untrained(baseline, panel, split, task)
    entries = []
    for title, (forecaster, reach) in forecasters.items():
        errors = score(
            forecaster,
            panel,
            context_length=task.context_length,
            horizons=[task.horizon],
            start=split,
            stop=panel.lengths,
            look_back=reach,
            limit=limit,
        )[task.horizon].observed()
        if not len(errors):
            return Verdict(0, [], model.shrinkage, model.contributions)
        entries.append((len(errors), Entry(title, *errors.means())))
    windows, found = entries[0][0], [entry for _, entry in entries]
    return Verdict(windows, found, model.shrinkage, model.contributions)


def _untrained(name: str, panel: Panel, split: Ints, task: Task) -> tuple[Forecaster, int]:
    """Make a baseline, let it choose its variant on validation windows, and return its context."""
    forecaster = rule(name, task)
    facts = Facts(task.horizon, task.season_length, int(panel.lengths.max()))
    reach = forecaster.suggest(facts, None, {}).context_length
    windows = Windows(panel, context_length=reach, future_length=task.horizon, start=split)
    looked_at = evenly_spaced(len(windows), CHOOSING) if len(windows) else None
    forecaster.learn([], Batches(windows, looked_at))
    return forecaster, reach
