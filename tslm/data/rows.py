"""Rows of a frame as arrays: series codes, integer times and values."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.calendar import Calendar, Freq, Ints, chronological
from tslm.core.errors import DataError
from tslm.core.messages import naming
from tslm.data.columns import Floats
from tslm.data.resample import resample_rows

Bools = npt.NDArray[np.bool_]

# seconds from 1970 to the years that nanosecond timestamps of pandas cover in full
_EARLIEST, _LATEST = (int(np.datetime64(f"{y}-01-01", "s").astype(np.int64)) for y in (1678, 2262))
_NAMED = 5  # rows that a message names


@dataclass(frozen=True)
class Rows:
    """Rows of all series.

    Attributes:
        ids: id of each series, sorted.
        codes: series of each row, as an index into ``ids``.
        time: time of each row as an integer.
        y: value of each row; NaN where missing.
        calendar: calendar of the times.
        column: name of the time column, for messages.
        fractions: nanoseconds from ``time`` to the time that was given; None if all are 0.
    """

    ids: pd.Index
    codes: Ints
    time: Ints
    y: Floats
    calendar: Calendar
    column: str = "ds"
    fractions: Ints | None = None

    def take(self, rows: Ints | Bools | slice) -> "Rows":
        """Return some of the rows."""
        fractions = None if self.fractions is None else self.fractions[rows]
        return replace(
            self,
            codes=self.codes[rows],
            time=self.time[rows],
            y=self.y[rows],
            fractions=fractions,
        )

    @property
    def keys(self) -> list[Ints]:
        """Return the arrays that identify a row: its series, its time, and the fraction of it."""
        return [self.codes, self.time, *([] if self.fractions is None else [self.fractions])]

    def name_rows(self, where: Bools) -> str:
        """Name series and time of the first rows of a mask: ``'a' at 2024-01-01 00:00:00``."""
        rows = np.flatnonzero(where)
        first = rows[:_NAMED]
        dates = self.calendar.from_int(self.time[first])
        names = [
            f"{naming([self.ids[c]])} at {d}" for c, d in zip(self.codes[first], dates, strict=True)
        ]
        more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
        return ", ".join(names) + more

    def check(self, *, unknown: bool = False) -> None:
        """Refuse infinite values, series without any value, and dates out of range.

        Args:
            unknown: True to let series without any value pass.

        Raises:
            DataError: if there are such; names series and dates.
        """
        if (infinite := np.isinf(self.y)).any():
            raise DataError(
                f"The target is infinite in series {self.name_rows(infinite)}. Replace these "
                "values, with NaN if they are unknown."
            )
        if not unknown and len(empty := self.without_value):
            raise DataError(
                f"Series {naming(empty)} have no value at all, only missing ones. Drop them."
            )
        if self.calendar.dated and (self.time.min() < _EARLIEST or self.time.max() >= _LATEST):
            odd = (self.time < _EARLIEST) | (self.time >= _LATEST)
            raise DataError(
                f"Dates must lie in the years 1678 to 2261; series {self.name_rows(odd)} do not. "
                "Drop or correct these rows."
            )

    @property
    def without_value(self) -> pd.Index:
        """Return the ids of series of which every value is missing."""
        seen = np.bincount(self.codes[~np.isnan(self.y)], minlength=len(self.ids))
        return self.ids[seen == 0]

    def sort(self) -> "Rows":
        """Return the rows sorted by series, then time; equal ones keep the order of the frame."""
        if self.fractions is not None:
            return self.take(np.lexsort(self.keys[::-1]))
        return self.take(chronological(self.codes, self.time))

    def merge_duplicates(self, on_duplicate: str) -> "Rows":
        """Return one row per series and time, fractions of a second included.

        Args:
            on_duplicate: "first", "last" or "mean" of several rows, or "raise".

        Raises:
            DataError: with "raise", if several rows have the same series and time; with "first" or
                "last", if this leaves a series without any value.
        """
        same = np.all([np.diff(key) == 0 for key in self.keys], axis=0)
        if not same.any():
            return self
        if on_duplicate == "raise":
            raise DataError(
                "Several rows of one series have the same time: series "
                f"{self.name_rows(np.append(False, same))}. Drop them, or pass "
                "on_duplicate='first', 'last' or 'mean'."
            )
        first = ~np.append(False, same)
        if on_duplicate in ("first", "last"):
            chosen = self.take(first if on_duplicate == "first" else ~np.append(same, False))
            if len(empty := chosen.without_value):
                raise DataError(
                    f"on_duplicate={on_duplicate!r} takes the {on_duplicate} row of each time, so "
                    f"series {naming(empty)} have no value left. Use on_duplicate='mean', or drop "
                    "the rows without a value."
                )
            return chosen
        means: Any = pd.Series(self.y).groupby(np.cumsum(first)).mean().to_numpy()
        return replace(self.take(first), y=means)

    def with_frequency(self, freq: Freq | None, known: Calendar | None, resample: Any) -> "Rows":
        """Return the rows with the frequency of an earlier frame, of the user, or of the times.

        Args:
            freq: frequency given by the user; inferred if None.
            known: calendar of an earlier frame, which takes precedence.
            resample: steps of the grid that rows are put on; takes precedence over ``freq``.

        Raises:
            DataError: if an earlier frame had another kind of time, or the frequency is unclear.
        """
        clock = self.calendar
        if known is None and resample is not None:
            return replace(self, calendar=clock.with_grid(resample, int(self.time.min())))
        if known is None:
            calendar = clock.with_frequency(self.time, self.codes, self.ids, freq)
            return replace(self, calendar=calendar)
        if (known.dated, known.tz is None) != (clock.dated, clock.tz is None):
            raise DataError(
                f"The time column holds {_kind_of_time(clock)}, but the model was fitted on "
                f"{_kind_of_time(known)}. Convert it to the same kind of time."
            )
        own = replace(clock, freq=known.freq, dayfirst=known.dayfirst, phase=known.phase)
        return replace(self, calendar=own)

    def resample(self) -> "Rows":
        """Return one row per step, the mean of the rows in it, if the calendar has a grid."""
        if self.calendar.phase is None:
            return self
        table = pd.DataFrame({"y": self.y})
        rows, codes, time = resample_rows(table, self.codes, self.time, self.calendar, ["y"])
        return replace(self, codes=codes, time=time, y=rows["y"].to_numpy(), fractions=None)

    def fill_missing(self, missing: str) -> "Rows":
        """Return rows with missing values filled after the first value of each series.

        Args:
            missing: "interpolate" draws a line between neighbours, "ffill" repeats the last value;
                anything else fills nothing.
        """
        absent = np.isnan(self.y)
        if missing not in ("interpolate", "ffill") or not absent.any():
            return self
        row = np.arange(len(self.y))
        before = np.maximum.accumulate(np.where(absent, -1, row))
        after = np.minimum.accumulate(np.where(absent, len(row), row)[::-1])[::-1]
        has_before = (before >= 0) & (self.codes[before] == self.codes)
        after = np.minimum(after, len(row) - 1)
        has_after = ~absent[after] & (self.codes[after] == self.codes)
        y = np.where(has_before, self.y[before], np.nan)
        if missing == "interpolate":
            inside = absent & has_before & has_after
            b, a, r = before[inside], after[inside], row[inside]
            weight = (r - b) / (a - b)
            y[inside] = (1 - weight) * self.y[b] + weight * self.y[a]
        return replace(self, y=y)

    def look_up(self, extra: pd.DataFrame, index: pd.MultiIndex) -> pd.DataFrame:
        """Return extra columns of these rows; missing where ``extra`` has no such row.

        Args:
            extra: the columns.
            index: series code and time of each row of ``extra``.
        """
        if not len(extra.columns):
            return extra.reindex(range(len(self.y)))
        rows = index.get_indexer(pd.MultiIndex.from_arrays([self.codes, self.time]))
        return extra.reindex(rows).reset_index(drop=True)


def _kind_of_time(calendar: Calendar) -> str:
    if not calendar.dated:
        return "integers"
    return f"timestamps with{'out' if calendar.tz is None else ''} a time zone"
