"""Effects in words: numbers, words for none, and words for a direction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
