"""Base forecasts are computed once for each distinct window."""

import torch
from torch import Tensor

from tslm.core.forecaster import Forecaster
from tslm.core.types import Batch
from tslm.models.layers.base_memory import RememberedForecasts


class Counted(Forecaster):
    """Mean of each window; counts the windows it has forecast."""

    def __init__(self) -> None:
        super().__init__()
        self.windows = 0

    def forecast(self, batch: Batch, horizon: int) -> Tensor:
        self.windows += len(batch.past)
        return batch.past.nanmean(1, keepdim=True).expand(-1, horizon, -1)


def windows(*rows: list[float]) -> Batch:
    past = torch.tensor(rows)[:, :, None]
    return Batch.of(past, torch.zeros(len(rows), 9, dtype=torch.int64))


def test_each_window_and_horizon_is_forecast_once() -> None:
    base = Counted()
    memory = RememberedForecasts(base)
    nan = float("nan")
    first = windows([1.0, 3], [nan, 5])
    torch.testing.assert_close(memory.forecast(first, 2), base.forecast(first, 2))
    base.windows = 0
    mixed = windows([nan, 5.0], [7, 9], [1, 3])
    assert memory.forecast(mixed, 2)[:, 1, 0].tolist() == [5, 8, 2]
    assert base.windows == 1
    memory.forecast(mixed, 2)
    assert base.windows == 1
    memory.forecast(first, 3)
    assert base.windows == 3


def test_channels_belong_to_the_window_and_a_full_memory_still_forecasts() -> None:
    base = Counted()
    memory = RememberedForecasts(base, most=4)
    two = Batch.of(torch.tensor([[[1.0, 5], [3, 7]]]), torch.zeros(1, 9, dtype=torch.int64))
    for _ in range(2):
        assert memory.forecast(two, 2)[0].tolist() == [[2, 6], [2, 6]]
    assert base.windows == 1
    for _ in range(2):
        assert memory.forecast(windows([4.0, 6]), 2).flatten().tolist() == [5, 5]
    assert base.windows == 3
