"""Categories as text, read once each."""

import numpy as np
import pandas as pd
import pytest

from tslm.core.errors import DataError
from tslm.data.column_values import as_texts


class Weather:
    """Category that counts how often it is converted to text."""

    def __init__(self, text: str) -> None:
        self.text, self.conversions = text, 0

    def __str__(self) -> str:
        self.conversions += 1
        return self.text


def test_each_category_is_converted_to_text_once() -> None:
    sun, rain = Weather("sun"), Weather("rain")
    found = as_texts("sky", pd.Series([sun, rain, None] * 100, dtype="category"))
    assert found[:3].tolist() == ["sun", "rain", None]
    assert (sun.conversions, rain.conversions) == (1, 1)


@pytest.mark.parametrize("dtype", ["str", "object", "category"])
def test_equal_texts_of_a_column_are_one_object(dtype: str) -> None:
    texts = ["".join(["su", "n"]) for _ in range(100)]
    found = as_texts("sky", pd.Series([*texts, None], dtype=dtype))
    assert found[-1] is None
    assert len({id(text) for text in found[:-1]}) == 1


def test_equal_values_of_two_types_are_two_categories() -> None:
    values = pd.Series([True, 1, None, "1", np.float64(1.0)], dtype=object)
    assert as_texts("sky", values).tolist() == ["True", "1", None, "1", "1.0"]


def test_values_without_a_hash_are_refused_by_the_name_of_their_column() -> None:
    values = pd.Series([["sun"], {"rain": 1}, None], dtype=object)
    with pytest.raises(DataError, match="covariate 'sky' holds values that are neither"):
        as_texts("sky", values)
