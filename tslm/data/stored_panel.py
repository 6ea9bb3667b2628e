"""Panel whose rows are in memory-mapped files, made of the series of a data set."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from tslm.core.calendar import Ints
from tslm.data.covariates.panel_effects import KnownRows, PanelEffects
from tslm.data.covariates.treatment import CovariateTreatment
from tslm.data.frame import Frame
from tslm.data.panel import Panel
from tslm.data.stored_series import StoredSeries

Finish = Callable[[Panel, Frame], Panel]
Levels = dict[str, dict[Any, tuple[float, float]]]

VALUES, TIMES, KNOWN = "values.f32", "times.i64", "known.f64"


def stored_panel(
    series: StoredSeries, until: Ints, finish: Finish, treatment: CovariateTreatment | None
) -> Panel:
    """Standardise the series of a data set, some at a time, into files that are mapped.

    The rows are those of ``Panel.from_frame``, with the same bits. They take 12 bytes each in
    files, and no memory but the pages that are read, which the system can give back.

    Args:
        series: the series.
        until: number of first rows of each series that its statistics use.
        finish: adds texts to the panel of a frame.
        treatment: treatment of covariates; None without any.
    """
    values, times = _RowFile(series.work / VALUES), _RowFile(series.work / TIMES)
    known = _RowFile(series.work / KNOWN)
    parts = list[tuple[Ints, Panel]]()
    for numbers, frame in series.frames():
        part = finish(Panel.from_frame(frame, until=until[numbers]), frame)
        part = part if treatment is None else treatment.apply(part, frame)
        starts = series.offsets[numbers]
        values.write(part.values.numpy(), starts, part.lengths)
        times.write(part.time.numpy(), starts, part.lengths)
        if part.effects.known is not None:
            known.write(part.effects.known.values.numpy(), starts, part.lengths)
        parts.append((numbers, _without_rows(part)))
    rows, covariates = values.tensor(torch.float32), None
    if (some := parts[0][1].effects.known) is not None:
        matrix = known.tensor(torch.float64).reshape(len(rows), len(some.names))
        covariates = KnownRows(matrix, some.names)
    return Panel(
        values=rows,
        time=times.tensor(torch.int64),
        offsets=series.offsets,
        ids=series.ids,
        loc=_by_series([(numbers, part.loc) for numbers, part in parts]),
        spread=_by_series([(numbers, part.spread) for numbers, part in parts]),
        step=_by_series([(numbers, part.step) for numbers, part in parts]),
        effects=replace(_joined([part.effects for _, part in parts], series), known=covariates),
        text=_texts([(numbers, part.text) for numbers, part in parts]),
        titles=_texts([(numbers, part.titles) for numbers, part in parts]),
    )


class _RowFile:
    """File of the rows of all series, written in any order of whole series.

    Args:
        path: the file; it is made by the first ``write``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, rows: npt.NDArray[Any], starts: Ints, lengths: Ints) -> None:
        """Write rows of series to their places.

        Args:
            rows: the rows, series after series.
            starts: number of the first row of each series in the file.
            lengths: rows of each series.
        """
        ends = np.cumsum(lengths)
        apart = np.flatnonzero(starts[1:] != starts[:-1] + lengths[:-1]) + 1
        firsts = [0, *apart.tolist()]
        lasts = [*apart.tolist(), len(starts)]
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            for first, last in zip(firsts, lasts, strict=True):
                some = rows[ends[first] - lengths[first] : ends[last - 1]]
                file.seek(int(starts[first]) * some[:1].nbytes)
                file.write(np.ascontiguousarray(some).data.cast("B"))

    def tensor(self, dtype: torch.dtype) -> Tensor:
        """Return the numbers of the file as a tensor that is mapped, not read."""
        size = self.path.stat().st_size // dtype.itemsize
        return torch.from_file(str(self.path), shared=True, size=size, dtype=dtype)


def _without_rows(panel: Panel) -> Panel:
    """Return a panel with its facts about series, and without its rows."""
    none = replace(panel.effects, known=None, lagged=None)
    if (known := panel.effects.known) is not None:
        none = replace(none, known=known._replace(values=known.values[:0].clone()))
    values, time = panel.values[:0].clone(), panel.time[:0].clone()
    return replace(panel, values=values, time=time, effects=none)


def _by_series(parts: list[tuple[Ints, npt.NDArray[Any]]]) -> npt.NDArray[Any]:
    """Return one number for each series, in the order of their numbers."""
    numbers = np.concatenate([numbers for numbers, _ in parts])
    values = np.concatenate([values for _, values in parts])
    ordered = np.empty_like(values)
    ordered[numbers] = values
    return ordered


def _texts(parts: list[tuple[Ints, Any]]) -> list[str] | None:
    """Return one text for each series, in the order of their numbers; None without texts."""
    if parts[0][1] is None:
        return None
    pairs = [pair for numbers, texts in parts for pair in zip(numbers.tolist(), texts, strict=True)]
    return [text for _, text in sorted(pairs)]


def _joined(parts: list[PanelEffects], series: StoredSeries) -> PanelEffects:
    """Return what is known of the covariates of each series."""
    levels: Levels | None = None
    statics: pd.DataFrame | None = None
    if parts[0].levels is not None:
        levels = {}
        for part in parts:
            for name, pairs in (part.levels or {}).items():
                levels.setdefault(name, {}).update(pairs)
        levels = {name: {i: own[i] for i in series.ids.tolist()} for name, own in levels.items()}
    if parts[0].statics is not None:
        statics = pd.concat([part.statics for part in parts]).reindex(series.ids)
    return PanelEffects(levels=levels, statics=statics)
