import numpy as np
import pandas as pd
import torch
from hypothesis import given
from hypothesis import strategies as st

from tslm.data.frame import Columns, read_frame
from tslm.data.panel import Panel
from tslm.data.window_times import start_times
from tslm.data.windows import Windows


@given(st.data())
def test_start_times_are_all_at_which_a_patch_of_some_window_can_start(
    data: st.DataObject,
) -> None:
    lengths = data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3))
    patch_len = data.draw(st.integers(1, 6))
    context = patch_len * data.draw(st.integers(1, 4))
    future = data.draw(st.integers(0, 12))
    start = np.array([data.draw(st.integers(0, n)) for n in lengths])
    windows = Windows(
        panel(lengths),
        context_length=context,
        future_length=future,
        start=start,
        stride=data.draw(st.integers(1, 3)),
    )
    expected = by_hand(windows, patch_len)
    got = start_times(windows, patch_len)
    assert got.tolist() == sorted(set(got.tolist()))
    if windows.stride <= context + future - patch_len + 1:
        assert set(got.tolist()) == expected
    else:  # rows between far windows may be named too
        assert set(got.tolist()) >= expected


def by_hand(windows: Windows, patch_len: int) -> set[int]:
    found = set()
    for number in range(len(windows)):
        time = windows.cut(torch.tensor([number])).time[0]
        found |= set(time[: len(time) - patch_len + 1].tolist())
    return found


def panel(lengths: list[int]) -> Panel:
    frame = pd.concat(
        [
            pd.DataFrame(
                {"unique_id": k, "ds": 100 * k + 3 * np.arange(n), "y": np.arange(n) + 1.0}
            )
            for k, n in enumerate(lengths)
        ]
    )
    return Panel.from_frame(read_frame(frame, Columns(), freq=3))


def test_no_windows_have_no_times() -> None:
    windows = Windows(panel([4]), context_length=2, future_length=9)
    assert len(windows) == 0
    assert start_times(windows, 2).tolist() == []
