"""Timeline: the steps of a history and of the forecast after it, that a text speaks about."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from tslm.core.calendar import Calendar, Freq, Ints
from tslm.data.columns import Columns, parse_ids
from tslm.data.id_columns import complete_columns


class Span(NamedTuple):
    """Span of time.

    Attributes:
        start: its first instant.
        stop: the first instant after it.
    """

    start: pd.Timestamp
    stop: pd.Timestamp

    def within(self, other: "Span") -> "Span":
        """Return the part inside another span."""
        return Span(max(self.start, other.start), min(self.stop, other.stop))


@dataclass(frozen=True)
class Timeline:
    """Steps of a series: those of its history, then those to forecast.

    Attributes:
        past: times of the history in order, on the wall clock of the series, without time zone.
        future: times to forecast.
        dated: False if steps are counted by whole numbers; such times are days since 1970 here.
        tz: time zone of the series; None for times without one.
    """

    past: pd.DatetimeIndex
    future: pd.DatetimeIndex
    dated: bool = True
    tz: str | None = None

    @property
    def times(self) -> pd.DatetimeIndex:
        """Return all steps, past and future."""
        return pd.DatetimeIndex(self.past.append(self.future))

    @property
    def origin(self) -> pd.Timestamp:
        """Return the first step to forecast, or the last known step if there is no horizon."""
        return self.future[0] if len(self.future) else self.past[-1]

    @property
    def today(self) -> pd.Timestamp:
        """Return the day of the origin."""
        return self.origin.normalize()

    @property
    def step(self) -> pd.Timedelta:
        """Return the usual distance of two steps."""
        gaps = np.diff(self.times.to_numpy())
        return pd.Timedelta(np.median(gaps)) if len(gaps) else pd.Timedelta(days=1)

    @property
    def stop(self) -> pd.Timestamp:
        """Return the first instant after the last step."""
        return self.times[-1] + self.step

    @property
    def daily(self) -> bool:
        """Return whether steps are days or longer."""
        return self.step >= pd.Timedelta(days=1)

    def own(self, time: pd.Timestamp | None) -> pd.Timestamp | None:
        """Return a time of this clock as the frame has it, with its time zone."""
        if time is None or self.tz is None:
            return time
        return time.tz_localize(self.tz, ambiguous=True, nonexistent="shift_forward")

    def steps(self, span: Span) -> Span:
        """Return the first and last step that a span concerns.

        A span shorter than a step concerns the step that it lies in. One outside of the timeline
        keeps its times.
        """
        times = self.times
        first = int(times.searchsorted(span.start))
        last = int(times.searchsorted(span.stop)) - 1
        if first > last:  # no step begins in the span
            first = last = int(times.searchsorted(span.start, side="right")) - 1
        outside = span.stop <= times[0] or span.start >= self.stop
        if outside or last < 0:
            return Span(span.start, max(span.start, span.stop - self.step))
        return Span(times[max(first, 0)], times[last])


def timelines(
    df: pd.DataFrame, h: int, *, freq: Freq | None = None, columns: Columns | None = None
) -> dict[Hashable, Timeline]:
    """Return the timeline of each series of a long frame.

    Args:
        df: long frame; its values are not read.
        h: steps to forecast after the last row of each series.
        freq: frequency of the rows; inferred from the times if None.
        columns: column names of the frame.

    Raises:
        DataError: if the times cannot be read, or their frequency cannot be inferred.
    """
    columns = columns or Columns()
    whole = complete_columns(df, columns)
    codes, ids = parse_ids(whole[columns.id], columns.id)
    ds = columns.times(whole)
    calendar = Calendar.infer(ds, whole[columns.id], freq)
    found: dict[Hashable, Timeline] = {}
    counts = calendar.to_int(ds)
    for code, name in enumerate(ids):
        past = np.unique(counts[codes == code])
        future = calendar.future(past[-1:], h).ravel() if h else past[:0]
        wall = _wall(past, calendar), _wall(future, calendar)
        found[name] = Timeline(*wall, calendar.dated, calendar.tz)
    return found


def joined(series: Sequence[Timeline]) -> Timeline:
    """Return one timeline with the steps of several series.

    Steps that are known for one series and to be forecast for another count as known.
    """
    if len(series) == 1:
        return series[0]
    past = pd.DatetimeIndex(np.unique(np.concatenate([each.past for each in series])))
    future = pd.DatetimeIndex(np.unique(np.concatenate([each.future for each in series])))
    return Timeline(past, future[future > past[-1]], series[0].dated, series[0].tz)


def _wall(values: Ints, calendar: Calendar) -> pd.DatetimeIndex:
    """Return times as shown on the clock of the series; counted steps as days since 1970."""
    if not calendar.dated:
        return pd.DatetimeIndex(pd.to_datetime(values, unit="D"))
    return pd.DatetimeIndex(calendar.from_int(values)).tz_localize(None)
