"""Future covariates: the rows of the forecast steps, and their values in a user's frame."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import DataError
from tslm.core.messages import naming
from tslm.data.columns import Columns, check_covariates, parse_ids
from tslm.data.id_columns import complete_columns
from tslm.data.panel import Panel
from tslm.data.resample import resample_rows
from tslm.data.time_column import parse_times


def future_times(panel: Panel, calendar: Calendar, horizon: int) -> Ints:
    """Return the next ``horizon`` times of each series as integers, series after series."""
    last = panel.time.numpy()[panel.offsets[1:] - 1]
    return calendar.future(last, horizon).ravel()


def future_rows(panel: Panel, calendar: Calendar, horizon: int) -> pd.DataFrame:
    """Return a frame with ``unique_id`` and ``ds`` of the next ``horizon`` steps of each series."""
    times = calendar.from_int(future_times(panel, calendar, horizon))
    return pd.DataFrame({"unique_id": np.asarray(panel.ids.repeat(horizon)), "ds": times})


def look_up_future(
    futr_df: Any,
    names: Sequence[str],
    panel: Panel,
    time: Ints,
    calendar: Calendar,
    columns: Columns,
) -> pd.DataFrame:
    """Look up the covariates of the forecast steps in a user's frame.

    Rows of other series and times are ignored.

    Args:
        futr_df: a frame with id, time and covariates.
        names: names of the covariates.
        panel: the series to forecast.
        time: times of the forecast steps as integers, series after series.
        calendar: calendar of the series.
        columns: column names of id and time.

    Returns:
        One row per entry of ``time``; missing where ``futr_df`` has no such row.

    Raises:
        DataError: if ``futr_df`` lacks a column, has a row twice, or has another kind of time.
    """
    if not isinstance(futr_df, pd.DataFrame):
        raise DataError(f"futr_df is a {type(futr_df).__name__}, not a pandas DataFrame.")
    futr_df = complete_columns(futr_df, columns)
    check_covariates(futr_df, [columns.id, columns.time], title="futr_df")
    own = [columns.id, columns.time, columns.target]
    check_covariates(futr_df, names, own, title="futr_df")
    found = pd.DataFrame(index=range(0), columns=list(names))
    where = np.full(len(time), -1)
    if len(futr_df):
        found = futr_df[list(names)].reset_index(drop=True)
        codes, ids, steps, fractions = _parse_keys(futr_df, calendar, columns)
        if (twice := pd.MultiIndex.from_arrays([codes, steps, fractions]).duplicated()).any():
            rows = futr_df[[columns.id, columns.time]][twice].head(5).itertuples(index=False)
            raise DataError(f"Rows of futr_df occur twice: {_name_rows(rows)}. Drop them.")
        if calendar.phase is not None:
            order = np.argsort(fractions, kind="stable")
            found, codes, steps = found.iloc[order], codes[order], steps[order]
            found, codes, steps = resample_rows(found, codes, steps, calendar, names)
        index = pd.MultiIndex.from_arrays([ids.take(codes), steps])
        repeated = panel.ids.repeat(len(time) // len(panel))
        where = index.get_indexer(pd.MultiIndex.from_arrays([repeated, time]))
    return found.reindex(where).reset_index(drop=True)


def missing_future_rows(found: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the entries of ``rows`` for which ``found`` lacks the value of a covariate."""
    lacking = found.isna().any(axis=1).to_numpy()
    return rows[lacking].reset_index(drop=True)


def check_future(found: pd.DataFrame, rows: pd.DataFrame) -> None:
    """Refuse to forecast without the covariates of the forecast steps.

    Args:
        found: covariates of the forecast steps, from ``look_up_future``.
        rows: id and time of these steps, from ``future_rows``.

    Raises:
        DataError: if a value is missing; names the first rows.
    """
    lacking = missing_future_rows(found, rows)
    if len(lacking):
        more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
        raise DataError(
            f"futr_df lacks {naming(found.columns)} in {len(lacking)} of {len(rows)} rows: "
            f"{_name_rows(lacking.head(5).itertuples(index=False))}{more}. "
            "get_missing_future(futr_df) returns all of them, make_future_dataframe() the rows "
            "that are needed."
        )


def _parse_keys(
    futr_df: pd.DataFrame, calendar: Calendar, columns: Columns
) -> tuple[Ints, pd.Index, Ints, Ints]:
    """Return the series code of each row, the ids of the codes, times, and their fractions."""
    codes, ids = parse_ids(futr_df[columns.id], columns.id)
    writing = columns.writing.with_context(None, calendar)
    times = parse_times(futr_df[columns.time], columns.time, writing, codes)
    ds = times.values
    clock = Calendar.clock(ds)
    if (clock.dated, clock.tz is None) != (calendar.dated, calendar.tz is None):
        raise DataError(
            f"The times of futr_df are {ds.dtype}, which is another kind of time than that of the "
            "series. Convert them: both are timestamps with a time zone, or without, or integers."
        )
    fractions = np.zeros_like(codes) if times.fractions is None else times.fractions
    return codes, ids, clock.to_int(ds), fractions


def _name_rows(rows: Any) -> str:
    return ", ".join(f"{naming([name])} at {when}" for name, when in rows)
