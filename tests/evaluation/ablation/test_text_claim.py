"""Ablation of statements: swapped texts, other readers and no texts on the same windows."""

import numpy as np
import pandas as pd
import pytest

from tslm import TSLMForecaster
from tslm.core.calendar import Calendar
from tslm.core.errors import ConfigError, DataError
from tslm.data.columns import Columns
from tslm.data.events.table import EventTable
from tslm.evaluation.ablation.arms import Budget
from tslm.evaluation.statements.text_swaps import SWAPS, swapped

DAYS = pd.date_range("2024-01-01", periods=140, freq="D")


def sales():
    noise = np.random.default_rng(0).normal(0, 2, len(DAYS))
    y = 100 + 20 * np.sin(2 * np.pi * np.arange(len(DAYS)) / 7) + noise
    for first in range(20, 138, 14):
        y[first : first + 3] *= 0.5
    return pd.DataFrame({"unique_id": "a", "ds": DAYS, "y": y})


def events():
    start = DAYS[20:138:14]
    end = start + pd.Timedelta(days=2)
    return pd.DataFrame({"start": start, "end": end, "text": "Sales are halved."})


def model():
    return TSLMForecaster(
        h=7, backbone="tiny", base=None, max_steps=30, text_reader="rules", verbose=0
    )


def test_statements_that_say_what_happens_beat_other_texts_and_none():
    forecaster = model()
    budget = Budget("quick", (0, 1), (1.0,), ())
    frame = forecaster.ablate(sales(), n_windows=8, events=events(), budget=budget)
    errors = frame.set_index("arm").mse
    assert set(errors.index) == {"llm", "without", *SWAPS}
    assert errors["llm"] < 0.5 * errors["without"]
    assert errors["paraphrase"] == pytest.approx(errors["llm"], rel=0.01)
    assert (errors[["empty", "constant", "other"]] > errors["llm"]).all()
    text = forecaster.ablation_.to_markdown()
    assert "Does it help what statements say" in text


def test_statements_about_none_of_the_scored_rows_are_refused():
    early = events().iloc[:3]
    with pytest.raises(DataError, match="set a larger n_windows"):
        model().ablate(sales(), n_windows=2, events=early)


def test_a_swap_leaves_spans_and_bounds_and_changes_texts():
    frame = pd.DataFrame({"text": ["one", "two", "three", ""], "upper": [None, None, None, 5]})
    table = EventTable.read(frame, Columns(), Calendar("D"), ["a"])
    for how in SWAPS:
        other = swapped(table, how)
        assert other.upper.tolist() == table.upper.tolist()
        assert other.text[3] == ""
        assert all(new != old for new, old in zip(other.text[:3], table.text[:3], strict=True))
    with pytest.raises(ConfigError, match="shuffled"):
        swapped(table, "shufled")
