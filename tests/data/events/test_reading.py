"""Free text becomes a table of statements."""

import pandas as pd
import pytest

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
