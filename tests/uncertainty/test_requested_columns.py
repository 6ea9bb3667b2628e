"""Requested levels and quantiles, and the names of their columns."""

from typing import Any

import numpy as np
import pytest

from tslm.core.errors import ConfigError
from tslm.uncertainty.requested_columns import ForecastColumns, RequestedColumns, forecasts


def test_levels_are_two_quantiles_each() -> None:
    asked = RequestedColumns.of(level=[80, 95.5])
    assert list(asked.quantile_levels) == ["lo-80", "hi-80", "lo-95.5", "hi-95.5"]
    assert list(asked.quantile_levels.values()) == pytest.approx([0.1, 0.9, 0.0225, 0.9775])


def test_quantiles_are_called_by_their_percentage_in_the_order_asked() -> None:
    asked = RequestedColumns.of(quantiles=[0.9, 0.025, 0.07], num_samples=2)
    assert asked.endings == ["q-90", "q-2.5", "q-7", "sample-0", "sample-1"]


def test_one_number_and_arrays_are_lists_too() -> None:
    assert RequestedColumns.of(level=80) == RequestedColumns.of(level=[80])
    assert RequestedColumns.of(quantiles=np.array([0.1])) == RequestedColumns.of(quantiles=[0.1])


def test_nothing_asked_is_nothing() -> None:
    assert not RequestedColumns.of()
    assert RequestedColumns.of().endings == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"level": [80], "quantiles": [0.1]}, r"level=\[80\] and quantiles=\[0.1\] cannot be used"),
        ({"level": [0]}, r"level=\[0\] must be numbers between 0 and 100"),
        ({"level": [100.0]}, "between 0 and 100"),
        ({"level": ["80"]}, "between 0 and 100"),
        ({"level": "80"}, "between 0 and 100"),
        ({"level": [True]}, "between 0 and 100"),
        ({"level": [float("nan")]}, "between 0 and 100"),
        ({"level": []}, "name one or more values"),
        ({"level": [80, 80.0]}, "each once"),
        ({"quantiles": [1]}, r"between 0 and 1, both excluded, such as quantiles=\[0.1,0.9\]"),
        ({"quantiles": [80]}, "between 0 and 1"),
        ({"num_samples": 0}, "num_samples=0 must be a whole number of at least 1"),
        ({"num_samples": 10**9}, "num_samples=1000000000 must be at most 100,000"),
        ({"num_samples": 2.5}, "num_samples=2.5"),
        ({"num_samples": True}, "num_samples=True"),
    ],
    ids=str,
)
def test_the_impossible_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RequestedColumns.of(**given)


def test_columns_are_found_by_their_names() -> None:
    columns = ["y", "A", "A-lo-80", "A-hi-80", "A-sample-0", "A-b", "A-b-q-10", "A-b-q-2.5"]
    assert forecasts(columns) == ["y", "A", "A-b"]
    first, second = ForecastColumns.of("A", columns), ForecastColumns.of("A-b", columns)
    assert first.levels == {80: ("A-lo-80", "A-hi-80")}
    assert first.quantiles == pytest.approx({0.1: "A-lo-80", 0.9: "A-hi-80"})
    assert first.samples == ["A-sample-0"]
    assert second.quantiles == {0.025: "A-b-q-2.5", 0.1: "A-b-q-10"}


def test_a_forecast_may_be_called_like_an_interval_of_nothing() -> None:
    assert forecasts(["model-q-10", "y"]) == ["model-q-10", "y"]


@pytest.mark.parametrize(
    "asked", [{"quantiles": [0.9999999, 0.99999999]}, {"level": [80, 80.0000001]}]
)
def test_numbers_whose_columns_would_have_one_name_are_refused(asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="agree in their first six digits"):
        RequestedColumns.of(**asked)
