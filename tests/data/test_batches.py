"""Batches: the last contexts of all series, with the times to forecast."""

import numpy as np
import pandas as pd
import pytest
import torch

from tests.frames import numbered_panel
from tslm.core.calendar import Calendar
from tslm.data.batches import final_batches, final_contexts
from tslm.data.frame import Columns, read_frame
from tslm.data.panel import Panel


@pytest.mark.parametrize("freq", ["h", "MS"])
def test_final_contexts_end_at_the_last_row_and_have_the_times_to_forecast(freq: str) -> None:
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


def test_a_calendar_alone_is_enough_for_the_times_ahead() -> None:
    calendar = Calendar("10", dated=False)
    batch = final_contexts(numbered_panel([4]), calendar, context_length=2, horizon=2)
    assert batch.time.tolist() == [[20, 30, 40, 50]]
