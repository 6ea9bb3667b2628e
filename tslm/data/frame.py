"""The frame contract: a long frame of any shape in, a sorted regular grid of floats out.

utilsforecast has the last word on what a long frame is. Its `fill_gaps` is not used: it steps in
UTC and in truncated units, which moves local days across daylight saving, loses the anchors of
weeks and quarters, and drops the rows off the grid that we name.
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from utilsforecast.validation import validate_format

from tslm.core.calendar import Calendar, Freq, Ints, chronological
from tslm.core.errors import DataError, warn
from tslm.core.frequency import DAY, check_steps
from tslm.core.messages import check_choice, counted, naming
from tslm.data.columns import Columns as Columns
from tslm.data.columns import Floats, parse_ids, parse_target, select
from tslm.data.resample import resample_rows
from tslm.data.roles import check_single, complete_columns
from tslm.data.time_column import parse_times

Missing = Literal["mask", "raise", "interpolate", "ffill"]
OnDuplicate = Literal["raise", "first", "last", "mean"]
Bools = npt.NDArray[np.bool_]

_EARLIEST, _LATEST = (int(np.datetime64(f"{y}-01-01", "s").astype(np.int64)) for y in (1678, 2262))
_SPARSE = 10_000_000  # rows of grid beyond which ten times the rows of the frame are refused


@dataclass(frozen=True)
class Report:
    """What was found in a frame and done about it.

    Args:
        series: number of series.
        rows: rows on the regular grid.
        gaps: rows of the grid the frame had not.
        missing: rows the frame had without a value.
        duplicates: rows dropped or averaged away.
        worst: rows without a value by id, for the five series that have most of them.
        covariates: rows the frame had without a value, by covariate; only those that have some.
    """

    series: int
    rows: int
    gaps: int
    missing: int
    duplicates: int
    worst: dict[Hashable, int]
    covariates: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Everything, ready for JSON, whose keys are text alone: ids are in pairs."""
        return {**asdict(self), "worst": [[id_, rows] for id_, rows in self.worst.items()]}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Report":
        """The inverse of ``to_dict``."""
        worst, covariates = dict(stored["worst"]), dict(stored["covariates"])
        report = cls(**{**stored, "worst": worst, "covariates": covariates})
        counts = (report.series, report.rows, report.gaps, report.missing, report.duplicates)
        if not all(type(n) is int for n in (*counts, *worst.values(), *covariates.values())):
            raise DataError("The saved report must hold whole numbers. Save the model again.")
        return report


@dataclass(frozen=True)
class Frame:
    """Series on a regular grid.

    Args:
        table: columns unique_id, ds and y (float64, NaN where missing), sorted by id and time;
            then covariates, as the user has them.
        calendar: the frequency and clock of ``ds``.
        report: what was found on the way.
    """

    table: pd.DataFrame
    calendar: Calendar
    report: Report

    @cached_property
    def ids(self) -> pd.Index:
        """The id of each series, in the order of the table."""
        return pd.Index(self.table["unique_id"].iloc[self.offsets[:-1]]).rename(None)

    @cached_property
    def offsets(self) -> Ints:
        """Where each series starts in the table, and where the last one ends."""
        codes = pd.factorize(self.table["unique_id"])[0]
        starts = np.flatnonzero(np.diff(codes, prepend=-1))
        return np.append(starts, len(codes)).astype(np.int64)

    @cached_property
    def unknown(self) -> Ints:
        """How many rows of each series follow its last value."""
        known = np.flatnonzero(~self.table["y"].isna().to_numpy())
        last = known[np.searchsorted(known, self.offsets[1:]) - 1]
        return self.offsets[1:] - 1 - last


