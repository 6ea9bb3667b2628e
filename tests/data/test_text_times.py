"""Times written as text: dates, months and ISO 8601."""

import pandas as pd
import pytest

from tests.data.time_columns import read, refuse
from tslm.data.frame import Columns, read_frame

DAYS = pd.date_range("2022-01-01", periods=90)
MONTHS = pd.date_range("2020-01-01", periods=24, freq="MS")


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


def test_an_ambiguous_order_of_day_and_month_is_refused_until_it_is_set() -> None:
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


def test_the_order_of_an_earlier_frame_holds_for_an_ambiguous_later_one() -> None:
    for form, freq in (("%d/%m/%Y", "D"), ("%m/%d/%Y", "D")):
        calendar = read(DAYS.strftime(form)).calendar
        later = pd.DataFrame({"unique_id": "a", "ds": DAYS[:9].strftime(form), "y": 1.0})
        got = read_frame(later, Columns(), calendar=calendar)
        assert got.calendar.freq == freq
        assert got.table.ds.tolist() == DAYS[:9].tolist()


def test_rows_of_iso_text_may_have_different_forms() -> None:
    text = ["2024-01-01", "2024-01-01 01:00:00", "2024-01-01T02:00", "2024-01-01 03:00:00.000"]
    assert read(text).calendar.freq == "h"
    refuse(["2024-01-01 00:00", "2024-01-02 00:00+01:00"], "rows with a time zone such as")
