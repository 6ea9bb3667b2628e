from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.tseries.offsets import CustomBusinessDay
from utilsforecast.processing import make_future_dataframe

from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError, DataError

ALIASES = ["s", "5min", "15min", "h", "2h", "D", "10D", "B", "W-SUN", "W-WED", "2W-SUN", "MS", "ME",
           "2MS", "BMS", "BME", "QS-JAN", "QS-FEB", "QE-DEC", "YS-JAN", "YE-JUN"]  # fmt: skip


def stamps(freq: str, n: int = 60, tz: str | None = None, start: str = "2020-01-01") -> pd.Series:
    return pd.Series(pd.date_range(start, periods=n, freq=freq, tz=tz))


def infer(ds: pd.Series, freq: Any = None, ids: list[str] | None = None) -> Calendar:
    return Calendar.infer(ds, pd.Series(ids or ["a"] * len(ds)), freq)


@pytest.mark.parametrize("tz", [None, "Europe/Berlin"])
@pytest.mark.parametrize("freq", ALIASES)
def test_a_frequency_is_read_off_and_continued(freq: str, tz: str | None) -> None:
    ds = stamps(freq, tz=tz)
    calendar = infer(ds.sample(frac=1, random_state=0))
    assert calendar.freq == freq
    assert calendar.tz == tz
    numbers = calendar.to_int(ds)
    pd.testing.assert_index_equal(calendar.from_int(numbers), pd.Index(ds), check_names=False)
    counts = calendar.count(numbers)
    assert set(np.diff(counts)) == {calendar.step}
    np.testing.assert_array_equal(calendar.uncount(counts), numbers)
    assert calendar.contains(numbers).all()
    np.testing.assert_array_equal(calendar.future(numbers[:1], 59)[0], numbers[1:])


@pytest.mark.parametrize("freq", ALIASES)
def test_the_future_is_that_of_utilsforecast(freq: str) -> None:
    ds = stamps(freq, 20)
    calendar = infer(ds, freq)
    last = pd.Series([ds[9], ds[19]])
    expected = make_future_dataframe(pd.Series(["a", "b"]), last, freq, 7)["ds"]
    ours = calendar.from_int(calendar.future(calendar.to_int(last), 7).ravel())
    assert (ours == pd.Index(expected)).all()


@pytest.mark.parametrize("freq", ["h", "D", "MS", "W-SUN", "B"])
def test_gaps_and_unequal_lengths_leave_the_frequency_alone(freq: str) -> None:
    long, short = stamps(freq, 400), stamps(freq, 9)
    ds = pd.concat([long.sample(frac=0.7, random_state=1), short])
    ids = ["a"] * (len(ds) - 9) + ["b"] * 9
    assert infer(ds, ids=ids).freq == freq


def test_integers_are_counted() -> None:
    ds = pd.Series([2000, 2005, 2010, 2020])
    calendar = infer(ds)
    assert calendar == Calendar("5", None, dated=False, unit=calendar.unit)
    assert calendar.season_length == 1
    assert calendar.future(np.array([2020]), 2).tolist() == [[2025, 2030]]
    assert calendar.from_int(np.array([1, 2])).tolist() == [1, 2]
    assert calendar.spans(np.array([5]), 3) == (["5"], ["15"])


@pytest.mark.parametrize(
    ("freq", "season"),
    [("h", 24), ("30min", 48), ("15min", 96), ("10min", 144), ("5min", 288), ("min", 1440),
     ("s", 60), ("10s", 6), ("D", 7), ("B", 5), ("W-MON", 52), ("MS", 12), ("ME", 12), ("QS", 4),
     ("YE", 1), ("2h", 12), ("7h", 1), ("7D", 52), ("2MS", 6), ("24h", 7), ("2D", 1)],
)  # fmt: skip
def test_every_frequency_has_its_season(freq: str, season: int) -> None:
    assert Calendar(freq).season_length == season


def test_hours_are_physical_across_daylight_saving_and_days_are_local() -> None:
    hours = stamps("h", 72, "Europe/Berlin", "2024-03-30")
    days = stamps("D", 10, "Europe/Berlin", "2024-03-28")
    assert set(np.diff(infer(hours).to_int(hours))) == {3600}
    assert set(np.diff(infer(days).to_int(days))) == {86400, 82800}
    start = infer(hours).to_int(hours)[[24]]
    assert infer(hours).spans(start, 4) == (["2024-03-31 00:00:00"], ["2024-03-31 04:00:00"])


def test_days_of_utc_shown_in_a_local_zone_are_24_hours() -> None:
    ds = stamps("D", 100, "UTC", "2024-03-01").dt.tz_convert("Europe/Berlin")
    assert infer(ds).freq == "24h"


