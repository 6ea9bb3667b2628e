"""Data for an ablation: rows to fit on, rows to validate on, windows to score."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tslm.core.calendar import Ints
from tslm.core.errors import DataError
from tslm.core.messages import naming
from tslm.data.frame import Frame
from tslm.data.origins import check_lengths
from tslm.data.panel import Floats, Panel
from tslm.estimators.trained_forecaster import TrainedForecaster
from tslm.estimators.validation.rows import read_both


@dataclass(frozen=True)
class Trial:
    """Data for an ablation: the rows every arm is fitted on and the windows it is scored on.

    Attributes:
        name: name of the data, for the report.
        known: training rows, a long frame.
        val: validation rows, or None to hold out some of ``known``.
        frame: all rows on their regular grid.
        start: first scored row of each series.
        stop: row after the last scored row of each series.
        season: steps of the main season.
        spread: function from series ids to the unit of their errors, in the units of ``y``.
        stride: steps between the starts of scored windows.
    """

    name: str
    known: pd.DataFrame
    val: pd.DataFrame | None
    frame: Frame
    start: Ints
    stop: Ints
    season: int
    spread: Callable[[pd.Index], Floats]
    stride: int = 1

    def panel(self, fitted: TrainedForecaster) -> Panel:
        """Return all series, standardised by a fitted model."""
        return fitted.panel_reader.panel_of(self.frame)


def held_out(
    model: TrainedForecaster,
    df: pd.DataFrame,
    rows: int,
    *,
    static_df: pd.DataFrame | None = None,
    val_df: pd.DataFrame | None = None,
) -> Trial:
    """Make a trial from a user's frame: the last ``rows`` of each series are scored.

    Args:
        model: the estimator to ablate; it reads the frame.
        df: long frame.
        rows: number of scored rows of each series.
        static_df: one row per series with static values, see ``TrainedForecaster.fit``.
        val_df: rows that follow those of ``df``. The last ``rows`` of them are scored, and the
            others are validation rows.

    Raises:
        DataError: if the frame breaks the contract, or a series has too few rows.
    """
    reader = model.reader
    df = reader.join(df, static_df)
    if val_df is None:
        frame = reader.read(df)
        check_lengths(frame, rows)
        kept = np.full(len(frame.ids), rows)
    else:
        val_df = reader.join(val_df, static_df)
        frame, kept = read_both(reader, df, val_df)
        if (few := kept <= rows).any():
            raise DataError(
                f"The last {rows} rows of val_df are scored and the rows before them are used for "
                f"validation. Series {naming(frame.ids[few])} have {rows} rows or fewer in val_df. "
                "Give more rows, or set a smaller h or n_windows."
            )
    lengths = np.diff(frame.offsets)
    row = np.arange(len(frame.table)) - frame.offsets[:-1].repeat(lengths)
    learnt, scored = (row < (lengths - part).repeat(lengths) for part in (kept, rows))
    spread = pd.Series(Panel.from_frame(frame, until=lengths - kept).spread, frame.ids)
    return Trial(
        name="the frame",
        known=reader.rename(frame.table[learnt]),
        val=None if val_df is None else reader.rename(frame.table[~learnt & scored]),
        frame=frame,
        start=lengths - rows,
        stop=lengths,
        season=model.season_length or frame.calendar.season_length,
        spread=lambda ids: np.asarray(spread[ids], np.float64),
    )
