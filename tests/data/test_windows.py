import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tslm.core.calendar import Calendar
from tslm.data.batches import final_batches, final_contexts
from tslm.data.frame import Columns, read_frame
from tslm.data.panel import Panel
from tslm.data.samplers import EpochWindows, RandomWindows
from tslm.data.windows import Windows

PARITY = Path(__file__).parent.parent / "parity"


def panel_of(lengths: list[int]) -> Panel:
    """Series whose every value tells its place: row r of the panel holds r."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    time = np.concatenate([1000 * i + 10 * np.arange(n) for i, n in enumerate(lengths)])
    n = len(lengths)
    return Panel(
        values=torch.arange(int(offsets[-1]), dtype=torch.float32),
        time=torch.from_numpy(time),
        offsets=offsets,
        ids=pd.RangeIndex(n),
        loc=np.zeros(n),
        spread=np.ones(n),
        step=np.full(n, 10),
    )


def naive(panel: Panel, series: int, t: int, length: int, future: int) -> tuple[list, list]:
    """One window, row by row."""
    base, first = int(panel.offsets[series]), 1000 * series
    rows = range(t - length, t + future)
    values = [base + r if r >= 0 else None for r in rows]
    return values, [first + 10 * r for r in rows]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_window_is_the_naive_slice_and_none_is_lost(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(1, 14), min_size=1, max_size=5))
    length, future = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 5))
    stride, least = data.draw(st.integers(1, 3)), data.draw(st.integers(1, length))
    start = np.array([data.draw(st.integers(0, n)) for n in lengths])
    stop = np.array([data.draw(st.integers(0, n)) for n in lengths])
    panel = panel_of(lengths)
    windows = Windows(
        panel, context_length=length, future_length=future, start=start, stop=stop,
        stride=stride, min_context=least,
    )  # fmt: skip
    expected = []
    for i in range(len(lengths)):
        room = [t for t in range(least, lengths[i] + 1) if start[i] <= t <= stop[i] - future]
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
    panel = panel_of([9, 3, 12])
    windows = Windows(panel, context_length=4, future_length=2)
    index = torch.tensor([7, 0, 3, 0])
    whole = windows.cut(torch.arange(len(windows)))
    torch.testing.assert_close(windows.cut(index).past, whole.past[index], equal_nan=True)
    again = Windows.at(
        panel, windows.series(index), windows.position(index), context_length=4, future_length=2
    )
    torch.testing.assert_close(again.cut(torch.arange(4)).time, whole.time[index])


def test_a_batch_does_not_share_memory_with_the_panel() -> None:
    panel = panel_of([9])
    windows = Windows(panel, context_length=4, future_length=2)
    windows.cut(torch.tensor([0])).past.zero_()
    assert panel.values.tolist() == list(range(9))


def test_memory_does_not_grow_with_the_number_of_windows() -> None:
    windows = Windows(panel_of([100_000, 5]), context_length=10, future_length=2)
    held = [v for v in vars(windows).values() if isinstance(v, np.ndarray) and v.base is None]
    assert len(windows) == 99_990
    assert sum(array.size for array in held) <= 8


@pytest.mark.parametrize("freq", ["h", "MS"])
def test_final_contexts_end_at_the_last_row_and_know_what_comes(freq: str) -> None:
    dates = pd.date_range("2024-01-01", periods=9, freq=freq)
    lengths = {"a": 6, "b": 1, "c": 3}
    df = pd.concat([pd.DataFrame({"unique_id": k, "ds": dates[:n], "y": np.arange(n) + 1.0})
                    for k, n in lengths.items()])  # fmt: skip
    frame = read_frame(df, Columns())
    panel = Panel.from_frame(frame)
    batch = final_contexts(panel, frame.calendar, context_length=4, horizon=3)
    assert batch.future.shape == (3, 0, 1)
    assert torch.isnan(batch.past[:, :, 0]).sum(1).tolist() == [0, 3, 1]
    for row, n in enumerate(lengths.values()):
        np.testing.assert_array_equal(
            frame.calendar.from_int(batch.time[row, -3:].numpy()), dates[n : n + 3]
        )
    parts = list(final_batches(panel, frame.calendar, context_length=4, horizon=3, batch_size=2))
    assert [part[0].tolist() for part in parts] == [[0, 1], [2]]
    torch.testing.assert_close(torch.cat([part[1].time for part in parts]), batch.time)


def test_random_windows_depend_on_seed_and_step_alone() -> None:
    windows = Windows(panel_of([1000, 20]), context_length=5, future_length=2)
    one, two = RandomWindows(windows, 64, 3), RandomWindows(windows, 64, 3)
    later = [one.batch(step) for step in range(5)][4]
    assert torch.equal(two.batch(4), later)
    assert not torch.equal(two.batch(3), later)
    assert not torch.equal(RandomWindows(windows, 64, 4).batch(4), later)


def test_random_windows_can_weigh_series_alike() -> None:
    windows = Windows(panel_of([1000, 20]), context_length=5, future_length=2)
    plain = windows.series(RandomWindows(windows, 4000, 0).batch(0)).double().mean()
    alike = RandomWindows(windows, 4000, 0, by_series=True).batch(0)
    assert plain < 0.03
    assert 0.45 < windows.series(alike).double().mean() < 0.55
    assert alike.min() >= 0
    assert alike.max() < len(windows)


def test_an_epoch_reads_every_window_once() -> None:
    windows = Windows(panel_of([30, 20]), context_length=5, future_length=2)
    epochs = EpochWindows(windows, 8, seed=1)
    read = [torch.cat([epochs.batch(e * 5 + s) for s in range(5)]) for e in range(2)]
    assert epochs.steps_per_epoch == 5
    for order in read:
        assert sorted(order.tolist()) == list(range(len(windows)))
    assert not torch.equal(*read)
    assert torch.equal(EpochWindows(windows, 8, seed=1).batch(7), epochs.batch(7))
    assert EpochWindows(windows, 8, 1, drop_last=True).steps_per_epoch == 4
    assert EpochWindows(windows, 8, 1, shuffle=False).batch(4).tolist() == list(range(32, 38))


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


def test_a_calendar_alone_is_enough_for_the_times_ahead() -> None:
    calendar = Calendar("10", dated=False)
    batch = final_contexts(panel_of([4]), calendar, context_length=2, horizon=2)
    assert batch.time.tolist() == [[20, 30, 40, 50]]
