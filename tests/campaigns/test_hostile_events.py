"""Broken tables of events: each gives a valid forecast, or an error that says what is wrong."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tslm import BaselineForecaster
from tslm.core.errors import TslmError

H = 3
TIMES: dict[str, Any] = {
    "integers": np.arange(60),
    "hours": pd.date_range("2024-01-01", periods=60, freq="h"),
    "zone": pd.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin"),
    "days": pd.date_range("2024-01-01", periods=60, freq="D"),
    "month ends": pd.date_range("2019-01-31", periods=60, freq="ME"),
    "months": pd.date_range("2019-01-01", periods=60, freq="MS"),
    "business days": pd.bdate_range("2024-01-01", periods=60),
}
MOMENTS = st.sampled_from(
    [None, "", pd.NaT, "2024-01-03", "2024-01-05 12:00", "01/02/2024", 5, 61, -3, 1.5, "soon",
     pd.Timestamp("2024-01-04"), pd.Timestamp("2024-01-04", tz="UTC"), "2024-01-05T10:00Z",
     10**30, True, b"x", ["a"], {}, "9999-12-31", "1500-01-01", np.inf]
)  # fmt: skip
CELLS = {
    "unique_id": st.sampled_from([None, "a", "b", "c", 1, ""]),
    "start": MOMENTS,
    "end": MOMENTS,
    "said_at": MOMENTS,
    "text": st.sampled_from(
        ["Closed.", "Three times the usual.", "No change.", " ", "doppelt 🎉", None, 7, "x" * 3000,
         "20 % less", "\x00"]
    ),
    "lower": st.sampled_from([None, 0, 1.5, -2, "x", np.inf, -np.inf, True]),
    "upper": st.sampled_from([None, 0, 1.5, -2, "x", np.inf, -np.inf, True]),
    "other": MOMENTS,
}  # fmt: skip


@st.composite
def tables(draw: Any) -> pd.DataFrame:
    """Draw a table of a few rows, with any of the columns."""
    names = draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, unique=True))
    rows = draw(st.integers(0, 3))
    columns = {name: [draw(CELLS[name]) for _ in range(rows)] for name in {*names, "text"}}
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})


@cache
def fitted(times: str, level: float) -> BaselineForecaster:
    dice = np.random.default_rng(0)
    frame = pd.concat(
        pd.DataFrame({"unique_id": name, "ds": TIMES[times], "y": dice.normal(level, 1, 60)})
        for name in "ab"
    )
    model = BaselineForecaster("seasonal_naive", h=H, text_reader="rules", season_length=7)
    return model.fit(frame)


@given(tables(), st.sampled_from(list(TIMES)), st.sampled_from([0.0, 50.0]))
@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_any_table_of_events_gives_a_finite_forecast_or_an_error(
    events: pd.DataFrame, times: str, level: float
) -> None:
    model = fitted(times, level)
    try:
        found = model.predict(events=events, level=[80], num_samples=2)
    except TslmError:
        return
    values = found.drop(columns=["unique_id", "ds"]).to_numpy(dtype=float)
    assert values.shape == (2 * H, 5)
    assert np.isfinite(values).all()
    assert (found["SeasonalNaive-lo-80"] <= found["SeasonalNaive-hi-80"]).all()
