"""Windows: every window is the slice of its series, and none is left out."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.frames import numbered_panel
from tslm.data.frame import Columns, read_frame
from tslm.data.panel import Panel
from tslm.data.windows import Windows

PARITY = Path(__file__).parent.parent / "parity"


def naive(panel: Panel, series: int, t: int, length: int, future: int) -> tuple[list, list]:
    """One window, row by row."""
    base, first = int(panel.offsets[series]), 1000 * series
    rows = range(t - length, t + future)
    values = [base + r if r >= 0 else None for r in rows]
    return values, [first + 10 * r for r in rows]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_window_is_the_slice_of_its_series_and_none_is_left_out(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 14), min_size=1, max_size=5))
    length, future = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 5))
    stride = data.draw(st.integers(1, 3))
    start = np.array([data.draw(st.integers(0, n)) for n in lengths])
    stop = np.array([data.draw(st.integers(0, n)) for n in lengths])
    panel = numbered_panel(lengths)
    windows = Windows(
        panel, context_length=length, future_length=future, start=start, stop=stop,
        stride=stride,
    )  # fmt: skip
    expected = []
    for i in range(len(lengths)):
        room = [t for t in range(1, lengths[i] + 1) if start[i] <= t <= stop[i] - future]
        full = [t for t in room if t >= length]
        expected += [(i, t) for t in (full or room[-1:])[::stride]]
    index = torch.arange(len(windows))
    places = zip(windows.series(index).tolist(), windows.position(index).tolist(), strict=True)
    assert list(places) == expected
    batch = windows.cut(index)
    assert batch.past.shape == (len(expected), length, 1)
    assert batch.future.shape == (len(expected), future, 1)
    cut = torch.cat([batch.past, batch.future], 1)[:, :, 0].tolist()
    for (i, t), values, time in zip(expected, cut, batch.time.tolist(), strict=True):
        values = [None if np.isnan(v) else int(v) for v in values]
        assert (values, time) == naive(panel, i, t, length, future)


def test_windows_are_cut_in_any_order_and_at_any_place() -> None:
    panel = numbered_panel([9, 3, 12])
    windows = Windows(panel, context_length=4, future_length=2)
    index = torch.tensor([7, 0, 3, 0])
    whole = windows.cut(torch.arange(len(windows)))
    torch.testing.assert_close(windows.cut(index).past, whole.past[index], equal_nan=True)
    again = Windows.at(
        panel, windows.series(index), windows.position(index), context_length=4, future_length=2
    )
    torch.testing.assert_close(again.cut(torch.arange(4)).time, whole.time[index])


def test_a_batch_does_not_share_memory_with_the_panel() -> None:
    panel = numbered_panel([9])
    windows = Windows(panel, context_length=4, future_length=2)
    windows.cut(torch.tensor([0])).past.zero_()
    assert panel.values.tolist() == list(range(9))


def test_memory_does_not_grow_with_the_number_of_windows() -> None:
    windows = Windows(numbered_panel([100_000, 5]), context_length=10, future_length=2)
    held = [v for v in vars(windows).values() if isinstance(v, np.ndarray) and v.base is None]
    assert len(windows) == 99_990
    assert sum(array.size for array in held) <= 8


def test_windows_and_scaler_of_the_official_autotimes() -> None:
    case = np.load(PARITY / "autotimes_windows.npz", allow_pickle=False)
    setting = json.loads((PARITY / "autotimes_windows.json").read_text())
    values = case["input/values"]
    n, channels = values.shape
    length, segment, horizon = setting["lookback"], setting["token_len"], setting["horizon"]
    df = pd.DataFrame({
        "unique_id": np.repeat(np.arange(channels), n),
        "ds": np.tile(pd.date_range("2020-01-01", periods=n, freq="h"), channels),
        "y": values.T.ravel(),
    })  # fmt: skip
    train, test = int(n * 0.7), int(n * 0.2)
    whole = np.full(channels, 1)
    panel = Panel.from_frame(read_frame(df, Columns()), until=whole * train, dtype=torch.float64)
    np.testing.assert_allclose(panel.loc, case["output/scaler_mean"], rtol=1e-12)
    np.testing.assert_allclose(panel.spread, case["output/scaler_scale"], rtol=1e-12)
    spans = {
        "train": (length, train, segment),
        "val": (train, n - test, segment),
        "test": (n - test, n, horizon),
    }
    for name, (start, stop, future) in spans.items():
        windows = Windows(
            panel, context_length=length, future_length=future, start=whole * start,
            stop=whole * stop,
        )  # fmt: skip
        assert len(windows) == case[f"output/{name}/length"]
        batch = windows.cut(torch.from_numpy(case[f"output/{name}/index"]))
        follows = torch.cat([batch.past[:, segment:], batch.future], dim=1)
        np.testing.assert_allclose(batch.past, case[f"output/{name}/x"], rtol=0, atol=1e-12)
        np.testing.assert_allclose(follows, case[f"output/{name}/y"], rtol=0, atol=1e-12)
        hours = (batch.time[:, :length:segment] - panel.time[0]) // 3600
        np.testing.assert_array_equal(hours, case[f"output/{name}/x_mark_row"][:, :, 0])
