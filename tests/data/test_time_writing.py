"""Writing of times: time zones and formats."""

import pandas as pd
import pytest

from tests.data.time_columns import read, refuse
from tslm.data.frame import Columns, read_frame

DAYS = pd.date_range("2022-01-01", periods=90)


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


def test_a_wrong_time_format_is_named() -> None:
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
