"""Categories as text, read once each."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tslm.core.errors import DataError
from tslm.data import column_values
from tslm.data.column_values import as_texts


def test_each_category_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Any] = []
    monkeypatch.setattr(column_values, "_text", lambda value: read.append(value) or str(value))
    for dtype in ("str", "object", "category"):
        found = as_texts("sky", pd.Series(["sun", "rain", None] * 100, dtype=dtype))
        assert found[:3].tolist() == ["sun", "rain", None]
    assert len(read) == 3 * 2


def test_equal_values_of_two_types_are_two_categories() -> None:
    values = pd.Series([True, 1, None, "1", np.float64(1.0)], dtype=object)
    assert as_texts("sky", values).tolist() == ["True", "1", None, "1", "1.0"]


def test_values_without_a_hash_are_refused_by_the_name_of_their_column() -> None:
    values = pd.Series([["sun"], {"rain": 1}, None], dtype=object)
    with pytest.raises(DataError, match="covariate 'sky' holds values that are neither"):
        as_texts("sky", values)
