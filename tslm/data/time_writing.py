"""Writing of times: what a user says about format, order of day and month, and time zone."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from zoneinfo import available_timezones

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.calendar import Calendar, Ints
from tslm.core.errors import ConfigError, DataError, warn
from tslm.core.messages import nearest

Bools = npt.NDArray[np.bool_]
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
NUMBER_FORMATS = (*PER_SECOND, "excel")  # values of time_format beside strptime formats


@dataclass(frozen=True)
class Writing:
    """Known facts about the way times are written.

    Attributes:
        time_format: a strptime format ("%d/%m/%Y"), "s", "ms", "us" or "ns" since 1970, or "excel".
        dayfirst: True if the day comes before the month.
        tz: time zone in which to read the times.
        dated: True if integers are dates, False if they are counts; None reads integers as dates
            only where they are certain to be dates.
        known_dayfirst: order of day and month in an earlier frame, used where this one is
            ambiguous.
        known_tz: time zone of an earlier frame.
        truncates: True drops fractions of a second, since rows are put on a grid.
    """

    time_format: str | None = None
    dayfirst: bool | None = None
    tz: str | None = None
    dated: bool | None = None
    known_dayfirst: bool | None = None
    known_tz: str | None = None
    truncates: bool = False

    def with_context(self, freq: Any, known: Calendar | None) -> "Writing":
        """Return the writing with what a frequency or the calendar of an earlier frame implies."""
        if known is not None:
            return replace(
                self,
                dated=None if known.dated else False,
                known_dayfirst=known.dayfirst,
                known_tz=known.tz,
                truncates=known.phase is not None,
            )
        return self if freq is None else replace(self, dated=not str(freq).lstrip("-").isdecimal())


class Times(NamedTuple):
    """Times that were read from a column.

    Attributes:
        values: timestamps of whole seconds, or integers.
        dayfirst: order of day and month in the text; None if there is none.
        fractions: the fraction of a second that was dropped from each time, in nanoseconds; None if
            nothing was dropped.
    """

    values: pd.Series
    dayfirst: bool | None = None
    fractions: Ints | None = None


@dataclass(frozen=True)
class TimeColumn:
    """Time column to read.

    Attributes:
        name: name of the column, for messages.
        writing: known facts about it.
        codes: series of each row as a number.
    """

    name: str
    writing: Writing
    codes: Ints

    def refusal(self, problem: str) -> DataError:
        """Return the error for a problem that begins with a verb."""
        return DataError(f"The time column {self.name!r} {problem}.")

    def no_date(self, text: pd.Series, bad: Bools, order: str = "") -> DataError:
        """Return the error for a cell that is no date.

        Args:
            text: the cells.
            bad: True where a cell is no date.
            order: "day" or "month" if these come first.
        """
        row = int(bad.argmax())
        how = f" with the {order} first" if order in ("day", "month") else ""
        return self.refusal(
            f"holds {text.iloc[row]!r} in row {row}, which is no date{how}. Correct it, or say how "
            'times are written: time_format="%d/%m/%Y", for example'
        )

    def to_one_zone(self, written: pd.Series, **options: Any) -> pd.Series:
        """Parse text or objects as timestamps; those of changing offsets from UTC in one zone.

        Args:
            written: the cells.
            options: options of ``pandas.to_datetime``.
        """
        try:
            return pd.to_datetime(written, utc=False, **options)
        except ValueError:  # offsets differ
            stamps = pd.to_datetime(written, utc=True, **options)
        zone = self.writing.tz or self.writing.known_tz
        if zone is None:
            warn(
                f"The time column {self.name!r} has changing offsets from UTC, as zones with "
                "daylight saving have; it is read in UTC. Pass the zone for days and hours of the "
                "place, for example tz='Europe/Berlin'."
            )
        return stamps.dt.tz_convert(zone or "UTC")

    def parse_by_format(self, written: pd.Series, place: Ints) -> pd.Series:
        """Parse distinct texts by a strptime format.

        Args:
            written: the distinct texts.
            place: index of the text of each row.

        Raises:
            DataError: if a text does not have the format.
            ConfigError: if ``time_format`` is no format.
        """
        form = self.writing.time_format
        _check_format(form)
        stamps = self.to_one_zone(written, format=form, errors="coerce")
        if (bad := stamps.isna().to_numpy()[place]).any():
            raise self.not_in_format(written, place, bad, f"written as time_format={form!r}")
        return stamps.iloc[place].reset_index(drop=True)

    def not_in_format(self, written: pd.Series, place: Ints, bad: Bools, kind: str) -> DataError:
        """Return the error for a cell that is not what ``time_format`` says."""
        row = int(bad.argmax())
        return self.refusal(
            f"holds {written.iloc[place[row]]!r} in row {row}, which is not {kind}. Correct it, or "
            f"change time_format={self.writing.time_format!r}"
        )


def check_zone(tz: str) -> None:
    """Refuse an unknown time zone.

    Raises:
        ConfigError: if there is no such zone; names the nearest one.
    """
    try:
        pd.DatetimeTZDtype("ns", tz)
    except Exception as error:
        places = {name.rpartition("/")[2]: name for name in available_timezones()}
        close = nearest(tz, places)
        hint = f" Did you mean {places[close]!r}?" if close else ""
        raise ConfigError(
            f"tz={tz!r} is no time zone.{hint} Name one such as 'Europe/Berlin' or 'UTC'."
        ) from error


def _check_format(form: str | None) -> None:
    """Refuse a format without fields.

    Raises:
        ConfigError: if it is none.
    """
    try:
        known = isinstance(form, str) and "%" in form
        pd.to_datetime(["1"], format=form if known else None, errors="coerce")
    except ValueError:
        known = False
    if not known:
        raise ConfigError(
            f'time_format={form!r} is no format of times. Pass one such as "%d/%m/%Y %H:%M", or '
            f"one of {', '.join(NUMBER_FORMATS)} for numbers."
        )
