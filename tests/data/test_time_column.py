import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tslm.core.errors import ConfigError, DataError
from tslm.data.frame import Columns, Frame, read_frame
from tslm.data.time_writing import Writing

DAYS = pd.date_range("2022-01-01", periods=90)
MONTHS = pd.date_range("2020-01-01", periods=24, freq="MS")


def read(ds: Any, freq: str | int | None = None, **known: Any) -> Frame:
    df = pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(len(ds)) * 1.0})
    return read_frame(df, Columns(writing=Writing(**known)), freq=freq)


def refuse(ds: Any, message: str, **options: Any) -> None:
    with pytest.raises((DataError, ConfigError), match=message):
        read(ds, **options)


@pytest.mark.parametrize(
    "form",
    ["%-d/%-m/%y", "%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%Y/%m/%d", "%Y.%m.%d", "%d %b %Y",
     "%d-%b-%y", "%B %d, %Y", "%y-%m-%d", "%d-%m-%Y %H:%M",
     "%m/%d/%Y %I:%M %p", "%d/%m/%Y %H:%M:%S",
     "%Y-%m-%dT%H:%M:%S.000"],
)  # fmt: skip
@pytest.mark.parametrize("days", [DAYS, DAYS[5:], DAYS[::-1]], ids=["all", "later", "backwards"])
def test_days_are_read_in_one_order_for_the_whole_column(form: str, days: pd.DatetimeIndex) -> None:
    got = read(days.strftime(form))
    assert got.calendar.freq == "D"
    assert got.table.ds.tolist() == days.sort_values().tolist()


@pytest.mark.parametrize(
    "form",
    ["%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y%m", "%Y-%m", "%b %Y", "%Y %b", "%b-%y", "%YM%m",
     "%m/%Y"],
)  # fmt: skip
def test_months_are_read_as_months(form: str) -> None:
    got = read(MONTHS.strftime(form))
    assert got.calendar.freq == "MS"
    assert got.table.ds.tolist() == MONTHS.tolist()


def test_an_order_nobody_can_tell_is_refused_until_it_is_said() -> None:
    text = MONTHS[:12].strftime("%d/%m/%Y")
    refuse(text, "'01/02/2020' is 1 February 2020 or 2 January 2020. Pass dayfirst=true or "
                 'dayfirst=false, or the format, for example time_format="%d/%m/%Y"')  # fmt: skip
    assert read(text, dayfirst=True).calendar.freq == "MS"
    assert read(text, dayfirst=False).calendar.freq == "D"
    assert read(text, time_format="%d/%m/%Y").calendar.freq == "MS"
    assert read(text.str.replace("/", ".")).calendar.freq == "MS"
    refuse(DAYS.strftime("%m/%d/%Y"), "'01/13/2022' in row 12.*no date with the day first",
           dayfirst=True)  # fmt: skip
    refuse(["13/01/2024", "01/13/2024", "14/01/2024"], "no order of day and month that fits every")


def test_the_order_of_an_earlier_frame_holds_where_a_later_one_leaves_it_open() -> None:
    for form, freq in (("%d/%m/%Y", "D"), ("%m/%d/%Y", "D")):
        calendar = read(DAYS.strftime(form)).calendar
        later = pd.DataFrame({"unique_id": "a", "ds": DAYS[:9].strftime(form), "y": 1.0})
        got = read_frame(later, Columns(), calendar=calendar)
        assert got.calendar.freq == freq
        assert got.table.ds.tolist() == DAYS[:9].tolist()


@pytest.mark.parametrize(
    "write",
    [lambda q: q, lambda q: q.astype(object), lambda q: q.strftime("%Y Q%q"),
     lambda q: q.strftime("%YQ%q"), lambda q: q.strftime("%Y-Q%q"), lambda q: q.strftime("Q%q %Y"),
     lambda q: q.to_timestamp()],
)  # fmt: skip
def test_quarters_are_read_as_quarters(write: Any) -> None:
    quarters = pd.period_range("1998Q1", periods=20, freq="Q")
    assert read(write(quarters)).table.ds.tolist() == quarters.to_timestamp().tolist()


