"""Inference of the frequency of a frame from the distances of its rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tslm.core.errors import DataError
from tslm.core.frequency import frequency, opening_name
from tslm.core.frequency_steps import DAY, MONDAY, WEEKDAYS, Ints, day_of_month, days
from tslm.core.messages import naming

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_ROUND = [n * unit for unit, ns in (
    (1, (1, 2, 5, 10, 15, 20, 30)), (60, (1, 2, 5, 10, 15, 20, 30)), (3600, (1, 2, 3, 4, 6, 8, 12)),
    (DAY, (1, 7)),
) for n in ns]  # fmt: skip
_RANGES = 3  # opening times per day at most: more are taken for chance; chosen by hand


@dataclass(frozen=True)
class Spacing:
    """Spacing of the sorted times of all series.

    The frequency is the most common distance of neighbours, so that gaps do not change it.

    Attributes:
        times: integers, or seconds since 1970 (UTC).
        wall: the same in local time.
        codes: series of each time, as an index into ``names``.
        names: ids of the series.
    """

    times: Ints
    wall: Ints
    codes: Ints
    names: pd.Index

    def step(self) -> str:
        """Return the step of integers.

        Raises:
            DataError: if no series has two rows, or series are spaced differently.
        """
        return str(self._usual(self.times, str))

    def freq(self) -> str:
        """Return the frequency of timestamps.

        Raises:
            DataError: if no series has two rows, series are spaced differently, or rows are months
                apart on varying days.
        """
        wall = self.wall
        gaps, _ = self._gaps(wall)
        if not len(gaps):
            self._usual(self.times, str)
        days, common = np.unique(wall // DAY), _commonest(gaps)
        if common >= 28 * DAY and (anchor := _month_anchor(days)):
            return self._months(wall, *anchor)
        if common % DAY or self._drifts(wall) or self._jitters(gaps):
            return self._ticks()
        return self._days(wall, days)

    def _months(self, wall: Ints, anchor: str, day: str) -> str:
        months = wall.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
        n = self._usual(months, lambda n: f"{n} month{'s' * (n > 1)}")
        phases = np.unique(months % n)
        if n not in (3, 12) or len(phases) > 1:
            return frequency(f"{n}{anchor}{day}").text
        month = phases[0] + (9 if n == 3 and anchor.endswith("E") else 0)  # QE-DEC, but QS-JAN
        return f"{anchor.replace('M', 'Q' if n == 3 else 'Y')}-{_MONTHS[month]}{day}"

    def _days(self, wall: Ints, days: Ints) -> str:
        gaps = self._gaps(wall)[0]
        if special := _within_months(days, gaps):
            return special
        n = self._usual(wall, _duration) // DAY
        weekdays = np.unique((days + 3) % 7)  # 1970-01-01 was a Thursday
        if n % 7 == 0 and len(weekdays) == 1:
            return frequency(f"{n // 7}W-{WEEKDAYS[weekdays[0]]}").text
        if n == 1 or (n < 7 and (gaps % (n * DAY)).any()):
            opening = _open_days(days)
            if len(opening) < 7:
                return opening_name("D", opening)
        if n == 1 and weekdays.max() < 5 and 3 * DAY in gaps:
            return "B"
        if n >= 28 and (gaps % (n * DAY)).any():
            raise DataError(
                "The frequency cannot be inferred: rows are months apart, but not on the same day "
                "of the month. Average the rows of each month with resample='MS', or use integer "
                "time."
            )
        return frequency(f"{n}D").text

    def _ticks(self) -> str:
        gaps, _ = self._gaps(self.times)
        if self._jitters(gaps):
            nominal = _nominal(float(np.median(gaps)))
            return "D" if nominal == DAY else _tick(nominal)
        step = self._usual(self.times, _duration)
        alias = _tick(step)
        if gaps.max() > step and DAY % step == 0 and len(np.unique(self.wall % step)) == 1:
            return self._opening(alias, step)
        return alias

    def _opening(self, alias: str, step: int) -> str:
        """Return a step with opening times if no row lies outside them, else the step alone."""
        wall = np.unique(self.wall)
        opening = _open_days(np.unique(wall // DAY))
        places = np.unique(wall % DAY // step)
        passed = (wall[-1] - wall[0]) // DAY * len(opening) // 7
        closed = 0
        if len(places) < DAY // step:
            closed = _is_closed(len(wall) / max(1, (passed + 1) * len(places)), int(passed))
        phase = int(wall[0] % step)
        breaks = np.flatnonzero(np.diff(places) > 1)
        first, last = places[np.append(0, breaks + 1)], places[np.append(breaks, -1)]
        ranges = [
            (int(a) * step + phase, int(b) * step + phase) for a, b in zip(first, last, strict=True)
        ]
        if not closed or len(ranges) > _RANGES or phase % 60 or step % 60:
            ranges = []
        found = opening_name(alias, opening, ranges)
        return found if found == alias or self._fits(found) else alias

    def _fits(self, name: str) -> bool:
        """Return True if no two rows of a series share a step, as when clocks go back."""
        same = np.diff(self.codes) == 0
        apart = np.diff(frequency(name).count(self.wall))[same] > 0
        return bool((apart | (np.diff(self.times)[same] == 0)).all())

    def _drifts(self, wall: Ints) -> bool:
        """Return True if steps are days of 24 hours, shown in a zone with daylight saving time."""
        moved = self._gaps(wall)[0] % DAY
        return bool(moved.any()) and not (self._gaps(self.times)[0] % DAY).any()

    def _jitters(self, gaps: Ints) -> bool:
        """Return True if rows jitter: a tenth is not a multiple of the step of its series."""
        if (gaps % _commonest(gaps) == 0).mean() >= 0.9:
            return False
        gaps, owners = self._gaps(self.times)
        usual = _commonest_of_each(gaps, owners).reindex(owners).to_numpy()
        return bool((gaps % usual == 0).mean() < 0.9 and (gaps % DAY != 0).mean() > 0.1)

    def _gaps(self, times: Ints) -> tuple[Ints, Ints]:
        """Return the distances of neighbours in the same series, and their series."""
        gaps = np.diff(times)
        keep = (np.diff(self.codes) == 0) & (gaps > 0)
        return gaps[keep], self.codes[1:][keep]

    def _usual(self, times: Ints, show: Callable[[int], str]) -> int:
        """Return the most common step.

        Raises:
            DataError: if no series has two rows, or some series have another step.
        """
        gaps, owners = self._gaps(times)
        if not len(gaps):
            raise DataError(
                "The frequency cannot be inferred: no series has two rows "
                f"({naming(self.names)}). Pass it, for example freq='D', or freq=1 for integer "
                "time."
            )
        usual = _commonest(gaps)
        if gaps.min() < usual or gaps.max() > usual:
            self._check(gaps, owners, usual, show)
        return usual

    def _check(self, gaps: Ints, owners: Ints, usual: int, show: Callable[[int], str]) -> None:
        """Refuse series whose step is shorter, or longer in every row, than the common one.

        Raises:
            DataError: if there are such; names them and their steps.
        """
        top = _commonest_of_each(gaps, owners)
        each = pd.Series(gaps).groupby(owners).agg(["min", "size"])
        coarse = (each["min"] > usual) & (each["size"] > 2)
        wrong = each.index[(top.reindex(each.index) < usual) | coarse]
        if len(wrong):
            steps = [show(int(gap)) for gap in top.loc[wrong[:5]]]
            raise DataError(
                f"Series {naming(self.names[wrong])} are spaced differently ({', '.join(steps)}) "
                f"from most of the frame ({show(usual)}). A model reads one frequency: drop them, "
                f"pass freq= to name the one that holds{_on_one_grid(top, show)}."
            )


def from_any_day(freq: str, wall: Ints) -> str:
    """Add the common day of the month to a frequency of months, quarters or years."""
    day = _same_day(np.unique(wall // DAY))
    begins = freq.lstrip("0123456789").startswith(("MS", "QS", "YS"))
    return frequency(f"{freq}-{day}").text if begins and day is not None and day > 1 else freq


def _commonest(gaps: Ints) -> int:
    if gaps.min() == gaps.max():
        return int(gaps[0])
    values, sizes = np.unique(gaps, return_counts=True)
    return int(values[sizes.argmax()])


def _commonest_of_each(gaps: Ints, owners: Ints) -> "pd.Series[int]":
    table = pd.DataFrame({"owner": owners, "gap": gaps})
    size = table.groupby(["owner", "gap"]).size().rename("size").reset_index()
    top = size.sort_values("size", kind="stable").groupby("owner").tail(1)
    return top.set_index("owner")["gap"].sort_index()


def _duration(seconds: int) -> str:
    return str(pd.Timedelta(seconds, unit="s"))


def _on_one_grid(steps: "pd.Series[int]", show: Callable[[int], str]) -> str:
    """Return the advice to resample all series to the longest of their steps; empty for months."""
    if show is not _duration:
        return ""
    days, rest = divmod(int(steps.max()), DAY)
    name = _tick(int(steps.max())) if rest else frequency(f"{days}D").text
    return f", or average their rows with resample={name!r}" if days < 28 else ""


def _tick(seconds: int) -> str:
    size, name = next(
        (size, name) for size, name in ((3600, "h"), (60, "min"), (1, "s")) if seconds % size == 0
    )
    return frequency(f"{seconds // size}{name}").text


def _nominal(seconds: float) -> int:
    """Return the round number of seconds nearest to a step that jitters."""
    return min(_ROUND, key=lambda length: abs(np.log(length / seconds)))


def _month_anchor(these: Ints) -> tuple[str, str] | None:
    """Return alias and day of the month that fit all days; None if none do."""
    for alias in ("MS", "ME", "BMS", "BME"):
        if np.isin(these, days(alias)).all():
            return alias, ""
    day = _same_day(these)
    return None if day is None else ("MS", f"-{day}")


def _same_day(these: Ints) -> int | None:
    """Return the day of the month of all days, or the last day of shorter months; None if mixed."""
    day, last = day_of_month(these)
    fixed = (day == day.max()) | last
    return int(day.max()) if fixed.all() else None


def _within_months(these: Ints, gaps: Ints) -> str | None:
    """Return a frequency of two days per month, or one weekday per month; None if neither fits."""
    common = _commonest(gaps) // DAY
    day, last = day_of_month(these)
    if common < 28 and len(these) > 3:
        found = np.unique(day)
        if len(found) == 2 and found[0] == 1 and 1 < found[1] < 28:
            return f"SMS-{found[1]}"
        middle = np.unique(day[~last])
        if len(middle) == 1 and 1 < middle[0] < 28:
            return f"SME-{middle[0]}"
    weekdays = np.unique((these + 3) % 7)
    if common in (28, 35) and len(weekdays) == 1 and len(np.unique(gaps)) > 1:
        weeks = np.unique((day - 1) // 7)
        if len(weeks) == 1 and weeks[0] < 4:
            return f"WOM-{weeks[0] + 1}{WEEKDAYS[weekdays[0]]}"
        if np.isin(these, days(f"LWOM-{WEEKDAYS[weekdays[0]]}")).all():
            return f"LWOM-{WEEKDAYS[weekdays[0]]}"
    return None


def _open_days(these: Ints) -> list[int]:
    """Return the days of the week that occur; all if a missing one may be chance."""
    weekdays = np.unique((these - MONDAY // DAY) % 7)
    weeks = (these[-1] - these[0]) / 7
    fraction = len(these) / max(1, weeks * len(weekdays))
    if len(weekdays) < 7 and _is_closed(fraction, int(weeks)):
        return [int(day) for day in weekdays]
    return list(range(7))


def _is_closed(fraction: float, passed: int) -> bool:
    """Return True if a time that was never seen is closed, and not missing by chance.

    Args:
        fraction: fraction of other times that were seen when they passed.
        passed: number of times that this time of day or week has passed.
    """
    return passed >= 3 and bool((1 - min(fraction, 0.99)) ** passed < 1e-3)
