"""Frames: a user's long frame, checked, sorted and put on a regular grid.

The package utilsforecast defines what a long frame is. Its ``fill_gaps`` is not used: it steps in
UTC and in truncated units, which moves local days at daylight saving time, loses the anchor of
weeks and quarters, and drops rows between steps instead of naming them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from utilsforecast.validation import validate_format

from tslm.core.calendar import Calendar, Freq, Ints
from tslm.core.errors import DataError, warn
from tslm.core.frequency import check_steps
from tslm.core.messages import check_choice, naming
from tslm.data.columns import Columns as Columns
from tslm.data.columns import parse_ids, parse_target, select
from tslm.data.frame_report import Report
from tslm.data.id_columns import check_single, complete_columns
from tslm.data.regular_grid import put_on_grid
from tslm.data.resample import resample_rows
from tslm.data.rows import Rows
from tslm.data.time_column import parse_times

Missing = Literal["mask", "raise", "interpolate", "ffill"]
OnDuplicate = Literal["raise", "first", "last", "mean"]


@dataclass(frozen=True)
class Frame:
    """Series on a regular grid.

    Attributes:
        table: columns ``unique_id``, ``ds`` and ``y`` (float64, NaN where missing), sorted by id
            and time; then the covariates and text columns, as in the user's frame.
        calendar: frequency and time zone of ``ds``.
        report: counts of gaps, missing values and duplicates.
    """

    table: pd.DataFrame
    calendar: Calendar
    report: Report

    @cached_property
    def ids(self) -> pd.Index:
        """Return the id of each series, in the order of the table."""
        return pd.Index(self.table["unique_id"].iloc[self.offsets[:-1]]).rename(None)

    @cached_property
    def offsets(self) -> Ints:
        """Return the row at which each series starts, and the end of the last one."""
        codes = pd.factorize(self.table["unique_id"])[0]
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        return np.append(starts, len(codes)).astype(np.int64)

    @cached_property
    def unknown(self) -> Ints:
        """Return the number of rows after the last value of each series; 0 without a value."""
        known = np.flatnonzero(~self.table["y"].isna().to_numpy())
        last = np.append(known, -1)[np.searchsorted(known, self.offsets[1:]) - 1]
        return np.where(last < self.offsets[:-1], 0, self.offsets[1:] - 1 - last)

    @property
    def ends(self) -> Ints:
        """Return the time of the last row of each series as an integer."""
        return self.calendar.to_int(self.table["ds"].iloc[self.offsets[1:] - 1])

    def warn(self, missing: str) -> None:
        """Warn of missing values, see ``Report.warn``, and of series that end in such rows."""
        self.report.warn(missing)
        warn_about_end(self.ids, self.unknown, self.ends, self.calendar)


def read_frame(
    df: Any,
    columns: Columns,
    *,
    freq: Freq | None = None,
    missing: str = "mask",
    on_duplicate: str = "raise",
    calendar: Calendar | None = None,
    extra: Sequence[str] = (),
    words: Sequence[str] = (),
    resample: str | pd.offsets.BaseOffset | None = None,
    unknown: bool = False,
    silent: bool = False,
) -> Frame:
    """Check a long frame and put it on a regular grid; the frame itself is not changed.

    Args:
        df: a pandas frame, one row per series and time, in any order; the id may be (part of)
            the index; without an id the frame is one series.
        columns: column names of the frame.
        freq: pandas alias or integer step; inferred from the times if None.
        missing: treatment of gaps and missing values: "mask" leaves NaN and warns once, "raise"
            refuses them, "interpolate" draws a line between neighbours, "ffill" repeats the last
            value. Rows before the first value of a series stay NaN.
        on_duplicate: treatment of several rows of one series and time: "raise", "first", "last" or
            "mean".
        calendar: calendar of an earlier frame, whose frequency and grid this one must have;
            ``freq`` and ``resample`` are then ignored. The time zone is the frame's own.
        extra: covariates to keep; missing where the frame has no row.
        words: further columns to keep, used in prompts.
        resample: steps of a grid: the numbers of all rows of a step are averaged, and of other
            columns the last value is taken. None leaves rows where they are.
        unknown: True to let series pass of which every value is missing.
        silent: True to leave out warnings of missing values, which ``Frame.warn`` gives.

    Raises:
        DataError: if the frame breaks the contract; names ids, dates and columns.
        ConfigError: if ``missing``, ``on_duplicate``, ``freq`` or ``resample`` is unknown.
    """
    check_choice("missing", missing, get_args(Missing))
    check_choice("on_duplicate", on_duplicate, get_args(OnDuplicate))
    check_steps(freq, resample)
    others = list(dict.fromkeys([*extra, *words]))
    whole = complete_columns(df, columns)
    raw = select(whole, columns, others, _added_columns(df, whole))
    if on_duplicate == "raise":
        check_single(df, whole, columns)
    codes, ids = parse_ids(raw[columns.id], columns.id)
    writing = replace(columns.writing, truncates=resample is not None)
    writing = writing.with_context(freq, calendar)
    ds = parse_times(raw[columns.time], columns.time, writing, codes)
    y = parse_target(raw[columns.target], columns)
    clock = replace(Calendar.clock(ds.values), dayfirst=ds.dayfirst)
    found = Rows(ids, codes, clock.to_int(ds.values), y, clock, columns.time, ds.fractions)
    found.check(unknown=unknown)
    rows = found.sort().merge_duplicates(on_duplicate)
    duplicates = len(found.y) - len(rows.y)
    rows = rows.with_frequency(freq, calendar, resample).resample()
    grid = put_on_grid(rows, calendar, freq is not None)
    beside, index = _merge_extra(found, grid.calendar, raw[others], on_duplicate, extra)
    report = Report.count(duplicates, rows, grid).with_covariates(beside, extra)
    if missing == "raise":
        report.refuse_missing(grid)
    table = _table(grid.fill_missing(missing), grid.look_up(beside, index))
    frame = Frame(table, grid.calendar, report)
    if not silent:
        frame.warn(missing)
    return frame


def _table(rows: Rows, beside: pd.DataFrame) -> pd.DataFrame:
    """Return rows as a long frame, with extra columns."""
    columns = {
        "unique_id": rows.ids.take(rows.codes),
        "ds": rows.calendar.from_int(rows.time),
        "y": rows.y,
    }
    table = pd.DataFrame(columns, copy=False)
    validate_format(table)
    return pd.concat([table, beside], axis=1)


def _added_columns(given: Any, whole: Any) -> list[Any]:
    """Return the columns of ``whole`` that the user's frame does not have."""
    if not isinstance(given, pd.DataFrame):
        return []
    return [name for name in whole.columns if name not in (*given.columns, *given.index.names)]