def read_frame(
    df: Any,
    columns: Columns,
    *,
    freq: Freq | None = None,
    missing: str = "mask",
    on_duplicate: str = "raise",
    calendar: Calendar | None = None,
    min_rows: int = 1,
    extra: Sequence[str] = (),
    words: Sequence[str] = (),
    resample: str | pd.offsets.BaseOffset | None = None,
) -> Frame:
    """Check a long frame and put it on a regular grid, leaving the frame itself alone.

    Args:
        df: a pandas frame, one row per series and time, in any order; the id may be (part of)
            the index; without an id the frame is one series.
        columns: what the columns are called.
        freq: pandas alias or integer step; read off the times if None.
        missing: what to do about gaps and missing values: leave NaN and warn once ("mask"),
            refuse ("raise"), draw a line between neighbours ("interpolate") or repeat the last
            value ("ffill"). What precedes the first value of a series stays NaN.
        on_duplicate: what to do with several rows of one series and time.
        calendar: the frequency of an earlier frame, which this one must share, and its grid;
            ``freq`` and ``resample`` are then not read. The time zone is the frame's own.
        min_rows: rows each series must have.
        extra: covariates to take along; missing where the frame has no row.
        words: further columns to take along, which are no covariates.
        resample: the steps of a grid that rows are put on, each at the step it lies in: numbers of
            one step are averaged, and of other columns the last value is taken. None leaves rows
            where they are.

    Raises:
        DataError: if the frame breaks the contract; names ids, dates and columns.
        ConfigError: if ``missing``, ``on_duplicate``, ``freq`` or ``resample`` is unknown.
    """
    check_choice("missing", missing, get_args(Missing))
    check_choice("on_duplicate", on_duplicate, get_args(OnDuplicate))
    check_steps(freq, resample)
    others = list(dict.fromkeys([*extra, *words]))
    whole = complete_columns(df, columns)
    raw = select(whole, columns, others, _made(df, whole))
    if on_duplicate == "raise":
        check_single(df, whole, columns)
    codes, ids = parse_ids(raw[columns.id], columns.id)
    writing = replace(columns.writing, truncates=resample is not None).with_context(freq, calendar)
    ds = parse_times(raw[columns.time], columns.time, writing, codes)
    y = parse_target(raw[columns.target], columns)
    clock = replace(Calendar.clock(ds.values), dayfirst=ds.dayfirst)
    found = _Rows(ids, codes, clock.to_int(ds.values), y, clock, columns.time)
    found.check()
    rows = found.ordered().unique(on_duplicate)
    twice = len(found.y) - len(rows.y)
    rows = rows.stepping(freq, calendar, resample).resample_rows()
    grid = rows.on_grid(calendar, freq is not None)
    grid.check_lengths(min_rows)
    report = _report(twice, rows, grid)
    beside, index = _beside(found, grid.calendar, raw[others], on_duplicate, extra)
    report = replace(report, covariates=_lacking(beside[list(extra)]))
    _announce(grid, report, missing)
    frame = grid.completed(missing).frame(report, grid.beside(beside, index))
    _announce_end(frame)
    return frame