def test_spans_of_months_end_where_the_last_month_does() -> None:
    calendar = infer(stamps("ME", 12))
    start = calendar.to_int(pd.Series(pd.to_datetime(["2020-01-31", "2023-01-31"])))
    assert calendar.spans(start, 2)[1] == ["2020-02-29 00:00:00", "2023-02-28 00:00:00"]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_resolution_of_the_user_returns(unit: str) -> None:
    ds = stamps("D").dt.as_unit(unit)
    assert infer(ds).from_int(infer(ds).to_int(ds)).dtype == ds.dtype


def test_a_calendar_survives_json() -> None:
    calendar = infer(stamps("W-WED", tz="Asia/Tokyo"))
    assert Calendar.from_state(calendar.state()) == calendar


def test_series_of_different_spacing_are_named() -> None:
    ds = pd.concat([stamps("h", 90), stamps("D", 20), stamps("15min", 30)])
    ids = ["a"] * 90 + ["b"] * 20 + ["c"] * 30
    with pytest.raises(DataError, match=r"Series 'b', 'c' are .*1 days .*0 days 00:15.*01:00"):
        infer(ds, ids=ids)
    ds = pd.concat([stamps("MS", 90), stamps("YS", 20)])
    with pytest.raises(DataError, match=r"Series 'b' .*\(12 months\).*\(1 month\)"):
        infer(ds, ids=["a"] * 90 + ["b"] * 20)


def test_one_row_series_need_a_frequency() -> None:
    ds = stamps("h", 2)
    with pytest.raises(DataError, match=r"no series has two rows \('a', 'b'\).*freq='D'"):
        infer(ds, ids=["a", "b"])
    assert infer(ds, "h", ["a", "b"]).freq == "h"


def test_rows_months_apart_on_days_that_vary_are_explained() -> None:
    with pytest.raises(DataError, match="months apart, but not on the same day of the month"):
        infer(pd.Series(pd.to_datetime(["2020-01-03", "2020-02-07", "2020-03-13", "2020-04-14"])))


