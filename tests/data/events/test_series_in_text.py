"""Series written in a text become columns over the past and the steps to forecast."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tslm import BaselineForecaster, DataError
from tslm.data.events.reading import read
from tslm.data.events.series_in_text import read_series
from tslm.data.events.timeline import Timeline


def timeline(start: str, freq: str, past: int, future: int) -> Timeline:
    times = pd.date_range(start, periods=past + future, freq=freq)
    return Timeline(times[:past], times[past:])


HOURS = timeline("2024-03-01", "h", 24, 12)
DAYS = timeline("2024-01-01", "D", 20, 10)
MONTHS = timeline("2023-01-01", "MS", 12, 6)
SECONDS = timeline("2024-03-01 08:00:00", "s", 60, 30)


def column(text: str, steps: Timeline, name: str) -> pd.Series:
    values = read_series(text, steps).values
    assert name in values, list(values)
    return values[name]


def test_a_schedule_fills_its_spans() -> None:
    text = (
        "The load is set to 0.1 until 08:00:20, 0.4 from 08:00:20 until 08:01:05, and 0.2 from "
        "08:01:05 until 08:01:30."
    )
    found = column(text, SECONDS, "load")
    assert found["2024-03-01 08:00:19"] == 0.1
    assert found["2024-03-01 08:00:20"] == 0.4
    assert found["2024-03-01 08:01:10"] == 0.2
    assert found.notna().all()


def test_days_of_a_schedule_include_the_last_one() -> None:
    text = (
        "Variable Z takes a value of 3.5 from 2024-01-01 to 2024-01-12, 4.5 from 2024-01-13 to "
        "2024-01-30."
    )
    found = column(text, DAYS, "Z")
    assert found["2024-01-12"] == 3.5
    assert found["2024-01-13"] == 4.5
    assert found["2024-01-30"] == 4.5


def test_a_changed_value_holds_until_it_changes_again() -> None:
    text = (
        "The interest rate starts at 3.5. On 5 January 2024 it is raised to 3.75. On January 23 "
        "it will be lowered to 3.25."
    )
    found = column(text, DAYS, "interest rate")
    assert found["2024-01-04"] == 3.5
    assert found["2024-01-05"] == found["2024-01-22"] == 3.75
    assert found["2024-01-23"] == found["2024-01-30"] == 3.25


def test_clock_times_without_a_date_hold_every_day() -> None:
    text = "Expect a load of 120 MW from 00:00 to 07:00, and 240 MW between 08:00 and 23:00."
    found = column(text, HOURS, "load")
    assert found["2024-03-01 05:00"] == found["2024-03-02 05:00"] == 120
    assert found["2024-03-01 09:00"] == found["2024-03-02 09:00"] == 240


def test_words_for_states_become_an_indicator() -> None:
    text = (
        "At the beginning of the week, the valve was open. At 2024-03-01 09:00 the valve became "
        "blocked. At 2024-03-02 03:00 we expect that the valve will become open."
    )
    values = read_series(text.replace("open", "free"), HOURS).values
    assert list(values) == ["valve: free"]
    assert values.loc["2024-03-01 08:00", "valve: free"] == 1
    assert values.loc["2024-03-01 09:00", "valve: free"] == 0
    assert values.loc["2024-03-02 03:00", "valve: free"] == 1


def test_a_state_holds_afterwards() -> None:
    text = "It is cloudy from 2024-03-01 08:00 to 2024-03-01 16:00, clear afterwards."
    found = read_series(text, HOURS).values.iloc[:, 0]
    assert found["2024-03-01 10:00"] == 1
    assert found["2024-03-02 10:00"] == 0


@pytest.mark.parametrize(
    "text",
    [
        "Rainfall at the station\n(2024-01-01, 3)\n(2024-01-02, 0)\n(2024-01-29, 12)",
        "Rainfall at the station:\n- Jan 1, 2024: 3 mm\n- Jan 2, 2024: 0 mm\n- Jan 29, 2024: 12 mm",
        "date | Rainfall at the station\n2024-01-01 | 3\n2024-01-02 | 0\n2024-01-29 | 12",
        "Rainfall at the station was 2024-01-01: 3, 2024-01-02: 0, 2024-01-29: 12.",
    ],
)
def test_lists_have_the_name_before_them(text: str) -> None:
    found = column(text, DAYS, "Rainfall at the station")
    assert found[["2024-01-01", "2024-01-02", "2024-01-29"]].tolist() == [3, 0, 12]


def test_a_table_has_a_column_for_each_heading() -> None:
    text = "date,visitors,price\n2024-01-01,100,3.5\n2024-01-11,120,3.6\n2024-01-21,90,3.4"
    values = read_series(text, DAYS).values
    assert values.loc["2024-01-11"].to_dict() == {"visitors": 120, "price": 3.6}


def test_two_lists_are_two_columns() -> None:
    months = [f"2023-{month:02}" for month in range(1, 13)]
    lists = {name: [(m, base + i) for i, m in enumerate(months)] for name, base in _BASES.items()}
    text = "\n\n".join(
        f"{name}\n----\n" + "\n".join(map(str, rows)) for name, rows in lists.items()
    )
    text = text.replace("'", "")
    values = read_series(text, MONTHS).values
    assert list(values) == ["North", "South"]
    assert values.loc["2023-05-01"].tolist() == [14, 54]


_BASES = {"North": 10, "South": 50}


def test_evenly_spaced_points_are_connected() -> None:
    rows = [f"2024-03-01 {hour:02}:00: {hour}" for hour in range(0, 24, 4)]
    found = column("Forecast of wind\n" + "\n".join(rows), HOURS, "Forecast of wind")
    assert found["2024-03-01 06:00"] == pytest.approx(6)


def test_a_reference_point_gives_an_estimate_of_the_target() -> None:
    text = (
        "The throttle is set to 0.2 until 08:00:30, 0.5 from 08:00:30 until 08:01:30. At full "
        "throttle (=1), the motor draws a current of 40 A."
    )
    found = read_series(text, SECONDS)
    assert found.follows == ("current by throttle",)
    assert found.values["current by throttle"].iloc[[0, -1]].tolist() == [8, 20]


def test_a_law_in_words_gives_the_power_of_the_estimate() -> None:
    text = (
        "The flow starts at 10. At 08:01:00, it changes to 20. The drag is proportional to the "
        "square of the flow. The maximal flow is 100 and the maximal drag is 50 N."
    )
    found = read_series(text, SECONDS)
    assert found.values["drag by flow"].iloc[[0, -1]].tolist() == pytest.approx([0.5, 2])


def test_a_text_about_sunlight_gives_the_height_of_the_sun() -> None:
    text = "Solar power of a farm. The maximum was on average at 13:00."
    found = column(text, HOURS, "sun")
    assert found.idxmax() == pd.Timestamp("2024-03-01 13:00")
    assert "sun" not in read_series("Shoes sold in a shop.", HOURS).values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Nothing is planned.",
        "The store is closed from 2024-01-22 to 2024-01-24.",
        "Suppose a heat wave from 2024-01-23 to 2024-01-25 leads to 4 times the usual use.",
        "On average 12 people come in.",
        "The values are bounded above by 6.29.",
    ],
)
def test_a_text_without_a_series_gives_no_column(text: str) -> None:
    found = read_series(text, DAYS)
    assert found.values.shape == (30, 0)
    assert found.rest == text


def test_statements_stay_in_the_rest() -> None:
    text = (
        "The load is 3 until 2024-01-10, 5 from 2024-01-10 until 2024-01-30. A holiday is coming "
        "on 2024-01-25."
    )
    assert read_series(text, DAYS).rest == "A holiday is coming on 2024-01-25."


PIECES = st.lists(
    st.sampled_from(
        ["12", "3.5", "-1", "%", "from", "until", "to", "2024-01-05", "08:00", "at", "(", ")", ",",
         "\n", ":", "The load is", "becomes", "May", "31.02.2024", "\u27e67\u27e7", "24:00", "|",
         "between", "and", "afterwards", "maximal", "99999-01-01", "1e400", "solar"]
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(pieces=PIECES, other=st.text(max_size=40))
def test_any_text_can_be_read(pieces: list[str], other: str) -> None:
    for steps in (HOURS, DAYS, timeline("2024-01-01", "D", 1, 0)):
        found = read_series(" ".join(pieces) + other, steps)
        assert found.values.index.equals(steps.times)
        assert not np.isinf(found.values.to_numpy()).any()
        assert set(found.follows) <= set(found.values)


def history() -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=20)
    return pd.DataFrame({"unique_id": "a", "ds": times, "y": np.arange(20.0)})


TEXT = "The price is 3 until 2024-01-10, 5 from 2024-01-11 until 2024-02-10."


def test_a_reading_gives_what_a_forecaster_takes() -> None:
    reading = read(TEXT, history(), 5)
    assert reading.futr_exog == ["price"]
    joined = reading.join(history())
    assert joined["price"].tolist() == [3.0] * 10 + [5.0] * 10
    assert len(joined) == 20
    fitted = BaselineForecaster(
        "covariate_regression", h=5, futr_exog=reading.futr_exog, verbose=0, random_state=0
    ).fit(joined)
    assert len(fitted.predict(futr_df=reading.futr_df)) == 5


def test_times_of_the_covariates_are_of_the_kind_of_the_frame() -> None:
    df = history()
    zoned = df.assign(ds=df["ds"].dt.tz_localize("Europe/Berlin"))
    assert read(TEXT, zoned, 5).join(zoned)["price"].notna().all()
    assert read("Nothing.", df.assign(ds=range(20)), 5).join(df.assign(ds=range(20))).shape == (
        20,
        3,
    )


def test_a_covariate_with_gaps_is_shown_but_not_used() -> None:
    reading = read("The price is 3 from 2024-01-02 to 2024-01-10, 5 on 2024-01-11.", history(), 5)
    assert "price" in reading.covariates
    assert reading.futr_exog == []
    assert list(reading.join(history())) == ["unique_id", "ds", "y"]


def test_a_column_of_the_frame_is_not_replaced() -> None:
    reading = read(TEXT, history(), 5)
    with pytest.raises(DataError, match="has a column 'price', as the text has"):
        reading.join(history().assign(price=1.0))
