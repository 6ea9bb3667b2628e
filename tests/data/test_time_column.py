"""A column of times: any type that holds times is read, and no other."""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.data.time_columns import read, refuse
from tslm.core.errors import DataError

DAYS = pd.date_range("2022-01-01", periods=90)
MONTHS = pd.date_range("2020-01-01", periods=24, freq="MS")


@pytest.mark.parametrize(
    "write",
    [lambda q: q, lambda q: q.astype(object), lambda q: q.strftime("%Y Q%q"),
     lambda q: q.strftime("%YQ%q"), lambda q: q.strftime("%Y-Q%q"), lambda q: q.strftime("Q%q %Y"),
     lambda q: q.to_timestamp()],
)  # fmt: skip
def test_quarters_are_read_as_quarters(write: Any) -> None:
    quarters = pd.period_range("1998Q1", periods=20, freq="Q")
    assert read(write(quarters)).table.ds.tolist() == quarters.to_timestamp().tolist()


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
def test_text_that_is_no_date_is_named(ds: Any, message: str) -> None:
    refuse(ds, message)


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