@pytest.mark.parametrize(
    ("freq", "error", "message"),
    [("foo", ConfigError, "freq='foo' is no frequency. Use one such as 'h'"),
     ("hourly", ConfigError, "freq='hourly' is now 'h'"), ("A", ConfigError, "'A' is now 'YE'"),
     ("2M", ConfigError, "'2M' is now '2ME'"), ("1mo", ConfigError, "'1mo' is now 'MS'"),
     ("H", ConfigError, "'H' is now 'h'"), ("A-JUN", ConfigError, "'A-JUN' is now 'YE-JUN'"),
     ("ms", ConfigError, "finer than a second"), ("-1D", ConfigError, "cannot be stepped along"),
     ("bh", ConfigError, "Name the hours: freq='h Mon-Fri"), (1, DataError, "holds timestamps"),
     ("D Mon-Son", ConfigError, "'Mon-Son' is no day of the week"),
     ("h 9-17:00", ConfigError, "'9-17:00' is no time of opening"),
     ("7h Mon-Fri", ConfigError, "a step that divides a day"), ("MS-40", ConfigError, "2 and 31"),
     (CustomBusinessDay(holidays=["2024-01-01"]), ConfigError, "weekmask .*not its holidays")],
)  # fmt: skip
def test_a_wrong_frequency_is_explained(freq: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        infer(stamps("D"), freq)


def test_integer_time_needs_an_integer_step() -> None:
    with pytest.raises(DataError, match="freq='D' is a calendar frequency"):
        infer(pd.Series([1, 2]), "D")
    with pytest.raises(ConfigError, match="not a step forward"):
        infer(pd.Series([1, 2]), 0)


def opened(freq: str, rows: int, start: str = "2022-01-03", tz: str | None = None) -> pd.Series:
    """Rows along a frequency, from a Monday on."""
    calendar = Calendar(freq, tz)
    count = calendar.count(np.array([pd.Timestamp(start).value // 10**9]))
    first = calendar.uncount(count // calendar.step * calendar.step)
    return pd.Series(calendar.from_int(calendar.future(first, rows)[0]))


@pytest.mark.parametrize("tz", [None, "America/New_York"])
@pytest.mark.parametrize(
    ("freq", "season"),
    [("D Mon-Sat", 6), ("D Sun-Thu", 5), ("D Mon,Wed,Fri", 3), ("h Mon-Fri", 24),
     ("30min Mon-Fri 09:30-16:00", 14), ("h 09:00-17:00", 9),
     ("h Mon-Sat 08:00-11:00 13:00-17:00", 9), ("15min Sun-Thu 10:00-14:45", 20)],
)  # fmt: skip
def test_times_that_never_occur_are_no_steps(freq: str, season: int, tz: str | None) -> None:
    ds = opened(freq, 40 * season, tz=tz)
    calendar = infer(ds)
    assert calendar.freq == freq
    assert calendar.season_length == season
    numbers = calendar.to_int(ds)
    assert set(np.diff(calendar.count(numbers))) == {calendar.step}
    assert calendar.contains(numbers).all()
    np.testing.assert_array_equal(calendar.uncount(calendar.count(numbers)), numbers)
    holidays = ds.drop(index=range(season, 2 * season))
    assert infer(holidays.sample(frac=1, random_state=0)).freq == freq
    assert Calendar.from_state(calendar.state()) == calendar


def test_a_weekmask_is_a_frequency() -> None:
    six = CustomBusinessDay(weekmask="Mon Tue Wed Thu Fri Sat")
    ds = stamps("D")
    for freq in (six, "Mon Tue Wed Thu Fri Sat", "D Mon-Sat", "D MON-SAT"):
        assert infer(ds, freq).freq == "D Mon-Sat"
    assert infer(ds, "D Mon-Fri").freq == "B"


def test_few_rows_and_rows_that_lack_by_chance_leave_every_day_open() -> None:
    assert infer(opened("D Mon-Sat", 14)).freq == "D"
    assert infer(stamps("D", 60).sample(40, random_state=3)).freq == "D"
    assert infer(stamps("h", 60).drop(index=range(10, 20))).freq == "h"


@pytest.mark.parametrize("day", [2, 15, 28, 29, 30])
@pytest.mark.parametrize("months", [1, 3, 12])
@pytest.mark.parametrize("asked", [False, True])
def test_months_begin_on_any_day(day: int, months: int, asked: bool) -> None:
    starts = pd.date_range("2015-04-01", periods=60, freq=f"{months}MS")
    ds = pd.Series([t + pd.Timedelta(days=min(day, t.days_in_month) - 1) for t in starts])
    freq = {1: "MS", 3: "QS-JAN", 12: "YS-APR"}[months]
    calendar = infer(ds[:40], freq if asked else None)
    if day == 30 and months == 12:
        assert calendar.freq == ("YS-APR-30" if asked else "YE-APR")
        return  # every row is the end of April
    assert calendar.freq == f"{freq}-{day}"
    assert calendar.season_length == 12 // months
    future = calendar.from_int(calendar.future(calendar.to_int(ds[39:40]), 20)[0])
    assert future.tolist() == ds[40:].tolist()


@pytest.mark.parametrize("freq", ["SMS-15", "SMS-10", "SME-15", "WOM-2TUE", "LWOM-FRI"])
def test_twice_a_month_and_weekdays_of_a_month_are_read_off(freq: str) -> None:
    ds = stamps(freq)
    calendar = infer(ds)
    assert calendar.freq == freq
    np.testing.assert_array_equal(
        calendar.future(calendar.to_int(ds[:1]), 59)[0], calendar.to_int(ds[1:])
    )


@pytest.mark.parametrize(
    ("tz", "day"),
    [("America/Sao_Paulo", "2017-10-15"), ("America/Santiago", "2023-09-03"),
     ("Africa/Cairo", "2023-04-28"), ("Asia/Beirut", "2024-03-31")],
)  # fmt: skip
def test_days_begin_at_one_where_clocks_move_at_midnight(tz: str, day: str) -> None:
    first = pd.Timestamp(day) - pd.Timedelta(days=20)
    hours = pd.date_range(first.tz_localize(tz), periods=24 * 40, freq="h")
    days = pd.Series(0, index=hours).resample("D").sum().index[:-1]
    at = int(np.flatnonzero(days.hour)[0])
    for ds in (days, days[: at + 1], days[at:]):
        calendar = infer(pd.Series(ds))
        assert calendar.freq == "D"
        assert set(np.diff(calendar.count(calendar.to_int(ds)))) == {calendar.step}
    known = calendar.to_int(days[:1])
    assert calendar.from_int(calendar.future(known, len(days) - 1)[0]).tolist() == days[1:].tolist()


def test_steps_beyond_the_last_year_are_refused() -> None:
    calendar = infer(stamps("YS"))
    assert calendar.future(np.array([0]), 400).shape == (1, 400)
    with pytest.raises(DataError, match=r"up to the year 2500.* a smaller h"):
        calendar.future(np.array([0]), 1000)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_counting_and_its_inverse_agree_on_any_opening(data: st.DataObject) -> None:
    names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    days = data.draw(st.sets(st.sampled_from(names), min_size=1))
    first = data.draw(st.integers(0, 22))
    last = data.draw(st.integers(first, 22))
    step = data.draw(st.sampled_from(["h", "30min", "15min", "2h"]))
    calendar = Calendar(f"{step} {','.join(sorted(days))} {first:02d}:00-{last:02d}:00")
    counts = calendar.step * np.arange(-500, 500) + data.draw(st.sampled_from([0, 60]))
    times = calendar.uncount(counts)
    assert (np.diff(times) > 0).all()
    assert calendar.contains(times).all()
    np.testing.assert_array_equal(calendar.count(times), counts)
