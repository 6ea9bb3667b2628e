"""A prompt that names columns: read, checked and filled in."""

import numpy as np
import pandas as pd
import pytest

from tslm.core.errors import ConfigError, DataError
from tslm.data.frame import Columns, Frame, check_series_texts, read_frame
from tslm.data.series_text import PromptTemplate

COLUMNS = Columns("shop", "day", "sales")


def frame(**columns: list[object]) -> Frame:
    rows = {"shop": ["b", "b", "a", "a"], "day": [1, 2, 1, 2], "sales": [1.0, 2.0, 3.0, 4.0]}
    return read_frame(pd.DataFrame(rows | columns), COLUMNS, words=list(columns))


def test_names_are_filled_in_for_each_series_in_the_order_of_the_frame() -> None:
    known = frame(city=["Bonn", None, "Köln", "Köln"], size=[2.5, 2.5, 10.0, 10.0])
    sentence = PromptTemplate.parse(
        "{shop} in {city}, {size} m2, {city}: sales of {unique_id}, {{daily}}"
    )
    assert sentence.columns(COLUMNS) == ["city", "size"]
    assert sentence.fill(known, COLUMNS) == [
        "a in Köln, 10 m2, Köln: sales of a, {daily}",
        "b in Bonn, 2.5 m2, Bonn: sales of b, {daily}",
    ]


def test_the_id_alone_needs_no_column() -> None:
    sentence = PromptTemplate.parse("Sales of {unique_id}")
    assert sentence.columns(COLUMNS) == []
    assert sentence.fill(frame(), COLUMNS) == ["Sales of a", "Sales of b"]


@pytest.mark.parametrize("prompt", [None, "", "Daily sales."])
def test_a_prompt_without_braces_is_the_same_for_all_series(prompt: str | None) -> None:
    assert PromptTemplate.parse(prompt).fill(frame(), COLUMNS) is None


def test_values_are_written_as_people_write_them() -> None:
    when = [pd.Timestamp("2020-05-01"), pd.Timestamp("2021-06-01 07:30")]
    known = frame(since=[when[0], when[0], when[1], when[1]], own=[True, True, False, False])
    assert PromptTemplate.parse("{since} {own}").fill(known, COLUMNS) == [
        "2021-06-01 07:30:00 False",
        "2020-05-01 True",
    ]


@pytest.mark.parametrize(
    "prompt",
    [
        "{city.__class__}",
        "{city[0]}",
        "{0}",
        "{}",
        "{city!r}",
        "{city:>999999999}",
        "{city:{size}}",
        "{city",
        "city}{",
    ],
)
def test_braces_hold_names_and_no_code(prompt: str) -> None:
    with pytest.raises(ConfigError, match=r"Write names of columns, as in"):
        PromptTemplate.parse(prompt)


@pytest.mark.parametrize("name", ["town", "day", "sales", "y"])
def test_a_name_without_a_column_is_refused_with_the_existing_columns(name: str) -> None:
    here = ["shop", "day", "sales", "city", "size"]
    with pytest.raises(ConfigError, match=rf"names {{{name}}}.* There is 'shop', 'city', 'size'"):
        PromptTemplate.parse(f"{{city}} {{{name}}}").check(here, COLUMNS)


def test_a_series_without_a_value_is_named() -> None:
    known = frame(city=[None, None, "Köln", "Köln"])
    with pytest.raises(DataError, match=r"names {city}, which is missing in series 'b'"):
        PromptTemplate.parse("{city}").fill(known, COLUMNS)


def test_a_series_with_two_values_is_named() -> None:
    known = frame(city=["Bonn", "Bonn", "Köln", "Bonn"])
    with pytest.raises(DataError, match=r"'city' changes within series 'a'"):
        PromptTemplate.parse("{city}").fill(known, COLUMNS)


@pytest.mark.parametrize("value", [[1.0], {1}, {"a": 1}, np.zeros(2), 1 + 1j])
def test_a_value_that_is_no_text_is_refused(value: object) -> None:
    with pytest.raises(DataError, match=r"'city' holds .* in series 'b', which is no number, text"):
        PromptTemplate.parse("{city}").fill(frame(city=[value, value, "Ulm", "Ulm"]), COLUMNS)
    with pytest.raises(DataError, match=r"'city' holds .* in series 'a', 'b'"):
        PromptTemplate.parse("{city}").fill(frame(city=[value] * 4), COLUMNS)


@pytest.mark.parametrize("stored", ["ab", ["a"], ["a", 1], {"a": "b"}])
def test_a_file_must_hold_a_sentence_a_series(stored: object) -> None:
    assert check_series_texts(None, 2) is None
    assert check_series_texts(["x", "y"], 2) == ["x", "y"]
    with pytest.raises(DataError, match="one text for each of 2 series"):
        check_series_texts(stored, 2)
