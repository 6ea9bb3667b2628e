"""Effects by rules, and histories without the disturbances that a text tells of."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from tslm.data.events import read
from tslm.data.events.apply import apply_bounds, apply_rules
from tslm.data.events.disturbances import without_disturbances
from tslm.data.events.rules import effect_of

FACTORS = {
    "Sales will be three times the usual.": 3,
    "Demand doubles.": 2,
    "We expect a tenfold increase.": 10,
    "Traffic drops by 30 %.": 0.7,
    "A 20% increase in orders is expected.": 1.2,
    "Output falls to 40 percent of the normal level.": 0.4,
    "Visits will be halved.": 0.5,
    "Usually 10 times the normal, but this time only 4 times.": 4,
    "Sales grow by a factor of 2.5.": 2.5,
}


@pytest.mark.parametrize(("sentence", "factor"), FACTORS.items())
def test_a_number_in_words_is_a_factor(sentence: str, factor: float) -> None:
    rule = effect_of(sentence)
    assert rule is not None
    assert rule.factor == pytest.approx(factor)


@pytest.mark.parametrize(
    "sentence", ["The meter is offline.", "There will be no sales.", "The shop is closed."]
)
def test_a_word_for_none_replaces_the_value(sentence: str) -> None:
    rule = effect_of(sentence)
    assert rule is not None
    assert rule.replaced == 1


def test_a_word_without_a_number_gives_a_direction_only() -> None:
    more, less = effect_of("Sales will rise sharply."), effect_of("Sales will dip slightly.")
    assert more is not None
    assert less is not None
    assert more.factor > 1.3 > 1 > less.factor > 0.75
    assert not more.certain


def test_a_sentence_without_an_effect_has_none() -> None:
    assert effect_of("A new mayor takes office on Friday.") is None


@given(st.text())
def test_no_text_fails(text: str) -> None:
    effect_of(text)


@pytest.fixture
def hours() -> pd.DataFrame:
    """Four days of hours with the value 5."""
    times = pd.date_range("2024-05-01", periods=96, freq="h")
    return pd.DataFrame({"unique_id": "a", "ds": times, "y": 5.0})


def test_draws_follow_the_statement_in_its_span_only(hours: pd.DataFrame) -> None:
    events = read("A match on 2024-05-05 from 12:00 to 14:00 triples demand.", hours, 24).events
    times = pd.date_range("2024-05-05", periods=24, freq="h")
    changed = apply_rules(np.full((9, 24), 5.0), times, events)
    assert_allclose(changed[:, 12:14], 15)
    assert_allclose(np.delete(changed, [12, 13], axis=1), 5)


def test_draws_stay_within_stated_bounds(hours: pd.DataFrame) -> None:
    events = read("Values will be between 2 and 4.", hours, 24).events
    times = pd.date_range("2024-05-05", periods=24, freq="h")
    drawn = np.random.default_rng(0).normal(3, 4, (50, 24))
    assert apply_bounds(drawn, times, events).min() == 2
    assert apply_bounds(drawn, times, events).max() == 4


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
