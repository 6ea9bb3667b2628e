"""Event tables: statements about series, when they hold, and when they became known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import DataError
from tslm.core.messages import counted, did_you_mean, naming, nearest
from tslm.data.columns import Columns, check_covariates
from tslm.data.id_columns import complete_columns
from tslm.data.time_column import parse_times

Floats = npt.NDArray[np.float64]

TIMES = ("start", "end", "said_at")
BOUNDS = ("lower", "upper")
COLUMNS = (*TIMES, "text", *BOUNDS)
FIRST, LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max


@dataclass(frozen=True)
class EventTable:
    """Statements about series: one row per statement and span.

    Attributes:
        ids: id of the series of each row; None for all series.
        start: first time that the row concerns; ``FIRST`` if it concerns all steps to forecast.
        end: last time that it concerns; ``LAST`` if it concerns all steps to forecast.
        said_at: time when it became known; ``FIRST`` if it was always known.
        text: the statement; empty if the row only has bounds.
        lower: least value of the forecast in these steps, in the units of ``y``; -inf for none.
        upper: largest value; inf for none.
    """

    ids: tuple[Any, ...]
    start: Ints
    end: Ints
    said_at: Ints
    text: tuple[str, ...]
    lower: Floats
    upper: Floats

    @classmethod
    def read(
        cls, events: Any, columns: Columns, calendar: Calendar, known: Sequence[Any]
    ) -> "EventTable":
        """Check a user's table of events.

        Args:
            events: a frame with the column ``text``, and any of the id column, ``start``, ``end``,
                ``said_at``, ``lower`` and ``upper``. A row without an id concerns all series. A row
                without ``end`` concerns ``start`` only, and one without both every step to
                forecast.
            columns: column names of the series, for the id.
            calendar: calendar of the series.
            known: ids of the series.

        Raises:
            DataError: if a column, id, time or bound is wrong; names the rows.
        """
        if not isinstance(events, pd.DataFrame):
            raise DataError(
                f"events is a {type(events).__name__}, not a pandas DataFrame. Give one row per "
                'statement, such as pd.DataFrame({"start": ..., "end": ..., "text": ...}); '
                "tslm.data.events.read makes one from free text."
            )
        table = events.reset_index(drop=True)
        if any(part in table for part in columns.parts):
            table = complete_columns(table, columns)
        has_bounds = any(name in table for name in BOUNDS)
        check_covariates(table, [] if has_bounds else ["text"], title="events")
        _check_columns(table, columns)
        ids = _ids(table, columns, known)
        start, end, said_at = (_times(table, name, columns, calendar) for name in TIMES)
        start, end = _spans(table, start, end)
        lower, upper = (_numbers(table, name) for name in BOUNDS)
        text = _texts(table, np.isnan(lower) & np.isnan(upper))
        lower, upper = (
            np.where(np.isnan(lower), -np.inf, lower),
            np.where(np.isnan(upper), np.inf, upper),
        )
        if (wrong := (lower > upper) | (lower == np.inf) | (upper == -np.inf)).any():
            raise DataError(
                f"No value is within the bounds in {_rows(wrong)} of events: lower is "
                f"{lower[wrong][0]:g} and upper {upper[wrong][0]:g}. Correct them."
            )
        said = np.where(_absent(table, "said_at"), FIRST, said_at)
        return cls(ids, start, end, said, text, lower, upper)

    def __len__(self) -> int:
        return len(self.text)

    @property
    def bounded(self) -> npt.NDArray[np.bool_]:
        """Return True for the rows that state a bound; their text is not read for an effect."""
        return np.isfinite(self.lower) | np.isfinite(self.upper)

    def take(self, rows: Ints | npt.NDArray[np.bool_]) -> "EventTable":
        """Return some rows, in the order given."""
        chosen = np.arange(len(self))[rows]
        return EventTable(
            tuple(self.ids[row] for row in chosen),
            self.start[chosen],
            self.end[chosen],
            self.said_at[chosen],
            tuple(self.text[row] for row in chosen),
            self.lower[chosen],
            self.upper[chosen],
        )


def _check_columns(table: pd.DataFrame, columns: Columns) -> None:
    """Refuse columns that have no meaning in a table of events, such as a misspelled one."""
    known = [columns.id, *columns.parts, *COLUMNS]
    for name in map(str, table.columns):
        near = nearest(name, known)
        if name not in known and near is not None and near not in table:
            raise DataError(
                f"events has a column {name!r} and no column {near!r}. Rename or drop it."
            )


def _ids(table: pd.DataFrame, columns: Columns, known: Sequence[Any]) -> tuple[Any, ...]:
    """Return the id of each row, None where it is missing."""
    if columns.id not in table:
        return (None,) * len(table)
    names = table[columns.id].astype(object)
    blank = names.isna() | names.eq("")
    found = tuple(None if empty else name for name, empty in zip(names, blank, strict=True))
    here = set(known)
    strange = [name for name in dict.fromkeys(found) if name is not None and name not in here]
    if strange:
        hint = did_you_mean(strange[0], map(str, known), "{!r}") or f" There are {naming(known)}."
        raise DataError(f"events names series {naming(strange)}, which do not exist.{hint}")
    return found


def _absent(table: pd.DataFrame, name: str) -> npt.NDArray[np.bool_]:
    """Return True for the rows without a value in a column; all if there is no such column."""
    if name not in table:
        return np.ones(len(table), dtype=bool)
    values = table[name]
    empty = values.astype(object).map(lambda value: isinstance(value, str) and not value.strip())
    return np.asarray(values.isna() | empty.astype(bool), dtype=bool)


def _times(table: pd.DataFrame, name: str, columns: Columns, calendar: Calendar) -> Ints:
    """Return the times of a column as integers; 0 where missing."""
    found = np.zeros(len(table), dtype=np.int64)
    given = ~_absent(table, name)
    if not given.any():
        return found
    writing = columns.writing.with_context(None, calendar)
    values = parse_times(table[name][given].reset_index(drop=True), name, writing).values
    clock = Calendar.clock(values)
    if (clock.dated, clock.tz is None) != (calendar.dated, calendar.tz is None):
        raise DataError(
            f"The column {name!r} of events holds {values.dtype}, which is another kind of time "
            "than that of the series. Convert it: both are timestamps with a time zone, or "
            "without, or integers."
        )
    found[given] = clock.to_int(values)
    return found


def _spans(table: pd.DataFrame, start: Ints, end: Ints) -> tuple[Ints, Ints]:
    """Return the first and last time of each row; open ones where both are missing."""
    no_start, no_end = _absent(table, "start"), _absent(table, "end")
    end = np.where(no_end, np.where(no_start, LAST, start), end)
    start = np.where(no_start, FIRST, start)
    if (wrong := end < start).any():
        raise DataError(f"The end is before the start in {_rows(wrong)} of events. Exchange them.")
    return start, end


def _numbers(table: pd.DataFrame, name: str) -> Floats:
    """Return a column of bounds; NaN where missing."""
    found = np.full(len(table), np.nan)
    given = ~_absent(table, name)
    if given.any():
        numbers = pd.to_numeric(table[name][given], errors="coerce")
        if (wrong := numbers.isna()).any():
            raise DataError(
                f"The column {name!r} of events holds {table[name][given][wrong].iloc[0]!r}, which "
                "is no number. Give a number in the units of the target, or leave it empty."
            )
        found[given] = numbers
    return found


def _texts(table: pd.DataFrame, needed: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """Return the text of each row; empty where there is none.

    Args:
        table: the table.
        needed: True for the rows that have no bound, and so must have a text.
    """
    if "text" not in table:
        return ("",) * len(table)
    blank = _absent(table, "text")
    if (wrong := blank & needed).any():
        raise DataError(f"The text is missing in {_rows(wrong)} of events. Write one, or drop it.")
    odd = np.array([not isinstance(value, str) for value in table["text"]], dtype=bool) & ~blank
    if odd.any():
        value = table["text"][odd].tolist()[0]
        raise DataError(
            f"The text in {_rows(odd)} of events is {value!r}, which is no text. Write a sentence."
        )
    return tuple("" if no else text.strip() for text, no in zip(table["text"], blank, strict=True))


def _rows(wrong: npt.NDArray[np.bool_]) -> str:
    """Name rows of the table in a message."""
    numbers = np.flatnonzero(wrong)
    more = f" ({counted(len(numbers), 'row')} in all)" if len(numbers) > 1 else ""
    return f"row {numbers[0]}{more}"
