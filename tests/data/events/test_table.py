"""Event tables: the statements of a user's frame, and the errors of wrong ones."""

import numpy as np
import pandas as pd
import pytest

from tslm.core.calendar import Calendar
from tslm.core.errors import DataError
from tslm.data.columns import Columns
from tslm.data.events.active import ActiveStatements
from tslm.data.events.table import FIRST, LAST, EventTable

HOURS = Calendar("h")
NOW = np.array([pd.Timestamp("2024-05-01 12:00").timestamp()], np.int64)


def read(known=("a", "b"), columns=None, calendar=HOURS, **parts):
    frame = pd.DataFrame({"text": ["A strike."], **parts})
    return EventTable.read(frame, columns or Columns(), calendar, known)


def active(table, ids=("a",), steps=6):
    times = NOW[:, None] + 3600 * np.arange(1, steps + 2)
    times = times.repeat(len(ids), 0)
    return ActiveStatements.of(table, ids, NOW.repeat(len(ids)), times[:, :-1], times[:, 1:])


def test_a_statement_without_columns_concerns_all_steps_of_all_series():
    table = read()
    assert (table.ids, table.start[0], table.end[0]) == ((None,), FIRST, LAST)
    found = active(table, ("a", "b"))
    assert found.series.tolist() == [0, 1]
    assert found.inside.all()
    assert found.position[0].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert found.length.tolist() == [6, 6]


def test_a_span_has_its_first_and_its_last_step():
    found = active(read(start=["2024-05-01 14:00"], end=["2024-05-01 16:00"]))
    assert found.inside[0].tolist() == [False, True, True, True, False, False]
    assert found.position[0, 1:4].tolist() == [0, 0.5, 1]
    assert found.length.tolist() == [3]


def test_a_statement_without_an_end_concerns_one_step():
    found = active(read(start=["2024-05-01 14:20"]))
    assert found.inside[0].tolist() == [False, True, False, False, False, False]


def test_a_span_that_has_begun_goes_on():
    found = active(read(start=["2024-05-01 10:00"], end=["2024-05-01 14:00"]))
    assert found.inside[0].tolist() == [True, True, False, False, False, False]
    assert found.position[0, :2].tolist() == [0.75, 1]


@pytest.mark.parametrize(
    ("said_at", "number"), [("2024-05-01 12:00", 1), ("2024-05-01 12:01", 0), (None, 1), ("", 1)]
)
def test_a_statement_is_known_from_the_time_at_which_it_was_said(said_at, number):
    assert len(active(read(said_at=[said_at]))) == number


def test_a_statement_about_one_series_leaves_the_others():
    found = active(read(unique_id=["b"]), ("a", "b"))
    assert found.series.tolist() == [1]


def test_months_that_have_the_date_of_their_last_day_concern_all_their_days():
    ends = Calendar("ME")
    table = read(calendar=ends, start=["2024-06-10"], end=["2024-07-01"])
    days = pd.to_datetime(["2024-05-31", "2024-06-30", "2024-07-31", "2024-08-31"])
    times = ends.to_int(days)[None]
    found = ActiveStatements.of(
        table, ["a"], times[:, 0], times[:, :-1] + 86400, times[:, 1:] + 86400
    )
    assert found.inside[0].tolist() == [True, True, False]


def test_bounds_need_no_text():
    frame = pd.DataFrame({"start": ["2024-05-01 14:00"], "lower": [0], "upper": [None]})
    table = EventTable.read(frame, Columns(), HOURS, ["a"])
    assert (table.text, table.lower.tolist(), table.upper.tolist()) == (("",), [0], [np.inf])
    assert table.bounded.tolist() == [True]


def test_series_with_integer_times_have_statements_with_integer_times():
    numbers = Calendar("1", dated=False)
    table = read(calendar=numbers, start=[5], end=[7])
    assert (table.start.tolist(), table.end.tolist()) == ([5], [7])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"text": [None]}, "text is missing in row 0"),
        ({"text": [""]}, "text is missing in row 0"),
        ({"text": [7]}, "is 7, which is no text"),
        ({"unique_id": ["c"]}, "series 'c', which do not exist"),
        ({"start": ["2024-05-02"], "end": ["2024-05-01"]}, "end is before the start in row 0"),
        ({"start": ["no date"]}, "start"),
        ({"start": [5]}, "start"),
        ({"start": ["2024-05-02T00:00+02:00"]}, "another kind of time"),
        ({"lower": ["much"]}, "'lower' of events holds 'much'"),
        ({"lower": [2], "upper": [1]}, "lower is 2 and upper 1"),
        ({"lower": [np.inf]}, "No value is within the bounds in row 0"),
        ({"upper": [-np.inf]}, "No value is within the bounds in row 0"),
        ({"strat": ["2024-05-02"]}, "column 'strat' and no column 'start'"),
    ],
)
def test_a_wrong_table_is_refused_with_the_row_and_the_column(parts, message):
    with pytest.raises(DataError, match=message):
        read(**parts)


@pytest.mark.parametrize("events", ["A strike.", ["A strike."], 7])
def test_events_that_are_no_frame_are_refused_with_an_example(events):
    with pytest.raises(DataError, match="not a pandas DataFrame"):
        EventTable.read(events, Columns(), HOURS, ["a"])


def test_a_table_without_texts_and_bounds_is_refused():
    with pytest.raises(DataError, match="no column 'text'"):
        EventTable.read(pd.DataFrame({"start": ["2024-05-02"]}), Columns(), HOURS, ["a"])


def test_several_id_columns_are_joined_as_those_of_the_series():
    columns = Columns(id="store/item", parts=("store", "item"))
    table = read(known=['["a", "b"]'], columns=columns, store=["a"], item=["b"])
    assert table.ids == ('["a", "b"]',)
    with pytest.raises(DataError, match="item"):
        read(known=["a/b"], columns=columns, store=["a"])


def test_an_empty_table_has_no_statements():
    assert len(EventTable.read(pd.DataFrame({"text": []}), Columns(), HOURS, ["a"])) == 0
