"""Wide frames and single series become long."""

import numpy as np
import pandas as pd
import pytest

from tslm import BaselineForecaster, DataError, to_long

DAYS = pd.date_range("2024-01-01", periods=30)


def wide() -> pd.DataFrame:
    bread = np.arange(30.0)
    bread[:5] = np.nan
    return pd.DataFrame({"day": DAYS, "bread": bread, "milk": 1, "note": "x"})


def test_each_column_of_numbers_is_a_series() -> None:
    long = to_long(wide())
    assert list(long) == ["unique_id", "ds", "y"]
    assert long.groupby("unique_id").size().to_dict() == {"bread": 25, "milk": 30}
    assert long.ds.iloc[0] == DAYS[5]
    assert len(BaselineForecaster("last", h=2).fit(long).predict()) == 4


@pytest.mark.parametrize("form", ["index", "named", "text", "some", "series", "long"])
def test_times_are_found_where_they_are(form: str) -> None:
    frame = wide()
    made = {
        "index": lambda: to_long(frame.set_index("day")),
        "named": lambda: to_long(frame.assign(seen=DAYS[::-1]), time_col="day"),
        "text": lambda: to_long(frame.assign(day=frame.day.astype(str))),
        "some": lambda: to_long(frame, series=["milk"]),
        "series": lambda: to_long(frame.set_index("day").milk),
        "long": lambda: to_long(frame.rename(columns={"day": "ds", "milk": "y"})[["ds", "y"]]),
    }[form]()
    assert set(made.unique_id) <= {"bread", "milk", "y"}
    assert pd.to_datetime(made.ds).max() == DAYS[-1]


def test_polars_come_back() -> None:
    pl = pytest.importorskip("polars", reason="polars is not installed")
    assert isinstance(to_long(pl.from_pandas(wide())), pl.DataFrame)


def test_ambiguous_wide_frames_are_refused() -> None:
    with pytest.raises(DataError, match=r"dates: 'day', 'seen'\. .*time_col='day'"):
        to_long(wide().assign(seen=DAYS))
    with pytest.raises(DataError, match="no column of numbers"):
        to_long(wide()[["day", "note"]])
    with pytest.raises(DataError, match="no column 'mlk'"):
        to_long(wide(), series=["mlk"])