def _merge_extra(
    found: Rows,
    calendar: Calendar,
    extra: pd.DataFrame,
    on_duplicate: str,
    averaged: Sequence[str],
) -> tuple[pd.DataFrame, pd.MultiIndex]:
    """Return extra columns with one row per series and time; duplicates take the first or last.

    Returns:
        The rows, and the series code and time of each.
    """
    codes, time = found.codes, found.time
    if len(extra.columns):
        if found.fractions is not None:  # the last value of a step is the latest one
            order = np.lexsort(found.keys[::-1])
            found, extra = found.take(order), extra.iloc[order]
            codes, time = found.codes, found.time
        again = pd.MultiIndex.from_arrays(found.keys).duplicated(
            keep="last" if on_duplicate == "last" else "first"
        )
        extra, codes, time = extra[~again].reset_index(drop=True), codes[~again], time[~again]
        if calendar.phase is not None:
            extra, codes, time = resample_rows(extra, codes, time, calendar, averaged)
    return extra, pd.MultiIndex.from_arrays([codes, time])


def warn_about_end(ids: pd.Index, unknown: Ints, ends: Ints, calendar: Calendar) -> None:
    """Warn if series end in rows without a value: forecasts begin after these rows.

    Args:
        ids: id of each series.
        unknown: number of rows after its last value.
        ends: time of its last row as an integer.
        calendar: calendar of the times.
    """
    if not (short := unknown > 0).any():
        return
    longest = int(unknown.argmax())
    begin = calendar.from_int(calendar.future(ends[[longest]], 1)[0])[0]
    warn(
        f"Series {naming(ids[short])} end in rows without a value, {unknown[longest]} "
        f"in {naming([ids[longest]])}. Forecasts begin after the last row, there at {begin}. "
        "Drop these rows to forecast them."
    )


def check_series_texts(stored: Any, series: int) -> Sequence[str] | None:
    """Return the saved text of each series; None if nothing was saved.

    Raises:
        DataError: if there is not exactly one text per series.
    """
    if stored is None:
        return None
    whole = isinstance(stored, list) and len(stored) == series
    if not whole or not all(isinstance(text, str) for text in stored):
        raise DataError(f"The saved model must have one text for each of {series} series.")
    return list(stored)
