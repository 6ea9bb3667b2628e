import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tslm.core.errors import DataError
from tslm.data.frame import Columns, Frame, read_frame
from tslm.data.panel import Panel


def frame(series: dict[object, list[float]]) -> Frame:
    rows = [(name, t, y) for name, values in series.items() for t, y in enumerate(values)]
    df = pd.DataFrame(rows, columns=["unique_id", "ds", "y"])
    return read_frame(df, Columns(), missing="mask", freq=1)


def test_each_series_is_standardised_by_its_own_population() -> None:
    panel = Panel.from_frame(frame({"a": [1, 2, 3, 6], "b": [1e12, 1e12 + 4]}), dtype=torch.float64)
    assert panel.loc.tolist() == [3.0, 1e12 + 2]
    np.testing.assert_allclose(panel.spread, [np.std([1, 2, 3, 6]), 2], rtol=1e-6)
    restored = panel.restore(panel.values[:, None], np.repeat([0, 1], panel.lengths))
    np.testing.assert_allclose(restored[:, 0], [1, 2, 3, 6, 1e12, 1e12 + 4], rtol=1e-15)


def test_statistics_see_the_fitting_span_only_and_skip_missing_values() -> None:
    with pytest.warns(UserWarning, match="left out of training and errors"):
        read = frame({"a": [1, np.nan, 3, 1e9], "b": [np.nan, 5, 7, 9]})
    panel = Panel.from_frame(read, until=np.array([3, 1]))
    assert panel.loc.tolist() == [2, 7]  # nothing of b is seen in its one row: all of it counts
    assert panel.spread[0] == 1
    assert torch.isnan(panel.values).tolist() == [False, True, False, False, True] + [False] * 3


@pytest.mark.parametrize("level", [0.0, 0.1, -7.0, 1e-300, 1e300])
def test_a_constant_series_becomes_finite(level: float) -> None:
    panel = Panel.from_frame(frame({"a": [level] * 7}))
    assert panel.spread[0] == (abs(level) or 1)
    assert panel.values.tolist() == [0.0] * 7


@pytest.mark.parametrize("scale", [1e-300, 1e-8, 1e12, 1e200])
def test_any_magnitude_is_standardised(scale: float) -> None:
    panel = Panel.from_frame(frame({"a": [1 * scale, 2 * scale, 3 * scale]}))
    torch.testing.assert_close(panel.values, torch.tensor([-(1.5**0.5), 0, 1.5**0.5]))


def test_values_beyond_fp32_become_its_largest_number() -> None:
    panel = Panel.from_frame(frame({"a": [1e300, 2e300], "b": [1, 2]}))
    found = panel.restore(np.array([[1e15, -1e15, 0.0]] * 2), np.array([0, 1]))
    largest = np.finfo(float).max
    np.testing.assert_allclose(found, [[largest, -largest, 1.5e300], [5e14, -5e14, 1.5]])


def test_known_series_keep_their_statistics_and_new_ones_take_their_own() -> None:
    panel = Panel.from_frame(frame({1: [1, 3], 2: [5, 9]}), stats={1: (10.0, 4.0)})
    assert panel.stats == {1: (10.0, 4.0), 2: (7.0, 2.0)}


def test_values_far_beyond_their_statistics_are_named() -> None:
    with pytest.raises(DataError, match="Series 'b' have values too far"):
        Panel.from_frame(frame({"a": [1, 2], "b": [1, 1e200]}), stats={"b": (0.0, 1.0)})


@pytest.mark.parametrize("names", [["a", "b"], [1, 2], [0.5, 1.5]])
def test_a_panel_survives_storage_and_keeps_its_tail(names: list[object]) -> None:
    panel = Panel.from_frame(frame(dict(zip(names, [[1, 2, 4, 7], [5]], strict=True)))).tail(2)
    state = panel.state()
    again = Panel.from_state(state | {"ids": json.loads(json.dumps(state["ids"]))})
    pd.testing.assert_index_equal(again.ids, panel.ids)
    assert again.ids.tolist() == names
    assert again.offsets.tolist() == [0, 2, 3]
    assert again.time.tolist() == [2, 3, 0]
    torch.testing.assert_close(again.values, panel.values, rtol=0, atol=0)
    assert again.restore(again.values, np.array([0, 0, 1])).round(5).tolist() == [4, 7, 5]


def test_ten_thousand_series_take_twelve_bytes_a_row() -> None:
    n, length = 10_000, 1_000
    df = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(n), length),
            "ds": np.tile(pd.date_range("2024-01-01", periods=length, freq="h"), n),
            "y": np.random.default_rng(0).normal(size=n * length),
        }
    )
    read = read_frame(df, Columns())
    panel = Panel.from_frame(read)
    assert len(panel) == n
    assert panel.values.numel() == n * length
    assert panel.values.nbytes + panel.time.nbytes == 12 * n * length
    assert read.table.memory_usage().sum() <= 25 * n * length


@pytest.mark.parametrize("level", [1000.0, -0.1, 0.0, 1e300])
def test_a_constant_series_is_restored_to_its_level(level: float) -> None:
    panel = Panel.from_frame(frame({"a": [level] * 7, "b": [1.0, 2.0, 4.0]}))
    restored = panel.restore(np.full((2, 2), 0.5), np.arange(2))
    assert restored[0].tolist() == [level, level]
    assert (restored[1] > panel.loc[1]).all()
    again = Panel.from_state(panel.state()).tail(2)
    assert again.still.tolist() == [True, False]
    later = Panel.from_frame(frame({"a": [level] * 6 + [2 * level + 1]}), stats=panel.stats)
    assert not later.still.any()
    assert not replace(panel, values=panel.values * torch.nan).still.any()  # nothing is known


def test_short_decimals_come_back_as_they_were_read() -> None:
    dice = np.random.default_rng(0)
    numbers = {
        "counts": dice.poisson(60, 400).astype(float),
        "prices": (dice.lognormal(3, 0.4, 400)).round(2),
        "loads": dice.normal(41_000, 900, 400).round(1),
        "people": dice.normal(3e8, 1e6, 400).round(-3),
        "drops": dice.normal(3e-7, 1e-7, 400).round(9),
    }
    read = frame({name: values.tolist() for name, values in numbers.items()})
    panel = Panel.from_frame(read)
    series = np.repeat(np.arange(len(panel)), panel.lengths)
    assert panel.restore(panel.values[:, None], series)[:, 0].tolist() == read.table.y.tolist()


def test_other_values_keep_their_order_and_move_no_further_than_fp32_rounds() -> None:
    panel = Panel.from_frame(frame({"a": [17.0, 29.0, 38.0, 79.0]}))
    z = np.linspace(-3, 3, 100_001)[None]
    y = panel.restore(z, np.zeros(1, dtype=int))
    assert (np.diff(y) >= 0).all()
    exact = z * panel.spread + panel.loc
    assert np.abs(y - exact).max() <= 2.0**-22 * panel.spread
    assert (y != exact).mean() <= 1 / 8
