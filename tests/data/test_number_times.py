"""Times given as numbers: dates, epoch times, days of Excel, counts and years."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.data.time_columns import read, refuse
from tslm.data.frame import Columns, read_frame

DAYS = pd.date_range("2022-01-01", periods=90)


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


def test_days_of_excel_need_time_format_and_its_hours_do_not() -> None:
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


def test_integers_that_may_be_dates_are_refused_or_warned_about() -> None:
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