@dataclass(frozen=True)
class _Rows:
    """Rows of all series: codes (into ``ids``), times as integers, values, the time column."""

    ids: pd.Index
    codes: Ints
    time: Ints
    y: Floats
    calendar: Calendar
    column: str = "ds"

    def take(self, rows: Ints | Bools | slice) -> "_Rows":
        return replace(self, codes=self.codes[rows], time=self.time[rows], y=self.y[rows])

    def places(self, where: Bools, limit: int = 5) -> str:
        """Name the first series and times of a condition: ``'a' at 2024-01-01 00:00:00``."""
        rows = np.flatnonzero(where)
        first = rows[:limit]
        dates = self.calendar.from_int(self.time[first])
        names = [
            f"{naming([self.ids[c]])} at {d}" for c, d in zip(self.codes[first], dates, strict=True)
        ]
        more = f" and {len(rows) - limit} more" if len(rows) > limit else ""
        return ", ".join(names) + more

    def check(self) -> None:
        """Refuse values no model can learn from."""
        if (infinite := np.isinf(self.y)).any():
            raise DataError(
                f"The target is infinite in series {self.places(infinite)}. Replace these values, "
                "with NaN if they are unknown."
            )
        seen = np.bincount(self.codes[~np.isnan(self.y)], minlength=len(self.ids))
        if not seen.all():
            raise DataError(
                f"Series {naming(self.ids[seen == 0])} have no value at all, only missing ones. "
                "Drop them."
            )
        if self.calendar.dated and (self.time.min() < _EARLIEST or self.time.max() >= _LATEST):
            odd = (self.time < _EARLIEST) | (self.time >= _LATEST)
            raise DataError(
                f"Dates must lie in the years 1678 to 2261; series {self.places(odd)} do not. "
                "Drop or correct these rows."
            )

    def ordered(self) -> "_Rows":
        """By series, then time; equal ones stay in the order of the frame."""
        return self.take(chronological(self.codes, self.time))

    def unique(self, on_duplicate: str) -> "_Rows":
        """One row per series and time."""
        same = (np.diff(self.codes) == 0) & (np.diff(self.time) == 0)
        if not same.any():
            return self
        if on_duplicate == "raise":
            raise DataError(
                "Several rows of one series have the same time: series "
                f"{self.places(np.append(False, same))}. Drop them, or pass "
                "on_duplicate='first', 'last' or 'mean'."
            )
        if on_duplicate == "last":
            return self.take(~np.append(same, False))
        first = ~np.append(False, same)
        if on_duplicate == "first":
            return self.take(first)
        means: Any = pd.Series(self.y).groupby(np.cumsum(first)).mean().to_numpy()
        return replace(self.take(first), y=means)

    def stepping(self, freq: Freq | None, known: Calendar | None, resample: Any) -> "_Rows":
        """The rows with their frequency: an earlier frame's, the one given, or the one read."""
        clock = self.calendar
        if known is None and resample is not None:
            return replace(self, calendar=clock.with_grid(resample, int(self.time.min())))
        if known is None:
            calendar = clock.with_frequency(self.time, self.codes, self.ids, freq)
            return replace(self, calendar=calendar)
        if (known.dated, known.tz is None) != (clock.dated, clock.tz is None):
            raise DataError(
                f"The time column holds {_kind(clock)}, but the model was fitted on "
                f"{_kind(known)}. Convert it to the same kind of time."
            )
        own = replace(clock, freq=known.freq, dayfirst=known.dayfirst, phase=known.phase)
        return replace(self, calendar=own)

    def resample_rows(self) -> "_Rows":
        """One row a step of the grid that the calendar may have: the mean of those in it."""
        if self.calendar.phase is None:
            return self
        table = pd.DataFrame({"y": self.y})
        rows, codes, time = resample_rows(table, self.codes, self.time, self.calendar, ["y"])
        return replace(self, codes=codes, time=time, y=rows["y"].to_numpy())

    def on_grid(self, known: Calendar | None, asked: bool) -> "_Rows":
        """Every step from the first to the last row of each series, NaN where there was no row.

        Args:
            known: the calendar of an earlier frame.
            asked: whether the user names the frequency.
        """
        starts = np.flatnonzero(np.diff(self.codes, prepend=-1))
        counts, step = self.calendar.count(self.time), self.calendar.step
        origin = counts[starts]
        steps, rest = np.divmod(counts - origin[self.codes], step)
        off = (rest != 0) | ~self.calendar.contains(self.time)
        if off.any():
            origin = self._origin(counts, starts)
            steps = (counts - origin[self.codes] + step // 2) // step
            right = self.calendar.uncount(origin[self.codes] + steps * step) == self.time
            off = ~right | ~self.calendar.contains(self.time)
        apart = np.diff(steps)[np.diff(self.codes) == 0]
        if known is not None and (off.any() or (len(apart) > 2 and apart.min() > 1)):
            self._check_spacing(known)
        self._check_on_grid(off, counts, known, asked)
        if asked and self.calendar.phase is None and len(apart) > 2 and apart.min() > 1:
            self._refuse_finer()
        lengths = steps[np.append(starts[1:], len(steps)) - 1] + 1
        total = int(lengths.sum())
        if total == len(self.y):
            return self
        self._check_density(lengths, total)
        begins = np.cumsum(lengths) - lengths
        y = np.full(total, np.nan)
        y[begins[self.codes] + steps] = self.y
        row = np.arange(total) - np.repeat(begins, lengths)
        time = self.calendar.uncount(np.repeat(origin, lengths) + row * step)
        return replace(self, codes=np.repeat(np.arange(len(self.ids)), lengths), time=time, y=y)

    def _origin(self, counts: Ints, starts: Ints) -> Ints:
        """Where each series would start if its first row were in line with most of its rows."""
        step = self.calendar.step
        phases = pd.Series(counts % step).groupby(self.codes).agg(lambda p: p.mode().iloc[0])
        first = counts[starts]
        ahead = (first - phases.to_numpy()) % step
        return np.asarray(first - np.where(ahead > step // 2, ahead - step, ahead))

    def _check_spacing(self, known: Calendar) -> None:
        """Refuse rows of another frequency than the model was fitted on."""
        try:
            own = self.calendar.with_frequency(self.time, self.codes, self.ids, None)
        except DataError:
            return
        if own.freq != known.freq:
            grid = f", or one with resample={known.freq!r}" if known.dated else ""
            raise DataError(
                f"The rows have freq={own.freq!r}, but the model was fitted on "
                f"freq={known.freq!r}. Fit a model on rows like these{grid}."
            )

    def _check_on_grid(self, off: Bools, counts: Ints, known: Calendar | None, asked: bool) -> None:
        if not off.any():
            return
        freq, phases = self.calendar.freq, np.unique(counts % self.calendar.step)
        advice = ". Move or drop them"
        if self.calendar.dated and known is None and self.calendar.phase is None:
            advice = f". Average the rows of each step with resample={freq!r}"
        if re.fullmatch(r"\d*(s|min|h|D)", freq):
            own = f"df.{self.column}" if self.column.isidentifier() else f"df[{self.column!r}]"
            advice += f", or move them: {own} = {own}.dt.round({freq!r})"
        if asked:
            advice += ", or leave freq out: None infers it"
        if self.calendar.step % DAY == 0 and np.ptp(phases) in (3600, DAY - 3600):
            advice = ". If they are days of a place, name its zone: tz='Europe/Berlin'"
        raise DataError(
            f"{off.sum()} of {len(off)} rows are off the grid of freq={freq!r}{advice}. The first: "
            f"series {self.places(off)}."
        )

    def _refuse_finer(self) -> None:
        """Refuse a frequency of which no two rows are one step apart, but for gaps it would make.

        Raises:
            DataError: naming the frequency of the rows, where they have one.
        """
        clock = self.calendar
        try:
            own = clock.with_frequency(self.time, self.codes, self.ids, None).freq
        except DataError:
            return
        raise DataError(
            f"freq={clock.freq!r} is finer than the rows, of which no two are one step apart: most "
            f"steps would be gaps. Leave freq out, or pass freq={own!r}."
        )

    def _check_density(self, lengths: Ints, total: int) -> None:
        if total > max(_SPARSE, 10 * len(self.y)):
            worst = int(np.argmax(lengths))
            mine = self.take(self.codes == worst)
            first, last = self.calendar.from_int(mine.time[[0, -1]])
            raise DataError(
                f"Series {naming([self.ids[worst]])} has {counted(len(mine.y), 'row')} but spans "
                f"{lengths[worst]} steps of freq={self.calendar.freq!r}, from {first} to {last}. "
                "Correct its dates, or pass a longer freq."
            )

    def check_lengths(self, min_rows: int) -> None:
        lengths = np.bincount(self.codes, minlength=len(self.ids))
        if lengths.min() < min_rows:
            short = lengths < min_rows
            sizes = ", ".join(map(str, lengths[short][:5]))
            raise DataError(
                f"Series {naming(self.ids[short])} are too short: {sizes} rows, but {min_rows} are "
                "needed. Drop them, give them more history, or ask for less (a shorter h, "
                "context_length or val_size)."
            )

    def completed(self, missing: str) -> "_Rows":
        """The rows with missing values filled, as far as ``missing`` says so."""
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

    def beside(self, extra: pd.DataFrame, index: pd.MultiIndex) -> pd.DataFrame:
        """Further columns of these rows; missing where there are none.

        Args:
            extra: the columns.
            index: the series and time of each of their rows.
        """
        if not len(extra.columns):
            return extra.reindex(range(len(self.y)))
        rows = index.get_indexer(pd.MultiIndex.from_arrays([self.codes, self.time]))
        return extra.reindex(rows).reset_index(drop=True)

    def frame(self, report: Report, beside: pd.DataFrame) -> Frame:
        columns = {
            "unique_id": self.ids.take(self.codes),
            "ds": self.calendar.from_int(self.time),
            "y": self.y,
        }
        table = pd.DataFrame(columns, copy=False)
        validate_format(table)
        return Frame(pd.concat([table, beside], axis=1), self.calendar, report)


def _made(given: Any, whole: Any) -> list[Any]:
    """The columns that a frame has been given beside the user's own."""
    if not isinstance(given, pd.DataFrame):
        return []
    return [name for name in whole.columns if name not in (*given.columns, *given.index.names)]


def _kind(calendar: Calendar) -> str:
    if not calendar.dated:
        return "integers"
    return f"timestamps with{'out' if calendar.tz is None else ''} a time zone"


def _report(twice: int, rows: _Rows, grid: _Rows) -> Report:
    absent = np.isnan(grid.y)
    by_series = np.bincount(grid.codes[absent], minlength=len(grid.ids))
    top = [int(i) for i in np.argsort(-by_series, kind="stable")[:5] if by_series[i]]
    return Report(
        series=len(grid.ids),
        rows=len(grid.y),
        gaps=len(grid.y) - len(rows.y),
        missing=int(np.isnan(rows.y).sum()),
        duplicates=twice,
        worst=dict(zip(grid.ids[top].tolist(), by_series[top].tolist(), strict=True)),
    )


def _beside(
    found: _Rows,
    calendar: Calendar,
    extra: pd.DataFrame,
    on_duplicate: str,
    averaged: Sequence[str],
) -> tuple[pd.DataFrame, pd.MultiIndex]:
    """Further columns, one row a series and time; of several rows, those of the first or the last.

    Returns:
        The rows, and the series and time of each.
    """
    codes, time = found.codes, found.time
    if len(extra.columns):
        again = pd.MultiIndex.from_arrays([codes, time]).duplicated(
            keep="last" if on_duplicate == "last" else "first"
        )
        extra, codes, time = extra[~again].reset_index(drop=True), codes[~again], time[~again]
        if calendar.phase is not None:
            extra, codes, time = resample_rows(extra, codes, time, calendar, averaged)
    return extra, pd.MultiIndex.from_arrays([codes, time])


def _lacking(extra: pd.DataFrame) -> dict[str, int]:
    counts = extra.isna().sum()
    return {str(name): int(count) for name, count in counts.items() if count}


def _announce(grid: _Rows, report: Report, missing: str) -> None:
    if report.covariates:
        counts = ", ".join(
            f"{name!r} in {counted(n, 'row')}" for name, n in report.covariates.items()
        )
        warn(f"Covariates lack values, which count as ordinary ones: {counts}.")
    if not report.gaps + report.missing:
        return
    rows = f"{counted(report.gaps, 'row')} between the first and the last of their series"
    values = f"a value in {counted(report.missing, 'row')}"
    what = " and ".join([*([rows] if report.gaps else []), *([values] if report.missing else [])])
    if missing == "raise":
        raise DataError(
            f"The frame lacks {what}: series {grid.places(np.isnan(grid.y))}. Complete it, or pass "
            "missing='mask', 'interpolate' or 'ffill'."
        )
    if missing == "mask":
        warn(
            f"The frame lacks {what}: series {naming(report.worst)}"
            f"{'' if len(report.worst) < 5 else ' and perhaps more'}. These are left out of "
            "training and errors. To fill them, say missing=interpolate or missing=ffill."
        )


def _announce_end(frame: Frame) -> None:
    """Say where forecasts of series begin that end in rows without a value."""
    if not (short := frame.unknown > 0).any():
        return
    longest = int(frame.unknown.argmax())
    last = frame.calendar.to_int(frame.table["ds"].iloc[[frame.offsets[longest + 1] - 1]])
    begin = frame.calendar.from_int(frame.calendar.future(last, 1)[0])[0]
    warn(
        f"Series {naming(frame.ids[short])} end in rows without a value, {frame.unknown[longest]} "
        f"in {naming([frame.ids[longest]])}. Forecasts begin after the last row, there at {begin}. "
        "Drop these rows to have them forecast."
    )
