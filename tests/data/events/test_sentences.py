"""Texts are cut into sentences, never inside a number, date or name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tslm.data.events.sentences import sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It is 3.5 at 08.30 a.m. today. Next.", ["It is 3.5 at 08.30 a.m. today.", "Next."]),
        ("This is city A.Suppose it rains.", ["This is city A.", "Suppose it rains."]),
        ("On Dec. 24 we close. Max. 3 come.", ["On Dec. 24 we close.", "Max. 3 come."]),
        ("First line\nSecond line", ["First line", "Second line"]),
        ("A line that\ngoes on.", ["A line that goes on."]),
        ("He said \"no.\" They left.", ['He said "no."', "They left."]),
        ("\u5897\u3048\u3002\u660e\u3002", ["\u5897\u3048\u3002", "\u660e\u3002"]),
        (" ... \n\n ", []),
    ],
)  # fmt: skip
def test_sentences_end_where_they_end(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text())
def test_no_word_is_lost(text: str) -> None:
    joined = "".join("".join(sentences(text)).split())
    assert [c for c in joined if c.isalnum()] == [c for c in "".join(text.split()) if c.isalnum()]
