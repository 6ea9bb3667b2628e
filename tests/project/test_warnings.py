"""Warnings point at the line of the user, not into tslm."""

import warnings
from pathlib import Path

import numpy as np
import pandas as pd

import tslm
from tslm import BaselineForecaster


def test_warnings_point_at_the_caller() -> None:
    days = pd.date_range("2024-01-01", periods=60)
    df = pd.DataFrame({"unique_id": "a", "ds": days, "y": np.arange(60.0)}).drop(index=30)
    model = BaselineForecaster("last", h=3, hist_exog=None)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(df)
        model.predict(df)
        model.cross_validation(df)
    assert len(caught) >= 3
    inside = Path(tslm.__file__).parent  # a test run wraps what the user calls
    assert not [warning for warning in caught if inside in Path(warning.filename).parents]


def test_every_warning_is_given_by_one_function() -> None:
    folder = Path(tslm.__file__).parent
    given = [path.name for path in folder.rglob("*.py") if "warnings.warn(" in path.read_text()]
    assert given == ["errors.py"]
