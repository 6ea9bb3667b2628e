"""The frequency of a frame, read off the distances of its rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tslm.core.errors import DataError
from tslm.core.frequency import (
    DAY,
    MONDAY,
    WEEKDAYS,
    Ints,
    day_of_month,
    days,
    frequency,
    opening_name,
)
from tslm.core.messages import naming

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_ROUND = [n * unit for unit, ns in (
    (1, (1, 2, 5, 10, 15, 20, 30)), (60, (1, 2, 5, 10, 15, 20, 30)), (3600, (1, 2, 3, 4, 6, 8, 12)),
    (DAY, (1, 7)),
) for n in ns]  # fmt: skip
_RANGES = 3  # times of opening in a day, beyond which they are an accident


@dataclass(frozen=True)
class Spacing:
    """The sorted times of all series, from which their common frequency is read.

    What counts is the commonest distance of neighbours, so that gaps do no harm.

    Args:
        times: integers, or seconds since 1970 (UTC).
        wall: the same in local time.
        codes: the series each of them belongs to, as a place in ``names``.
        names: the ids.
    """

    times: Ints
    wall: Ints
    codes: Ints
    names: pd.Index

    def step(self) -> str:
        """The step of integers."""
        return str(self._usual(self.times, str))

    def freq(self) -> str:
        """The frequency of timestamps."""
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
        """A step with times of opening, where rows are never seen at others."""
        wall = np.unique(self.wall)
        opening = _open_days(np.unique(wall // DAY))
        places = np.unique(wall % DAY // step)
        passed = (wall[-1] - wall[0]) // DAY * len(opening) // 7
        closed = 0
        if len(places) < DAY // step:
            closed = _certain(len(wall) / max(1, (passed + 1) * len(places)), int(passed))
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
        """Whether rows of a series are apart by it: not where clocks go back in open times."""
        same = np.diff(self.codes) == 0
        apart = np.diff(frequency(name).count(self.wall))[same] > 0
        return bool((apart | (np.diff(self.times)[same] == 0)).all())

    def _drifts(self, wall: Ints) -> bool:
        """Whether days are physical (24 hours), shown in a zone with daylight saving."""
        moved = self._gaps(wall)[0] % DAY
        return bool(moved.any()) and not (self._gaps(self.times)[0] % DAY).any()

    def _jitters(self, gaps: Ints) -> bool:
        """Whether rows have no step of their own: a tenth is off the commonest of its series."""
        if (gaps % _commonest(gaps) == 0).mean() >= 0.9:
            return False
        gaps, owners = self._gaps(self.times)
        usual = _commonest_of_each(gaps, owners).reindex(owners).to_numpy()
        return bool((gaps % usual == 0).mean() < 0.9 and (gaps % DAY != 0).mean() > 0.1)

    def _gaps(self, times: Ints) -> tuple[Ints, Ints]:
        """Distances of neighbours in the same series, and their series."""
        gaps = np.diff(times)
        keep = (np.diff(self.codes) == 0) & (gaps > 0)
        return gaps[keep], self.codes[1:][keep]

    def _usual(self, times: Ints, show: Callable[[int], str]) -> int:
        """The commonest step, once it is certain that all series have it."""
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
        """Refuse series that are finer, or coarser in every row, than the others."""
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
    """The same frequency of months, quarters or years from the day that all these times have."""
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
    """The words that put all series on the longest of their steps, where these are durations."""
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
    """The round length that jitters."""
    return min(_ROUND, key=lambda length: abs(np.log(length / seconds)))


def _month_anchor(these: Ints) -> tuple[str, str] | None:
    """The place in the month that all of these days have: an alias, and a day of the month."""
    for alias in ("MS", "ME", "BMS", "BME"):
        if np.isin(these, days(alias)).all():
            return alias, ""
    day = _same_day(these)
    return None if day is None else ("MS", f"-{day}")


def _same_day(these: Ints) -> int | None:
    """The day of the month all of them have, as far as months are that long."""
    day, last = day_of_month(these)
    fixed = (day == day.max()) | last
    return int(day.max()) if fixed.all() else None


def _within_months(these: Ints, gaps: Ints) -> str | None:
    """A frequency of days of the month: twice in each, or on the same weekday of each."""
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
    """Days of the week that occur; all where it may be chance that one does not."""
    weekdays = np.unique((these - MONDAY // DAY) % 7)
    weeks = (these[-1] - these[0]) / 7
    share = len(these) / max(1, weeks * len(weekdays))
    if len(weekdays) < 7 and _certain(share, int(weeks)):
        return [int(day) for day in weekdays]
    return list(range(7))


def _certain(share: float, passed: int) -> bool:
    """Whether a place of which a share is seen elsewhere, and none in many passes, is closed."""
    return passed >= 3 and bool((1 - min(share, 0.99)) ** passed < 1e-3)
