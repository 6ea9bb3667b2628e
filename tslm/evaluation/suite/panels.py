"""Panels of the suite's tasks: all series of a task in one frame, cut into windows.

A window's history ends at its origin. No row after the origin is part of it, so no model sees the
rows on which it is scored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Float

from tslm.core.config.choices import node
from tslm.core.errors import DataError
from tslm.core.messages import naming
from tslm.data.datasets import benchmarks, competitions
from tslm.evaluation.metrics.panel_errors import seasonal_error
from tslm.evaluation.suite.groups import TaskSettings

KEY = ["unique_id", "ds", "y"]


@dataclass(frozen=True)
class Window:
    """Origin of a task: the rows before it, and the steps to forecast after it.

    Args:
        history: rows up to the origin, a long frame.
        future: ids, times and covariates of the steps to forecast, without ``y``.
        truth: true values of these steps; series are in the order of ``ids``.
        ids: ids of the series.
    """

    history: pd.DataFrame
    future: pd.DataFrame
    truth: Float[np.ndarray, "S H"]
    ids: tuple[str, ...]

    @cached_property
    def pasts(self) -> list[np.ndarray]:
        """Return the past values of each series."""
        by_id = self.history.groupby("unique_id", sort=False).y
        values = {str(key): past.to_numpy(dtype=np.float64) for key, past in by_id}
        return [values[key] for key in self.ids]

    def scale(self, season_length: int) -> Float[np.ndarray, " S"]:
        """Return the seasonal error of each history, the unit of scaled errors."""
        return np.array([seasonal_error(past, season_length) for past in self.pasts])


@dataclass(frozen=True)
class Panel:
    """All series of a task.

    Args:
        settings: of the task.
        frame: long frame with all rows, those to forecast included; sorted by series and time.
        freq: distance of rows, as the estimators take it.
    """

    settings: TaskSettings
    frame: pd.DataFrame
    freq: str | int

    @property
    def covariates(self) -> list[str]:
        """Return the names of the columns that are known ahead."""
        return [str(name) for name in self.frame.columns if name not in KEY]

    def windows(self) -> Iterator[Window]:
        """Cut the windows, the oldest first.

        Raises:
            DataError: if a series is too short.
        """
        h, count = self.settings.h, self.settings.windows
        left = self.frame.groupby("unique_id", sort=False).cumcount(ascending=False)
        ids = tuple(self.frame.unique_id.unique())
        lengths = self.frame.groupby("unique_id", sort=False).size()
        short = lengths[lengths <= self.settings.gap + h * count].index
        if len(short):
            raise DataError(
                f"Task {self.settings.name}: series {naming(short)} have no row before the first "
                f"of {count} windows of {h} steps. Lower windows or h in the file of the group."
            )
        for number in range(count):
            rows = self.settings.gap + h * (count - number)  # after the origin
            ahead = self.frame[(left < rows) & (left >= rows - h)]
            yield Window(
                history=self.frame[left >= rows].reset_index(drop=True),
                future=ahead.drop(columns="y").reset_index(drop=True),
                truth=ahead.y.to_numpy(dtype=np.float64).reshape(len(ids), h),
                ids=ids,
            )


def read_panel(settings: TaskSettings) -> Panel:
    """Read the data sets of a task and join their series.

    Raises:
        DataError: if a file is missing or altered.
    """
    parts, steps = [], set()
    for name in settings.datasets:
        frame, freq = _read(name, equally_spaced=settings.resample is None)
        if len(settings.datasets) > 1:
            frame = frame.assign(unique_id=name + "/" + frame.unique_id)
        parts.append(frame)
        steps.add(freq)
    if len(steps) > 1:
        raise DataError(
            f"Task {settings.name}: its data sets have the steps {', '.join(map(str, steps))}. "
            "Name data sets with one step."
        )
    joined, freq = pd.concat(parts, ignore_index=True), steps.pop()
    if settings.resample is not None:
        joined, freq = _resample(joined, settings.resample), settings.resample
    return Panel(settings, joined, freq)


def _read(name: str, equally_spaced: bool) -> tuple[pd.DataFrame, str | int]:
    """Return all rows of a data set and their distance.

    Args:
        name: of the data set.
        equally_spaced: False takes times as they are in the file, for ``resample``.
    """
    content = node("benchmark", name)
    if not competitions.is_competition(content):
        own = {} if equally_spaced else {"equally_spaced": False}
        data = benchmarks.load({**content, **own})
        return data.frame, data.freq
    short = competitions.load(content)
    whole = {key: np.concatenate([past, short.truth[key]]) for key, past in short.known.items()}
    return competitions.long_frame(whole), 1


def _resample(frame: pd.DataFrame, step: str) -> pd.DataFrame:
    """Average the rows in each step; a step without rows is interpolated between its neighbours."""
    steps = frame.groupby(["unique_id", pd.Grouper(key="ds", freq=step)]).y.mean()
    wide = steps.unstack(0)[frame.unique_id.unique()].asfreq(step).interpolate()
    return wide.reset_index().melt(id_vars="ds", value_name="y", var_name="unique_id")[KEY]
