"""Free text becomes a table of statements."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tslm.core.errors import DataError
from tslm.data.events.reading import EVENT_COLUMNS, read


@pytest.fixture
def days() -> pd.DataFrame:
    """Sixty days of one series, from 1 March 2024."""
    return pd.DataFrame(
        {"unique_id": "a", "ds": pd.date_range("2024-03-01", periods=60), "y": range(60)}
    )


def test_events_have_the_columns_of_an_event_table(days: pd.DataFrame) -> None:
    reading = read("A strike will halve sales on 2024-05-02.", days, 7)
    assert tuple(reading.events) == EVENT_COLUMNS
    assert list(reading.events["text"]) == ["A strike will halve sales on 2024-05-02."]


def test_a_text_of_an_unknown_series_is_refused(days: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="series 'b', which the frame does not have"):
        read({"b": "A strike."}, days, 7)


def test_a_text_that_is_a_number_is_refused(days: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="The text of the series 'a' is of type int"):
        read({"a": 3}, days, 7)


def test_each_span_of_a_statement_is_a_row(days: pd.DataFrame) -> None:
    table = read("On Mondays in May the shop will be closed.", days, 31).events
    assert list(table["start"].dt.day) == [6, 13, 20, 27]
    assert (table["end"] == table["start"]).all()


def test_descriptions_and_the_task_are_background(days: pd.DataFrame) -> None:
    text = "This is the number of visitors. The task is to forecast it. A fair doubles it on May 3."
    reading = read(text, days, 7)
    assert list(reading.events["text"]) == ["A fair doubles it on May 3."]
    assert len(reading.background) == 2


def test_a_sentence_about_the_effect_belongs_to_the_event_before(days: pd.DataFrame) -> None:
    text = (
        "A fair takes place on May 3. People come from afar. Sales reach 3 times the usual level."
    )
    (row,) = read(text, days, 7).events.to_dict("records")
    assert row["text"].endswith("3 times the usual level.")
    assert row["start"] == pd.Timestamp("2024-05-03")


@pytest.mark.parametrize(
    "text",
    [
        "A festival is held elsewhere on May 3. This does not affect our sales.",
        "A power cut halves output on May 3. It affects other cities, but not this one.",
        "The dip of March 5 is not expected to happen again.",
    ],
)
def test_what_has_no_effect_is_no_event(days: pd.DataFrame, text: str) -> None:
    assert read(text, days, 7).events.empty


def test_an_event_of_the_past_stays_one_if_it_will_not_come_again(days: pd.DataFrame) -> None:
    text = "On March 5 a glitch led to a spike. This is not expected to happen again."
    assert list(read(text, days, 7).events["start"]) == [pd.Timestamp("2024-03-05")]


def test_an_effect_on_something_else_does_not_belong_to_the_event(days: pd.DataFrame) -> None:
    text = "This series contains sales. A fair opens on May 3. Storms become 3 times more frequent."
    assert list(read(text, days, 7).events["text"]) == ["A fair opens on May 3."]


def test_a_statement_about_the_past_lies_in_the_history(days: pd.DataFrame) -> None:
    (row,) = read("The shop was closed on 12 March.", days, 7).events.to_dict("records")
    assert row["start"] == row["end"] == pd.Timestamp("2024-03-12")


def test_bounds_stand_in_columns_of_their_own(days: pd.DataFrame) -> None:
    text = (
        "The task is to forecast the pressure. The pressure stays below 9. The load is at most 1."
    )
    (row,) = read(text, days, 7).events.to_dict("records")
    assert (row["upper"], pd.isna(row["lower"]), pd.isna(row["start"])) == (9, True, True)


def test_a_named_target_decides_which_bound_holds(days: pd.DataFrame) -> None:
    text = "The load is at most 1."
    assert list(read(text, days, 7, target="load of the fan").events["upper"]) == [1]
    assert read(text, days, 7, target="pressure").events.empty


def test_a_list_of_largest_values_bounds_single_steps(days: pd.DataFrame) -> None:
    text = "This series contains sales.\nThe maximum sales are:\n(2024-05-01, 8)\n(2024-05-03, 6)\n"
    table = read(text, days, 7).events.dropna(subset="upper")
    assert dict(zip(table["start"].dt.day, table["upper"], strict=True)) == {1: 8, 3: 6}


def test_times_have_the_zone_of_the_series(days: pd.DataFrame) -> None:
    local = days.assign(ds=days["ds"].dt.tz_localize("Europe/Berlin"))
    (row,) = read("Closed on May 3.", local, 7).events.to_dict("records")
    assert row["start"] == pd.Timestamp("2024-05-03", tz="Europe/Berlin")


def test_counted_steps_have_no_spans(days: pd.DataFrame) -> None:
    counted = days.assign(ds=range(60))
    table = read("On May 3 values stay below 5.", counted, 7).events
    assert table["start"].isna().all()
    assert list(table["upper"]) == [5]


def test_texts_of_a_frame_keep_id_and_time_of_becoming_known(days: pd.DataFrame) -> None:
    texts = pd.DataFrame(
        {"unique_id": ["a"], "text": ["Strike on May 3."], "said_at": ["2024-04-20"]}
    )
    (row,) = read(texts, days, 7).events.to_dict("records")
    assert (row["unique_id"], row["said_at"]) == ("a", pd.Timestamp("2024-04-20"))


@given(st.text())
def test_any_text_gives_a_table(text: str) -> None:
    frame = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-03-01", periods=9), "y": 1.0})
    assert tuple(read(text, frame, 3).events) == EVENT_COLUMNS
