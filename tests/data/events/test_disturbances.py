"""Histories without the disturbances that a text tells of."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from tslm.data.events import read, without_disturbances


@pytest.fixture
def hours() -> pd.DataFrame:
    """Four days of hours with the value 5."""
    times = pd.date_range("2024-05-01", periods=96, freq="h")
    return pd.DataFrame({"unique_id": "a", "ds": times, "y": 5.0})


def test_rows_of_a_past_closure_are_made_missing(hours: pd.DataFrame) -> None:
    events = read("The sensor was offline every day between 08:00 and 14:00.", hours, 24).events
    left = without_disturbances(hours, events)
    assert set(left["ds"][left["y"].isna()].dt.hour) == set(range(8, 14))


def test_zeros_that_adjoin_a_closure_belong_to_it(hours: pd.DataFrame) -> None:
    hours.loc[8:16, "y"] = 0.0
    events = read("The sensor was offline on 1 May from 8:00 to 14:00.", hours, 24).events
    assert without_disturbances(hours, events)["y"].isna().sum() == 9


def test_a_closure_without_dates_covers_zeros_only(hours: pd.DataFrame) -> None:
    hours.loc[[3, 4, 50], "y"] = 0.0
    events = read("The sensor was offline at various times, with no readings.", hours, 24).events
    left = without_disturbances(hours, events)["y"]
    assert list(np.flatnonzero(left.isna())) == [3, 4, 50]


def test_open_rows_of_a_planned_closure_are_kept(hours: pd.DataFrame) -> None:
    hours.loc[8:12, "y"] = [0.1, -0.1, 0.0, 0.05, 0.1]
    events = read("The sensor was offline on 1 May from 8:00 to 14:00.", hours, 24).events
    left = without_disturbances(hours, events)["y"]
    assert list(np.flatnonzero(left.isna())) == [8, 9, 10, 11, 12]


def test_a_stated_drift_is_subtracted(hours: pd.DataFrame) -> None:
    hours["y"] += np.clip(np.arange(96) - 24, 0, None) * 0.5
    text = "A fault starting from 2024-05-02 added a trend that increased by 0.5 at every hour."
    assert_allclose(without_disturbances(hours, read(text, hours, 24).events)["y"], 5)


def test_a_history_is_never_emptied(hours: pd.DataFrame) -> None:
    events = read("The sensor was offline since 2024-05-01, with no readings.", hours, 24).events
    assert without_disturbances(hours, events)["y"].notna().all()


def test_the_frame_itself_is_not_changed(hours: pd.DataFrame) -> None:
    before = hours.copy()
    without_disturbances(hours, read("Closed on 2 May 2024.", hours, 24).events)
    pd.testing.assert_frame_equal(hours, before)


def test_rows_of_a_stated_fault_are_missing(hours: pd.DataFrame) -> None:
    text = "At 2024-05-02 05:00 a glitch of the sensor led to a spike in the series."
    left = without_disturbances(hours, read(text, hours, 24).events)
    assert list(left["ds"][left["y"].isna()]) == [pd.Timestamp("2024-05-02 05:00")]


def test_other_series_keep_their_rows(hours: pd.DataFrame) -> None:
    both = pd.concat([hours, hours.assign(unique_id="b")])
    events = read({"b": "The shop was closed on 2 May 2024."}, both, 24).events
    missing = without_disturbances(both, events).query("y != y")
    assert set(missing["unique_id"]) == {"b"}
    assert len(missing) == 24
