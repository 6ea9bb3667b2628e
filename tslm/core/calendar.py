"""Calendar of a frame: its frequency, and arithmetic along its steps.

Times are 64-bit integers: Unix seconds (UTC) for timestamps, the user's own numbers for
integer time. Steps up to hours are physical time, so they are exact across daylight saving;
days and everything longer are steps of the local calendar.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tslm.core.errors import ConfigError, DataError
from tslm.core.frequency import frequency, grid_of, name_of
from tslm.core.frequency_inference import Spacing, from_any_day
from tslm.core.frequency_steps import DAY, Frequency
from tslm.core.frequency_steps import Ints as Ints
from tslm.core.local_time import from_wall, seconds, to_wall, zone_name

Freq = str | int | pd.offsets.BaseOffset
Floats = npt.NDArray[np.float32]

_FAR = 9_214_560_000  # seconds from 1970 to 2262, where nanosecond timestamps of pandas end


def chronological(codes: Ints, times: Ints) -> Ints | slice:
    """Return the stable order by series, then time; a slice of all rows if they are sorted."""
    step = np.diff(codes)
    if ((step > 0) | ((step == 0) & (np.diff(times) >= 0))).all():
        return slice(None)
    first, last = int(times.min()), int(times.max())
    if (int(codes.max()) + 1) * (last - first + 1) < 2**63:  # one key sorts faster than two
        return np.argsort(codes * (last - first + 1) + (times - first), kind="stable")
    return np.lexsort((times, codes))


@dataclass(frozen=True)
class Calendar:
    """Calendar of a frame: common frequency of all series, time zone and resolution.

    Attributes:
        freq: a name that ``tslm.core.frequency`` parses ("h", "15min", "MS", "W-SUN", "D Mon-Sat"),
            or an integer step as text ("1").
        tz: time zone of the frame; None for naive timestamps and integers.
        dated: True for timestamps, False for integers.
        unit: resolution of the user's timestamps ("s", "ms", "us" or "ns").
        dayfirst: order of day and month, if it was inferred from the user's text.
        phase: remainder of the counts of grid steps, if rows are resampled; None leaves rows where
            they are.
    """

    freq: str
    tz: str | None = None
    dated: bool = True
    unit: str = "ns"
    dayfirst: bool | None = None
    phase: int | None = None

    @classmethod
    def infer(cls, ds: pd.Series, ids: pd.Series, freq: Freq | None = None) -> "Calendar":
        """Infer the calendar from the times of a frame, in any row order.

        Args:
            ds: timestamps or integers.
            ids: id of the series of each time.
            freq: the frequency, if known; required if every series has a single row.

        Raises:
            DataError: if the spacing cannot be inferred or differs between series.
            ConfigError: if ``freq`` is no frequency.
        """
        clock = cls.clock(ds)
        codes, names = pd.factorize(ids)
        times = clock.to_int(ds)
        order = chronological(codes.astype(np.int64), times)
        return clock.with_frequency(
            times[order], codes[order].astype(np.int64), pd.Index(names), freq
        )

    @classmethod
    def clock(cls, ds: pd.Series) -> "Calendar":
        """Return a calendar with the time zone of these times; its frequency is a placeholder."""
        if not pd.api.types.is_datetime64_any_dtype(ds.dtype):
            return cls("1", dated=False)
        stamps = pd.DatetimeIndex(ds)
        return cls("D", zone_name(stamps), True, stamps.unit)

    def with_frequency(
        self, times: Ints, codes: Ints, names: pd.Index, freq: Freq | None
    ) -> "Calendar":
        """Return this calendar with a given frequency, or one inferred from times.

        Args:
            times: times as integers, sorted by series and time.
            codes: series of each time, as an index into ``names``.
            names: ids of the series.
            freq: the frequency; inferred if None.

        Raises:
            DataError: if the frequency cannot be inferred, or is of another kind of time.
            ConfigError: if ``freq`` is no frequency.
        """
        wall = replace(self, freq="D").count(times) if self.dated else times
        if freq is not None:
            name = _check_frequency(freq, self.dated)
            return replace(self, freq=from_any_day(name, wall) if self.dated else name)
        spacing = Spacing(times, wall, codes, names)
        return replace(self, freq=spacing.freq() if self.dated else spacing.step())

    def with_grid(self, freq: str | pd.offsets.BaseOffset, first: int) -> "Calendar":
        """Return this calendar with a grid for resampling, from the midnight before a time.

        Args:
            freq: steps of the grid.
            first: earliest time of all series as an integer.

        Raises:
            DataError: for integer time.
            ConfigError: if ``freq`` is no frequency.
        """
        name = grid_of(freq)
        if not self.dated:
            raise DataError(
                f"resample={freq!r} puts rows on a grid of dates, but the time column holds "
                "integers. Leave resample out, or say which dates they are, for example "
                'time_format="%Y%m%d" or "s".'
            )
        grid, day = replace(self, freq=name), np.array([first])
        start = grid.frequency.place(grid._nominal(day))
        if grid._physical:
            start = from_wall(start, self.tz)
        return replace(grid, phase=int(start[0]) % grid.step)

    def snap(self, values: Ints) -> Ints:
        """Return the start of the grid step of each time; the time itself if it has none."""
        if self.phase is None:
            return values
        if self._physical:
            return values - (values - self.phase) % self.step
        wall = self._nominal(values)
        place = self.frequency.place(wall)
        rest = (place - self.phase) % self.step
        whole = place + (-rest % self.step if self.frequency.ends else -rest)
        return np.where(self.frequency.open(wall), self.uncount(whole), values)

    def to_int(self, ds: pd.Series | pd.Index) -> Ints:
        """Convert timestamps to Unix seconds (UTC); integers stay as they are."""
        if not self.dated:
            return np.asarray(ds, dtype=np.int64)
        return seconds(pd.DatetimeIndex(ds))

    def from_int(self, values: Ints) -> pd.Index:
        """Convert integers to times in the user's zone, in the user's resolution if in range."""
        if not self.dated:
            return pd.Index(values)
        stamps = pd.DatetimeIndex(values.astype("datetime64[s]"))
        if self.tz is not None:
            stamps = stamps.tz_localize("UTC").tz_convert(self.tz)
        try:
            return stamps.as_unit(self.unit)  # type: ignore[arg-type]
        except pd.errors.OutOfBoundsDatetime:
            return stamps

    @property
    def step(self) -> int:
        """Return the length of one step, in the units of `count`."""
        return self.frequency.step if self.dated else int(self.freq)

    @property
    def frequency(self) -> Frequency:
        """Return the frequency of timestamps."""
        return frequency(self.freq)

    def count(self, values: Ints) -> Ints:
        """Return the position of each time along the calendar; neighbours differ by `step`."""
        return values if self._physical else self.frequency.count(self._nominal(values))

    def uncount(self, counts: Ints) -> Ints:
        """Return the times of positions: the inverse of `count`."""
        return counts if self._physical else from_wall(self.frequency.uncount(counts), self.tz)

    def contains(self, values: Ints) -> npt.NDArray[np.bool_]:
        """Return True for each time on the calendar ("MS": the first of a month)."""
        if self._physical:
            return np.ones(values.shape, dtype=bool)
        return self.frequency.contains(self._nominal(values))

    def check(self, times: Ints, offsets: Ints) -> None:
        """Refuse saved times that are not increasing, or out of range.

        Args:
            times: times as integers, series after series.
            offsets: row at which each series starts, and the end of the last one.

        Raises:
            DataError: if there are such times.
        """
        first = np.isin(np.arange(1, len(times)), offsets)
        beyond = np.abs(times) > _FAR if self.dated else np.zeros(1, bool)
        if beyond.any() or (np.diff(times)[~first] <= 0).any():
            raise DataError("The saved times go back, or lie outside the years 1678 to 2262.")

    def future(self, last: Ints, h: int) -> Ints:
        """Return the next ``h`` times after each of n ``last`` ones, as integers [n, h]."""
        counts = self.count(last)[:, None] + self.step * np.arange(1, h + 1)
        return self.uncount(counts.ravel()).reshape(counts.shape)

    def spans(self, start: Ints, steps: int) -> tuple[list[str], list[str]]:
        """Return the local first and last time of segments, ``YYYY-MM-DD HH:MM:SS``.

        Args:
            start: time of the first row of each segment as an integer.
            steps: rows of a segment.
        """
        end = self.uncount(self.count(start) + self.step * (steps - 1))
        return self._texts(start), self._texts(end)

    def features(self, values: Ints) -> Floats:
        """Encode the place of times in their cycles: one row per time, one column per cycle.

        Values lie in [-0.5, 0.5]. The cycles are minute of the hour and hour of the day, for steps
        that short; then day of the week, of the month and of the year. Steps of weeks and months
        have the day of the year only.
        """
        stamps = pd.DatetimeIndex(self.wall(values).astype("datetime64[s]"))
        cycles = [(stamps.day_of_year - 1, 365)]
        step = self.frequency.length
        if step < 7 * DAY:
            cycles = [(stamps.day_of_week, 6), (stamps.day - 1, 30), *cycles]
        if step < DAY:
            cycles = [(stamps.hour, 23), *cycles]
        if step < 3600:
            cycles = [(stamps.minute, 59), *cycles]
        return np.stack([np.asarray(place, np.float32) / size - 0.5 for place, size in cycles], 1)

    def wall(self, values: Ints) -> Ints:
        """Return local times, in seconds since 1970 as if they were UTC."""
        return to_wall(values, self.tz)

    @property
    def finer_than_weeks(self) -> bool:
        """Return True if steps are shorter than a week, so that the day of the week varies."""
        return self.dated and self.frequency.by_day

    @property
    def season_length(self) -> int:
        """Return the steps of the usual season of this frequency; 1 if it has none."""
        return self.frequency.season_length if self.dated else 1

    def state(self) -> dict[str, str | bool | None]:
        """Return plain values from which ``from_state`` makes the same calendar."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Calendar":
        """Make a calendar from its ``state``.

        Raises:
            DataError: if the fields do not form a calendar.
            ConfigError: if the frequency is unknown.
        """
        found = cls(**state)
        fits = (
            isinstance(found.freq, str)
            and isinstance(found.dated, bool)
            and found.dayfirst in (None, False, True)
            and found.unit in ("s", "ms", "us", "ns")
            and (found.phase is None or (type(found.phase) is int and found.dated))
            and (found.tz is None or (found.dated and not found.tz.startswith("dateutil")))
        )
        if not fits:
            raise DataError("The saved calendar does not fit together.")
        if found.tz is not None:
            pd.DatetimeTZDtype("ns", found.tz)  # which raises where there is no such zone
        return replace(found, freq=_check_frequency(found.freq, found.dated))

    @property
    def _physical(self) -> bool:
        return not self.dated or self.frequency.physical

    def _nominal(self, values: Ints) -> Ints:
        """Return local times; midnight for days that begin later, as clocks change at midnight."""
        wall = self.wall(values)
        if self.tz is None or self.step % DAY or not (wall % DAY).any():
            return wall
        midnight = wall // DAY * DAY
        return np.where(from_wall(midnight, self.tz) == values, midnight, wall)

    def _texts(self, values: Ints) -> list[str]:
        if not self.dated:
            return [str(value) for value in values.tolist()]
        wall = self.wall(values).astype("datetime64[s]")
        return [text.replace("T", " ") for text in np.datetime_as_string(wall).tolist()]


def _check_frequency(freq: Freq, dated: bool) -> str:
    """Return the name of a frequency given by the user.

    Raises:
        DataError: if it does not fit the kind of time of the frame.
        ConfigError: if it is no frequency.
    """
    whole = isinstance(freq, int) or (isinstance(freq, str) and freq.lstrip("-").isdecimal())
    number = int(freq) if whole and isinstance(freq, int | str) else None
    if not dated and number is None:
        raise DataError(
            f"freq={freq!r} is a calendar frequency, but the time column holds integers. Pass an "
            "integer, for example freq=1, or make the column timestamps with pd.to_datetime."
        )
    if dated and number is not None:
        raise DataError(
            f"freq={freq!r} is an integer, but the time column holds timestamps. Pass a pandas "
            "alias such as freq='D' or freq='h'."
        )
    if number is None:
        assert not isinstance(freq, int)
        return name_of(freq)
    if number < 1:
        raise ConfigError(f"freq={freq!r} is not a step forward. Pass freq=1 or more.")
    return str(number)