@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S"])
@pytest.mark.parametrize("kind", [np.int64, np.float64, "Int64", str])
def test_numbers_that_are_dates_are_dates(form: str, kind: Any) -> None:
    got = read(pd.Series(DAYS.strftime(form).astype(np.int64)).astype(kind))
    assert got.table.ds.tolist() == DAYS.tolist()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("kind", [np.int64, str])
def test_epoch_times_are_dates_and_local_where_a_zone_is_named(unit: str, kind: Any) -> None:
    days = pd.date_range("2022-01-01", periods=120, tz="America/New_York")
    epoch = pd.Series(days.as_unit(unit).asi8).astype(kind)  # type: ignore[arg-type]
    naive = days[:60].tz_convert("UTC").tz_localize(None)
    assert read(epoch[:60]).table.ds.tolist() == naive.tolist()
    local = read(epoch, tz="America/New_York")
    assert local.calendar.freq == "D"
    assert local.table.ds.tolist() == days.tolist()


def test_days_of_excel_are_asked_for_and_its_hours_are_certain() -> None:
    serial = np.arange(44562, 44652)
    refuse(serial, r'as Excel counts them \(2022-01-01\)\. Pass time_format="excel".* or freq=1')
    assert read(serial, time_format="excel").table.ds.tolist() == DAYS.tolist()
    assert read(serial, 1).table.ds.tolist() == serial.tolist()
    assert read(44562 + np.arange(300) / 24).calendar.freq == "h"


