"""Rows of any times, put on a grid."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError, DataError
from tslm.data.covariates.future import look_up_future
from tslm.data.frame import Columns, Frame, read_frame
from tslm.data.panel import Panel

pytestmark = pytest.mark.filterwarnings("ignore:The frame lacks")
ZONES = [None, "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"]


def rows(ds: Any, y: Any = None, uid: Any = "a", **beside: Any) -> pd.DataFrame:
    values = np.arange(len(ds)) ** 1.5 if y is None else y
    return pd.DataFrame({"unique_id": uid, "ds": ds, "y": values, **beside})


def read(df: pd.DataFrame, resample: Any, **options: Any) -> Frame:
    return read_frame(df, Columns(), resample=resample, **options)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    ("freq", "every"),
    [("15min", "4min"), ("h", "17min"), ("61s", "7s"), ("7h", "50min"), ("25h", "7h"),
     ("D", "7h"), ("3D", "5h"), ("W-SUN", "13h"), ("2W-WED", "D"), ("MS", "5D"), ("2MS", "5D"),
     ("ME", "3D"), ("2ME", "5D"), ("SMS", "3D"), ("SME", "3D"), ("BME", "D"), ("QS-FEB", "7D"),
     ("QE", "20D"), ("BQE", "10D"), ("YE", "100D"), ("WOM-1MON", "3D"), ("LWOM-FRI", "3D")],
)  # fmt: skip
def test_a_series_is_put_on_the_grid_that_pandas_puts_it_on(
    freq: str, every: str, zone: str | None
) -> None:
    ds = pd.date_range("2016-03-03 05:00", periods=200, freq=every, tz=zone and "UTC")
    ds = ds if zone is None else ds.tz_convert(zone)
    df = rows(ds)
    frame = read(df.sample(frac=1, random_state=0), freq)
    expected = df.set_index("ds").y.resample(freq).mean()
    pd.testing.assert_series_equal(frame.table.set_index("ds").y, expected, check_freq=False)
    assert frame.calendar.freq.startswith(freq)
    again = read(frame.table, freq)
    pd.testing.assert_frame_equal(again.table, frame.table)
    assert again.calendar == frame.calendar == Calendar.from_state(frame.calendar.state())


@pytest.mark.parametrize("freq", ["15min", "h", "D", "2D", "W-WED", "MS", "ME", "QS", "B", "MS-15",
                                  "D Mon-Sat", "h Mon-Fri 09:00-16:00"])  # fmt: skip
def test_a_regular_frame_stays_as_it_is(freq: str) -> None:
    alias = {"D Mon-Sat": "C", "MS-15": "MS", "h Mon-Fri 09:00-16:00": "h"}.get(freq, freq)
    ds = pd.date_range("2024-01-01", periods=200, freq=alias)
    if alias == "C":
        ds = pd.date_range("2024-01-01", periods=200)
        ds = ds[ds.day_of_week < 6]
    elif freq.startswith("h Mon"):
        ds = ds[(ds.day_of_week < 5) & (ds.hour >= 9) & (ds.hour <= 16)]
    ds = ds + pd.Timedelta(days=14 * (freq == "MS-15"))
    beside = {"n": np.arange(len(ds)), "word": "x", "on": np.arange(len(ds)) % 2 == 0}
    df = pd.concat([rows(ds, **beside), rows(ds[5:], uid="b", n=7, word="z", on=True)])
    df = df.reset_index(drop=True)
    frame = read(df, freq, extra=["n", "word", "on"])
    pd.testing.assert_frame_equal(frame.table, df)
    pd.testing.assert_frame_equal(read(df, freq, freq=freq).table, df[["unique_id", "ds", "y"]])


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_the_order_of_rows_does_not_matter(data: st.DataObject) -> None:
    n = data.draw(st.integers(3, 40))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    late = pd.Timestamp("2024-03-30") + pd.to_timedelta(
        rng.choice(200_000, n, replace=False), unit="s"
    )
    ids = np.where(rng.random(n) < 0.5, "a", "b")
    df = rows(late, rng.normal(size=n), ids, word=rng.choice(list("xyz"), n), x=rng.normal(size=n))
    mixed = df.iloc[data.draw(st.permutations(range(n)))]
    options = {"extra": ["x", "word"], "calendar": None}
    one, other = read(df, "h", **options), read(mixed, "h", **options)
    pd.testing.assert_frame_equal(one.table, other.table)


def test_numbers_of_a_step_are_averaged_and_the_last_text_is_taken() -> None:
    ds = ["2024-01-01 10:05", "2024-01-01 10:55", "2024-01-01 10:20", "2024-01-01 12:00",
          "2024-01-01 13:59:59.5"]  # fmt: skip
    df = rows(
        pd.to_datetime(ds, format="ISO8601"),
        [1.0, 4.0, np.nan, np.nan, 7.0],
        price=[1, 2, 6, 8, 9],
        word=["early", "late", "middle", None, "x"],
        size=[0.1] * 5,
    )
    with pytest.warns(UserWarning, match="Missing covariate values.*: 'word' in 1 row"):
        frame = read(df, "h", extra=["price", "word", "size"])
    assert frame.table.ds.dt.hour.tolist() == [10, 11, 12, 13]
    np.testing.assert_equal(frame.table.y.to_numpy(), [2.5, np.nan, np.nan, 7.0])
    np.testing.assert_equal(frame.table.price.to_numpy(), [3.0, np.nan, 8.0, 9.0])
    assert frame.table.word.fillna("-").tolist() == ["late", "-", "-", "x"]
    assert frame.table["size"].dropna().tolist() == [0.1] * 3
    assert (frame.report.gaps, frame.report.missing, frame.report.duplicates) == (1, 1, 0)
    filled = read(df, "h", missing="ffill").table
    assert filled.y.tolist() == [2.5, 2.5, 2.5, 7.0]


def test_duplicate_times_are_still_refused() -> None:
    df = rows(pd.to_datetime(["2024-01-01 10:05"] * 2 + ["2024-01-01 11:05"]), [1.0, 3.0, 5.0])
    with pytest.raises(DataError, match="Several rows of one series have the same time"):
        read(df, "h")
    assert read(df, "h", on_duplicate="last").table.y.tolist() == [3.0, 5.0]


def test_rows_within_one_second_are_averaged_in_the_order_of_time() -> None:
    seconds = ["59.75", "59.25", "59.5"]
    ds = [f"2024-01-01 10:05:{second}" for second in seconds] + ["2024-01-01 11:05"]
    df = rows(pd.to_datetime(ds, format="ISO8601"), [1.0, 3.0, 8.0, 5.0],
              price=[3.0, 5.0, 1.0, 2.0], word=["last", "first", "middle", "x"])  # fmt: skip
    frame = read(df, "h", extra=["price", "word"])
    assert frame.table.y.tolist() == [4.0, 5.0]
    assert frame.table.price.tolist() == [3.0, 2.0]
    assert frame.table.word.tolist() == ["last", "x"]
    assert frame.report.duplicates == 0
    later = read(df, None, calendar=frame.calendar)
    assert later.table.y.tolist() == [4.0, 5.0]
    twice = pd.concat([df, df.iloc[[1]].assign(y=9.0)])
    with pytest.raises(DataError, match="Several rows of one series have the same time"):
        read(twice, "h")
    assert read(twice, "h", on_duplicate="last").table.y.tolist() == [6.0, 5.0]
    panel, time = Panel.from_frame(frame), frame.calendar.to_int(frame.table.ds)
    ask = (["price", "word"], panel, time, frame.calendar, Columns())
    known = look_up_future(df.drop(columns="y"), *ask)
    assert (known.price.tolist(), known.word.tolist()) == ([3.0, 2.0], ["last", "x"])
    with pytest.raises(DataError, match="Rows of futr_df occur twice"):
        look_up_future(twice.drop(columns="y"), *ask)


def test_a_later_frame_and_covariates_ahead_are_put_on_the_same_grid() -> None:
    ds = pd.Timestamp("2024-01-01 03:00") + pd.Timedelta("50min") * np.arange(100)
    calendar = read(rows(ds), "7h").calendar
    later = read(rows(ds[70:]), None, calendar=calendar)
    whole = read(rows(ds), "7h").table
    assert later.table.ds.isin(whole.ds).all()
    panel = Panel.from_frame(read(rows(ds), "7h"))
    time = calendar.future(panel.time.numpy()[-1:], 2).ravel()
    steps = calendar.from_int(time)
    futr = pd.DataFrame({"unique_id": "a", "ds": [steps[1] + pd.Timedelta("1h"), steps[0],
                         steps[0] + pd.Timedelta("6h"), steps[0] - pd.Timedelta("1min")],
                         "x": [9.0, 1.0, 3.0, 50.0], "word": ["u", "v", "w", "t"]})  # fmt: skip
    known = look_up_future(futr, ["x", "word"], panel, time, calendar, Columns())
    assert (known.x.tolist(), known.word.tolist()) == ([2.0, 9.0], ["w", "u"])


@pytest.mark.parametrize(
    ("options", "words"),
    [({"resample": "h", "freq": "D"}, "freq='D' and resample='h' are different steps"),
     ({"resample": "h", "freq": 1}, "freq=1 and resample='h' are different steps"),
     ({"resample": "24h", "freq": "D"}, "freq='D' and resample='24h' are different steps"),
     ({"resample": "hourly"}, "resample='hourly' is now 'h'"),
     ({"resample": "blah"}, "resample='blah' is no frequency"),
     ({"resample": "1"}, "resample='1' is no frequency of dates")],
)  # fmt: skip
def test_a_wrong_grid_or_one_unlike_freq_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(rows(pd.date_range("2024-01-01", periods=9, freq="h")), **options)


def test_integer_time_has_no_grid() -> None:
    with pytest.raises(DataError, match=r"resample='h' puts rows on a grid of dates.*integers"):
        read(rows(np.arange(9)), "h")


def test_rows_of_closed_times_are_named() -> None:
    ds = pd.date_range("2024-01-01", periods=14) + pd.Timedelta("9h")
    with pytest.raises(DataError, match=r"4 of 14 rows are off the grid of freq='B'.*2024-01-06"):
        read(rows(ds), "B")
    frame = read(rows(ds[ds.day_of_week < 5]), "B")
    assert frame.table.ds.tolist() == pd.bdate_range("2024-01-01", periods=10).tolist()
