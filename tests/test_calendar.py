import numpy as np
import pandas as pd
import pytest
from utilsforecast.processing import make_future_dataframe

from tslm.calendar import Calendar
from tslm.errors import ConfigError, DataError

ALIASES = ["s", "5min", "15min", "h", "2h", "D", "10D", "B", "W-SUN", "W-WED", "2W-SUN", "MS", "ME",
           "2MS", "BMS", "BME", "QS-JAN", "QS-FEB", "QE-DEC", "YS-JAN", "YE-JUN"]  # fmt: skip


def stamps(freq: str, n: int = 60, tz: str | None = None, start: str = "2020-01-01") -> pd.Series:
    return pd.Series(pd.date_range(start, periods=n, freq=freq, tz=tz))


def infer(ds: pd.Series, freq: str | int | None = None, ids: list[str] | None = None) -> Calendar:
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
    assert Calendar.from_dict(calendar.to_dict()) == calendar


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


def test_a_day_of_the_month_pandas_cannot_name_is_explained() -> None:
    with pytest.raises(DataError, match="not at the start or the end of the month"):
        infer(stamps("MS") + pd.Timedelta(days=14))


@pytest.mark.parametrize(
    ("freq", "error", "message"),
    [("hourly", ConfigError, "freq='hourly' is no pandas frequency"),
     ("ms", ConfigError, "finer than a second"), ("-1D", ConfigError, "cannot be stepped along"),
     ("bh", ConfigError, "cannot be stepped along"), (1, DataError, "column holds timestamps")],
)  # fmt: skip
def test_a_wrong_frequency_is_explained(freq: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        infer(stamps("D"), freq)


def test_integer_time_needs_an_integer_step() -> None:
    with pytest.raises(DataError, match="freq='D' is a calendar frequency"):
        infer(pd.Series([1, 2]), "D")
    with pytest.raises(ConfigError, match="not a step forward"):
        infer(pd.Series([1, 2]), 0)
