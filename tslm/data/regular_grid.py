"""Regular grid of a frame: every step from the first to the last row of each series."""

import re
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import DataError
from tslm.core.frequency_steps import DAY
from tslm.core.messages import counted, naming
from tslm.data.rows import Rows

Bools = npt.NDArray[np.bool_]

# a grid of more rows is refused if it has ten times the rows of the frame: such a date is mistyped
_SPARSE = 10_000_000
_THIN = 30  # a finer frequency is advised if rows fill one of so many steps; chosen by hand


def put_on_grid(rows: Rows, known: Calendar | None, asked: bool) -> Rows:
    """Return a row for every step of each series, NaN where the frame has no row.

    Args:
        rows: sorted rows, one per series and time.
        known: calendar of an earlier frame; None if there is none.
        asked: True if the user names the frequency.

    Raises:
        DataError: if rows lie between steps, have another frequency than an earlier frame, or lie
            too far apart.
    """
    starts = np.flatnonzero(np.diff(rows.codes, prepend=-1))
    counts, step = rows.calendar.count(rows.time), rows.calendar.step
    origin = counts[starts]
    steps, rest = np.divmod(counts - origin[rows.codes], step)
    off = (rest != 0) | ~rows.calendar.contains(rows.time)
    if off.any():
        origin = _majority_origin(rows, counts, starts)
        steps = (counts - origin[rows.codes] + step // 2) // step
        right = rows.calendar.uncount(origin[rows.codes] + steps * step) == rows.time
        off = ~right | ~rows.calendar.contains(rows.time)
    apart = np.diff(steps)[np.diff(rows.codes) == 0]
    if known is not None and (off.any() or (len(apart) > 2 and apart.min() > 1)):
        _check_same_frequency(rows, known)
    _check_on_grid(rows, off, counts, known, asked)
    if asked and rows.calendar.phase is None and len(apart) > 2 and apart.min() > 1:
        _refuse_finer(rows)
    lengths = steps[np.append(starts[1:], len(steps)) - 1] + 1
    total = int(lengths.sum())
    if total == len(rows.y):
        return rows
    _check_density(rows, lengths, total)
    begins = np.cumsum(lengths) - lengths
    y = np.full(total, np.nan)
    y[begins[rows.codes] + steps] = rows.y
    row = np.arange(total) - np.repeat(begins, lengths)
    time = rows.calendar.uncount(np.repeat(origin, lengths) + row * step)
    return replace(rows, codes=np.repeat(np.arange(len(rows.ids)), lengths), time=time, y=y)


def _majority_origin(rows: Rows, counts: Ints, starts: Ints) -> Ints:
    """Return the first step of each series on the grid that most of its rows are on."""
    step = rows.calendar.step
    phases = pd.Series(counts % step).groupby(rows.codes).agg(lambda p: p.mode().iloc[0])
    first = counts[starts]
    ahead = (first - phases.to_numpy()) % step
    return np.asarray(first - np.where(ahead > step // 2, ahead - step, ahead))


def _check_same_frequency(rows: Rows, known: Calendar) -> None:
    """Refuse rows of another frequency than the model was fitted on.

    Raises:
        DataError: if the frequency of the rows can be inferred and differs.
    """
    try:
        own = rows.calendar.with_frequency(rows.time, rows.codes, rows.ids, None)
    except DataError:
        return
    if own.freq != known.freq:
        grid = f", or one with resample={known.freq!r}" if known.dated else ""
        raise DataError(
            f"The rows have freq={own.freq!r}, but the model was fitted on "
            f"freq={known.freq!r}. Fit a model on rows like these{grid}."
        )


def _check_on_grid(
    rows: Rows, off: Bools, counts: Ints, known: Calendar | None, asked: bool
) -> None:
    """Refuse rows between the steps of the frequency.

    Raises:
        DataError: if ``off`` marks any row; advises what fits the case.
    """
    if not off.any():
        return
    freq, phases = rows.calendar.freq, np.unique(counts % rows.calendar.step)
    advice = ". Move or drop them"
    if rows.calendar.dated and known is None and rows.calendar.phase is None:
        advice = f". Average the rows of each step with resample={freq!r}"
    if re.fullmatch(r"\d*(s|min|h|D)", freq):
        own = f"df.{rows.column}" if rows.column.isidentifier() else f"df[{rows.column!r}]"
        advice += f", or move them: {own} = {own}.dt.round({freq!r})"
        if not asked and known is None and (finer := _common_step(rows)):
            advice += f", or, if these are gaps, pass freq={finer!r}"
    if asked:
        advice += ", or leave freq out: None infers it"
    if rows.calendar.step % DAY == 0 and np.ptp(phases) in (3600, DAY - 3600):
        advice = ". If they are days of a place, name its zone: tz='Europe/Berlin'"
    raise DataError(
        f"{off.sum()} of {len(off)} rows are off the grid of freq={freq!r}{advice}. The first: "
        f"series {rows.name_rows(off)}."
    )


def _common_step(rows: Rows) -> str | None:
    """Return the largest step that divides every distance of two rows, such as "D" or "15min".

    None if the rows would fill less than one step in ``_THIN``, as those of jittering times.
    """
    apart = np.diff(rows.time)[np.diff(rows.codes) == 0]
    step = int(np.gcd.reduce(apart))
    if step == 0 or apart.sum() > _THIN * len(rows.time) * step:
        return None
    unit, size = next(
        (u, s) for u, s in (("D", DAY), ("h", 3600), ("min", 60), ("s", 1)) if not step % s
    )
    return unit if step == size else f"{step // size}{unit}"


def _refuse_finer(rows: Rows) -> None:
    """Refuse a frequency finer than the distance of any two rows: most steps would be gaps.

    Raises:
        DataError: if the frequency of the rows can be inferred; names it.
    """
    clock = rows.calendar
    try:
        own = clock.with_frequency(rows.time, rows.codes, rows.ids, None).freq
    except DataError:
        return
    raise DataError(
        f"freq={clock.freq!r} is finer than the rows, of which no two are one step apart: most "
        f"steps would be gaps. Leave freq out, or pass freq={own!r}."
    )


def _check_density(rows: Rows, lengths: Ints, total: int) -> None:
    """Refuse a grid of many more rows than the frame has.

    Raises:
        DataError: if it is that large; names the longest series.
    """
    if total > max(_SPARSE, 10 * len(rows.y)):
        worst = int(np.argmax(lengths))
        mine = rows.take(rows.codes == worst)
        first, last = rows.calendar.from_int(mine.time[[0, -1]])
        raise DataError(
            f"Series {naming([rows.ids[worst]])} has {counted(len(mine.y), 'row')} but spans "
            f"{lengths[worst]} steps of freq={rows.calendar.freq!r}, from {first} to {last}. "
            "Correct its dates, or pass a longer freq."
        )
