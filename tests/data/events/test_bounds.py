"""Bounds in words: those of the series are found, and those of other quantities are not."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tslm.data.events.bounds import find_bound
from tslm.data.events.marked import mark
from tslm.data.events.timeline import Timeline

TIMES = pd.date_range("2024-03-01", periods=90, freq="D")
TIMELINE = Timeline(TIMES[:60], TIMES[60:])


def bound(sentence: str, subject: str | None = None) -> tuple[float | None, float | None] | None:
    found = find_bound(mark(sentence, TIMELINE).text, subject)
    return None if found is None else tuple(found)


STATED = {
    "The forecast must lie between 2.5 and 8.": (2.5, 8),
    "All values range from -3 to 12.": (-3, 12),
    "Values are bounded below by .6.": (0.6, None),
    "The series is upper bounded by 5.3 and lower bounded by 1.2.": (1.2, 5.3),
    "The minimum will be 2 and the maximum 8.": (2, 8),
    "The series is capped at 1,500 units.": (None, 1500),
    "Output is limited to 40 kW.": (None, 40),
    "There will be at most 3000 rpm.": (None, 3000),
    "At least 12 calls are certain.": (12, None),
    "Readings cannot be negative.": (0, None),
    "It is never above 300.": (None, 300),
    "It will not exceed 1.5 million.": (None, 1.5e6),
    "Stock must stay above 20.": (20, None),
    "The maximum is 7.": (None, 7),
    "A minimum temperature of -5 degrees is guaranteed.": (-5, None),
    "The meter is set to 0.1 for the whole day.": (0.1, 0.1),
    "The display will read 42.": (42, 42),
    "y >= 0, y <= 10": (0, 10),
    "No fewer than 20 guests, no more than 90.": (20, 90),
    "We have a floor of 2 and a ceiling of 8.": (2, 8),
    "It doesn't rise above 12.": (None, 12),
}
NOT_STATED = [
    "Demand will be at least 4 times the usual.",
    "It lasts at least 3 days.",
    "The maximum in 2019 was 25.",
    "Values never exceeded 12 in the past, and were at most 3.",
    "Sales increase by 20 to 30 percent.",
    "At most 20 % of the usual traffic is expected.",
    "The event takes place between 2024-05-02 and 2024-05-04.",
    "Shops close at 8.",
    "The speed goes from 3 to 5.",
    "Il fera beau demain.",
]
OTHERS = [
    ("The load is between 0 and 1.", "speed of the fan"),
    ("The maximal fan speed is 3000 rpm.", "pressure"),
    ("Temperatures stay below 30 degrees, so people buy more.", "ice cream sales"),
    ("The tank holds at most 50 litres.", "number of visitors"),
]


@pytest.mark.parametrize(("sentence", "expected"), STATED.items())
def test_a_stated_bound_is_found(
    sentence: str, expected: tuple[float | None, float | None]
) -> None:
    assert bound(sentence) == expected


@pytest.mark.parametrize("sentence", NOT_STATED)
def test_no_bound_is_invented(sentence: str) -> None:
    assert bound(sentence) is None


@pytest.mark.parametrize(("sentence", "subject"), OTHERS)
def test_a_bound_of_another_quantity_is_left_out(sentence: str, subject: str) -> None:
    assert bound(sentence, subject) is None


def test_each_clause_is_about_its_own_quantity() -> None:
    both = "The maximal speed is 3000 rpm and the maximal pressure is 37.5 Pa."
    assert bound(both, "pressure of the tunnel") == (None, 37.5)
    assert bound(both, "speed") == (None, 3000)


@given(st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))
def test_any_number_can_be_a_bound(value: float) -> None:
    assert bound(f"Values never fall below {value:.3f} here.") == (value, None)


@given(st.text())
def test_no_text_fails(text: str) -> None:
    bound(text, "sales")