@pytest.mark.parametrize("kind", [np.int64, np.float64, str, "Int64", object])
def test_counts_and_years_stay_integers(kind: Any) -> None:
    for counts in (np.arange(12), np.arange(1990, 2020)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            got = read(pd.Series(counts).astype(kind))
        assert not got.calendar.dated
        assert got.table.ds.tolist() == counts.tolist()
    assert read(pd.Series(range(1990, 2020)).astype(kind), "YS").calendar.freq == "YS-JAN"


def test_integers_that_may_be_dates_are_never_counted_in_silence() -> None:
    refuse(np.arange(202001, 202053), "weeks of a year. Write them as '2020-W01'.* freq=1")
    with pytest.warns(UserWarning, match=r"from 5000 to 5049.*no season: pass season_length="):
        read(np.arange(5000, 5050))
    refuse(np.arange(9), 'freq= names dates. Say how .* time_format="%Y%m%d"', freq="D")
    days = DAYS.strftime("%Y%m%d").astype(np.int64)
    calendar = read(days[:20], 1).calendar
    assert calendar.freq == "1"
    df = pd.DataFrame({"unique_id": "a", "ds": days[:20], "y": 1.0})
    assert not read_frame(df, Columns(), calendar=calendar).calendar.dated
    refuse(np.array([2**63 + 1, 2**63 + 2], dtype=np.uint64), "9223372036854775810.*too large")
    refuse([1e30, 2e30], "which is no time")


def test_rows_of_iso_text_may_be_written_unlike() -> None:
    text = ["2024-01-01", "2024-01-01 01:00:00", "2024-01-01T02:00", "2024-01-01 03:00:00.000"]
    assert read(text).calendar.freq == "h"
    refuse(["2024-01-01 00:00", "2024-01-02 00:00+01:00"], "rows with a time zone such as")


def test_changing_offsets_become_one_zone() -> None:
    hours = pd.date_range("2023-03-20", periods=480, freq="h", tz="Europe/Berlin")
    for ds in (hours.astype(str), hours.astype(object).map(lambda t: t.to_pydatetime())):
        local = read(ds, tz="Europe/Berlin")
        assert local.table.ds.tolist() == hours.tolist()
    with pytest.warns(UserWarning, match="changing offsets from UTC.*tz='Europe/Berlin'"):
        got = read(hours.astype(str))
    assert got.calendar.tz == "UTC"
    df = pd.DataFrame({"unique_id": "a", "ds": hours.astype(str), "y": 1.0})
    later = read_frame(df, Columns(), calendar=local.calendar)
    assert later.calendar.tz == "Europe/Berlin"


@pytest.mark.parametrize("start", ["2023-03-20", "2023-10-20"])
def test_naive_times_are_local_in_the_zone_that_is_named(start: str) -> None:
    hours = pd.date_range(start, periods=480, freq="h", tz="Europe/Berlin")
    assert read(hours.tz_localize(None), tz="Europe/Berlin").table.ds.tolist() == hours.tolist()
    refuse(DAYS, "tz='Berlin' is no time zone. Did you mean 'Europe/Berlin'", tz="Berlin")


@pytest.mark.parametrize(
    ("ds", "message"),
    [(["1-01", "1-02", "3-12"], "'1-01' in row 0, which is no date.*time_format="),
     (["2024-01-01", "soon"], "'soon' in row 1, which is no date"),
     (["10:30", "10:31"], "'10:30' in row 0, which is no date"),
     (["Jan 5", "Jan 6"], "'Jan 5' in row 0, which is no date"),
     (["2024-01-01", ""], "'' in row 1"), ([True, False], "dtype bool"),
     ([2024.01, 2024.02], "numbers with fractions, such as 2024.01"),
     (pd.to_timedelta([1, 2], unit="D"), "dtype timedelta64")],
)  # fmt: skip
def test_what_is_no_date_is_named(ds: Any, message: str) -> None:
    refuse(ds, message)


def test_a_format_that_is_none_or_does_not_fit_is_named() -> None:
    refuse(
        ["2024-01-01"] * 2, "time_format='Ymd' is no format.* or one of s, ms", time_format="Ymd"
    )
    refuse(["01.01.2024", "2.1.24"], "'2.1.24' in row 1, which is not written as time_format=",
           time_format="%d.%m.%Y")  # fmt: skip
    refuse([10**14, 10**15], "which are no dates by time_format='s'", time_format="s")
    refuse([10**14, 10**15], "which are no dates by time_format='excel'", time_format="excel")
    refuse(["2024-01-01"] * 2, "time_format='%Q' is no format", time_format="%Q")
    refuse([10**12, 2024], "no dates by time_format='s'", time_format="s", tz="Europe/Berlin")
    refuse(["1", "x"], "'x' in row 1, which is not a number", time_format="ms")


FORMATS = ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%-d/%-m/%y", "%y-%m-%d", "%d-%m-%y", "%Y%m%d",
           "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%d %b %Y", "%b %d, %Y", "s", "ms", "iso"]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_grid_that_is_written_and_read_is_the_same_grid_or_refused(data: st.DataObject) -> None:
    freq = data.draw(st.sampled_from(["D", "MS", "W-MON", "B", "QS-JAN", "ME", "YS-JAN"]))
    start = data.draw(st.datetimes(pd.Timestamp("1995-01-01"), pd.Timestamp("2030-01-01")))
    size = data.draw(st.integers(3, 40))
    zone = data.draw(st.sampled_from([None, "Europe/Berlin", "America/New_York"]))
    days = pd.date_range(pd.Timestamp(start).normalize(), periods=size, freq=freq, tz=zone)
    keep = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    kept = days[np.array(keep)] if sum(keep) > size * 0.7 else days
    form = data.draw(st.sampled_from(FORMATS))
    order = data.draw(st.permutations(range(len(kept))))
    if form in ("s", "ms"):
        written: Any = kept.as_unit(form).asi8  # type: ignore[arg-type]
    elif form == "iso":
        written = kept.map(lambda t: t.isoformat())
    else:
        written, zone = kept.strftime(form), None
        kept = kept.tz_localize(None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            got = read(pd.Series(np.asarray(written)[list(order)]), tz=zone).table
        except DataError:
            return
    if form in ("s", "ms") and zone is None:
        kept = kept.tz_localize(None)
    known = got.ds[got.y.notna()]
    assert known.tolist() == kept.tolist()
