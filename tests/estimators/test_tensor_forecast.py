"""Windows go in as a tensor, and forecasts come out as one."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from tslm import BaselineForecaster, ConfigError, DataError, Spec, TSLMForecaster
from tslm.estimators.trained_forecaster import TrainedForecaster

pytestmark = pytest.mark.filterwarnings("ignore")
FAST = {"backbone": "tiny", "max_steps": 3, "accelerator": "cpu", "verbose": 0, "random_state": 0}


def frame(past: Tensor) -> pd.DataFrame:
    """Series with the channels of all windows, one id each."""
    windows, length, channels = past.shape
    ids = np.arange(windows * channels).repeat(length)
    ds = np.tile(pd.date_range("1970-01-01", periods=length, freq="h"), windows * channels)
    return pd.DataFrame({"unique_id": ids, "ds": ds, "y": past.movedim(1, 2).numpy().ravel()})


def walks(windows: int = 2, length: int = 90, channels: int = 3) -> Tensor:
    dice = torch.Generator().manual_seed(5)
    return torch.randn(windows, length, channels, generator=dice).cumsum(1) + 50


@pytest.fixture(scope="module")
def model() -> TSLMForecaster:
    trained = frame(walks(1, 120)).replace({"unique_id": {0: 100, 1: 101, 2: 102}})
    return TSLMForecaster(base=None, h=6, adapter="autotimes", **FAST).fit(trained)


def test_a_tensor_is_forecast_as_a_frame_of_its_series(model: TrainedForecaster) -> None:
    past = walks()
    past[0, :20, 1] = torch.nan
    ahead = model.forecast(past, 9)
    assert ahead.shape == (2, 9, 3)
    assert ahead.dtype == past.dtype
    df = frame(past).dropna()
    expected = model.predict(df, h=9)[model.name].to_numpy().reshape(2, 3, 9)
    np.testing.assert_allclose(ahead.movedim(1, 2), expected, rtol=1e-5)


def test_quantiles_and_sample_paths_have_an_axis_of_their_own(model: TrainedForecaster) -> None:
    past = walks()
    quantiles = model.forecast(past, quantiles=[0.1, 0.5, 0.9])
    assert quantiles.shape == (2, 6, 3, 3)
    assert (quantiles.diff(dim=-1) >= 0).all()
    assert model.forecast(past, num_samples=7).shape == (2, 6, 3, 7)


def test_a_model_of_all_series_reads_the_channels_of_a_window_together() -> None:
    fast = {"max_steps": 3, "accelerator": "cpu", "verbose": 0, "random_state": 0}
    joint = BaselineForecaster("itransformer", h=6, **fast).fit(frame(walks(1, 120)))
    past = walks()
    ahead = joint.forecast(past)
    assert ahead.shape == (2, 6, 3)
    torch.testing.assert_close(joint.forecast(past[1:]), ahead[1:])


def test_times_are_asked_for_where_they_are_read() -> None:
    spec = Spec("autotimes", timestamps="numeric")
    model = TSLMForecaster(base=None, h=6, adapter=spec, **FAST).fit(frame(walks(1, 120)))
    past = walks()
    with pytest.raises(ConfigError, match=r"reads the times of a window. Pass time="):
        model.forecast(past)
    with pytest.raises(DataError, match=r"time has the shape \(90,\)"):
        model.forecast(past, time=torch.arange(90))
    hours = 3600 * torch.arange(90).repeat(2, 1)
    assert not torch.equal(
        model.forecast(past, time=hours), model.forecast(past, time=hours + 5 * 3600)
    )


def test_what_is_no_tensor_of_windows_is_refused(model: TrainedForecaster) -> None:
    with pytest.raises(DataError, match=r"past has the shape \(90, 3\)"):
        model.forecast(walks()[0])
    with pytest.raises(ConfigError, match="Give one of them"):
        model.forecast(walks(), quantiles=[0.5], num_samples=2)


def test_an_array_is_forecast_as_a_tensor(model: TrainedForecaster) -> None:
    past = walks()
    assert torch.equal(model.forecast(past.numpy()), model.forecast(past))
    with pytest.raises(DataError, match="past must be a tensor or an array of numbers"):
        model.forecast(np.full((1, 90, 1), "x", dtype=object))


def test_whole_numbers_are_forecast_as_decimals(model: TrainedForecaster) -> None:
    past = (100 * walks()).round()
    assert torch.equal(model.forecast(past.long()), model.forecast(past.long().float()))
